/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Execs as the view answers them, against the kernel: each file is executed natively too; errno, AT_EXECFN, comm and
 * argv must be the same. And what rules forbid tells nothing about what exists.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "../features/without.h"
#include "fake_caller.h"
#include "intercept/handlers.h"
#include "native_exec.h"
#include "proc/exec_plan.h"
#include "view_fixture.h"

#ifndef AT_EXECVE_CHECK
#define AT_EXECVE_CHECK 0x10000
#endif

static struct fixture view;
static struct fake_caller fake;
static struct op *the_op;
static struct outcome out;
static struct shown shown;
static char base[256];
static int dir;

static char arg0[] = "replaced", arg1[] = "given", arg2[] = "";
static char *const arguments[] = {arg0, arg1, arg2, NULL};

static void begin(bool ext4, const char *const *rules)
{
	const char *made = fixture_directory(ext4);

	if (!made)
		skip();
	snprintf(base, sizeof(base), "%s", made);
	dir = open(base, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(dir >= 0);
	fixture_view(&view, base, rules);
	/* /proc/self is this process, the caller too. */
	assert_int_equal(chdir(base), 0);
	assert_int_equal(fake_caller_init(&fake, base, 022), 0);
	the_op = malloc(sizeof(*the_op));
	op_init(the_op);
}

static void end(void)
{
	outcome_release(&out);
	free(the_op);
	fake_caller_release(&fake);
	fixture_free(&view);
	close(dir);
	assert_int_equal(chdir("/"), 0);
	fixture_remove(base);
}

static int predict(int dirfd, const char *text, int flags)
{
	bool at = dirfd != AT_FDCWD || flags;
	uint64_t args[6] = {(uintptr_t)text, (uintptr_t)arguments, 7};
	uint64_t at_args[6] = {(uint32_t)dirfd | 0xabcd00000000, (uintptr_t)text, (uintptr_t)arguments, 7,
			       (uint32_t)flags | 0xabcd00000000};
	int error;

	outcome_release(&out);
	outcome_init(&out);
	op_begin(the_op, view.view, &fake.caller, at ? SYS_execveat : SYS_execve);
	error = at ? handle_execveat(the_op, SYS_execveat, at_args, &out) : handle_execve(the_op, SYS_execve, args, &out);
	assert_int_equal(the_op->walk[0].fd, -EBADF);
	assert_int_equal(the_op->walk[1].fd, -EBADF);
	if (error || out.kind == OUT_VALUE)
		return error;
	assert_int_equal(out.kind, OUT_ERRAND);
	assert_int_equal(out.errand.object_arg, at);
	assert_int_equal(out.errand.args[1 + at], (uintptr_t)arguments);
	assert_int_equal(out.errand.args[2 + at], 7);
	assert_false(out.errand.may_block);
	return 0;
}

static size_t put(char *to, size_t at, const char *string)
{
	assert_true(at + strlen(string) + 1 <= SHOW_MAX);
	strcpy(to + at, string);
	return at + strlen(string) + 1;
}

/* What the program would show of itself by the plan. */
static void compare_presentation(const char *what)
{
	static char expected[SHOW_MAX];
	const struct exec_plan *plan = out.errand.exec;
	size_t len = put(expected, put(expected, 0, plan->execfn), plan->comm);

	for (unsigned i = 0; i < plan->prefix_count; i++)
		len = put(expected, len, plan->prefix[i]);
	for (unsigned i = plan->prefix_count ? 1 : 0; arguments[i]; i++)
		len = put(expected, len, arguments[i]);
	if (len != shown.len || memcmp(expected, shown.text, len) != 0)
		fail_msg("%s: natively \"%s\" \"%s\" \"%s\", here \"%s\" \"%s\" \"%s\"", what, shown.text,
			 strchr(shown.text, 0) + 1, strchr(strchr(shown.text, 0) + 1, 0) + 1, plan->execfn, plan->comm,
			 plan->prefix_count ? plan->prefix[0] : "-");
}

static void compare_at(int dirfd, const char *text, int flags)
{
	int native = native_exec(base, dirfd, text, flags, arguments, &shown);
	int got = predict(dirfd, text, flags);

	if (native == -EINVAL && (flags & AT_EXECVE_CHECK) && without_some(SYS_execveat))
		return;
	if (got != native)
		fail_msg("\"%s\": natively %d, here %d", text, native, got);
	if (native == 0 && shown.len)
		compare_presentation(text);
}

static void compare(const char *text)
{
	compare_at(AT_FDCWD, text, 0);
}

static void make_text(const char *name, const char *content, unsigned mode)
{
	make_file(dir, name, content, strlen(content), mode);
}

static void make_elf(const char *name, const char *interp)
{
	static struct small_elf elf;

	small_elf_init(&elf, interp);
	make_file(dir, name, &elf, sizeof(elf), 0755);
}

static const char *const bystanders[] = {"hide @/elsewhere", "mask **/*.secret", "readonly /usr", "append **/*.log", NULL};

static void make_zoo(void)
{
	make_show(dir, "s", 0755);
	make_text("plain", "#!./s\n", 0644);
	make_text("empty", "", 0755);
	make_text("text", "echo hello\n", 0755);
	make_text("script", "#!./s with argument\n", 0755);
	make_text("no-interpreter", "#!./absent\n", 0755);
	make_text("dir-interpreter", "#!./sub\n", 0755);
	make_text("plain-interpreter", "#!./plain\n", 0755);
	make_text("empty-interpreter", "#!./empty\n", 0755);
	make_text("link-interpreter", "#!./link\n", 0755);
	make_text("loop-interpreter", "#!./loop\n", 0755);
	make_text("slash-interpreter", "#!./s/\n", 0755);
	make_text("self", "#!./self\n", 0755);
	make_text("mode-0", "#!./s\n", 0);
	make_text("mode-0600", "#!./s\n", 0600);
	make_text("mode-0655", "#!./s\n", 0655);
	make_text("mode-0745", "#!./s\n", 0745);
	make_elf("static", NULL);
	make_elf("absent-ld", "./absent");
	make_elf("dir-ld", "./sub");
	make_elf("plain-ld", "./plain");
	make_elf("text-ld", "./text");
	make_elf("empty-ld", "./empty");
	make_elf("script-ld", "./script");
	make_elf("ld", "./static");
	make_elf("loop-ld", "./loop");
	make_elf("nothing-ld", "");
	make_elf("slash-ld", "./static/");
	assert_int_equal(mkdirat(dir, "sub", 0755), 0);
	assert_int_equal(mkfifoat(dir, "fifo", 0755), 0);
	assert_int_equal(symlinkat("s", dir, "link"), 0);
	assert_int_equal(symlinkat("script", dir, "script-link"), 0);
	assert_int_equal(symlinkat("absent", dir, "dangling"), 0);
	assert_int_equal(symlinkat("loop", dir, "loop"), 0);
	for (int i = 0; i < 8; i++) {
		char name[8], content[64];
		snprintf(name, sizeof(name), "n%d", i);
		if (i == 0)
			snprintf(content, sizeof(content), "#!./s zero\n");
		else
			snprintf(content, sizeof(content), i % 2 ? "#!./n%d\n" : "#! n%d level %d\n", i - 1, i);
		make_text(name, content, 0755);
		/* The same down to an absent interpreter: ENOENT or ELOOP, whichever comes first. */
		name[0] = 'a';
		snprintf(content, sizeof(content), i ? "#!./a%d\n" : "#!./absent\n", i - 1);
		make_text(name, content, 0755);
	}
}

static void as_the_kernel(bool ext4)
{
	static const char *const names[] = {
		"./s", "s", "s/", "s/.", "sub", "sub/", "sub/../s", ".", "/", "..", "absent", "absent/s", "s/s", "plain",
		"empty", "text", "script", "./script", "sub/../script", "no-interpreter", "dir-interpreter",
		"plain-interpreter", "empty-interpreter", "link-interpreter", "loop-interpreter", "slash-interpreter", "self",
		"mode-0", "mode-0600", "mode-0655", "mode-0745", "static", "absent-ld", "dir-ld", "plain-ld", "text-ld",
		"empty-ld", "script-ld", "ld", "loop-ld", "nothing-ld", "slash-ld", "fifo", "link", "script-link", "dangling",
		"loop", "n0", "n1", "n2", "n3", "n4", "n5", "n6", "n7", "a0", "a3", "a4", "a5", "a6", "/dev/null",
		"/proc/self/exe", "/proc/self/cwd/script", "/proc/version", "/bin/true", "",
	};
	char absolute[512];

	begin(ext4, bystanders);
	make_zoo();
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		compare(names[i]);
		snprintf(absolute, sizeof(absolute), "%s/%s", base, names[i]);
		compare(absolute);
	}
	end();
}

static void as_the_kernel_on_ext4(void **state)
{
	(void)state;
	as_the_kernel(true);
}

static void as_the_kernel_on_tmpfs(void **state)
{
	(void)state;
	as_the_kernel(false);
}

static void by_descriptor(void **state)
{
	static const int flags[] = {0, AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, 1,
				    AT_EXECVE_CHECK, AT_EXECVE_CHECK | AT_EMPTY_PATH, AT_SYMLINK_FOLLOW};
	static const char *const texts[] = {"", "s", "script", "link", "script-link", "plain", "sub/../script", "absent",
					    "/bin/true"};
	int fds[16];
	size_t count = 0;

	(void)state;
	begin(true, bystanders);
	make_zoo();
	fds[count++] = AT_FDCWD;
	fds[count++] = -1;
	fds[count++] = 999;
	fds[count++] = openat(dir, ".", O_RDONLY);
	fds[count++] = openat(dir, ".", O_PATH | O_CLOEXEC);
	fds[count++] = openat(dir, "s", O_RDONLY | O_CLOEXEC);
	fds[count++] = openat(dir, "script", O_RDONLY);
	fds[count++] = openat(dir, "script", O_RDONLY | O_CLOEXEC);
	fds[count++] = openat(dir, "script", O_PATH);
	fds[count++] = openat(dir, "link", O_PATH | O_NOFOLLOW | O_CLOEXEC);
	fds[count++] = memfd_create("nameless", 0);
	fds[count++] = openat(dir, "gone", O_RDONLY | O_CREAT, 0755);
	assert_int_equal(unlinkat(dir, "gone", 0), 0);
	make_show(dir, "going", 0755);
	fds[count++] = openat(dir, "going", O_RDONLY);
	assert_int_equal(unlinkat(dir, "going", 0), 0);
	for (size_t i = 0; i < count; i++) {
		for (size_t f = 0; f < ARRAY_LEN(flags); f++) {
			for (size_t t = 0; t < ARRAY_LEN(texts); t++)
				compare_at(fds[i], texts[t], flags[f]);
		}
	}
	for (size_t i = 3; i < count; i++)
		close(fds[i]);
	end();
}

/* Every way to execute something by its name, which comes between the two. */
static const struct {
	const char *before; /* in the file "way"; NULL: directly */
	const char *after;  /* NULL: as PT_INTERP */
} ways[] = {
	{NULL, NULL}, {"#!./", "\n"}, {"#!./", " with argument\n"}, {"#!", ""}, {"#!./sub/../", "\n"},
	{"./", NULL}, {"", NULL}, {"./sub/../", NULL},
};

static int go(size_t way, const char *name)
{
	char content[128];

	if (!ways[way].before)
		return predict(AT_FDCWD, name, 0);
	snprintf(content, sizeof(content), "%s%s%s", ways[way].before, name, ways[way].after ? ways[way].after : "");
	if (ways[way].after)
		make_text("way", content, 0755);
	else
		make_elf("way", content);
	return predict(AT_FDCWD, "way", 0);
}

static void expect(const char *name, int expected, int refusal)
{
	for (size_t way = 0; way < ARRAY_LEN(ways); way++) {
		int got = go(way, name);
		if (got != expected)
			fail_msg("%s by way %zu: %d instead of %d", name, way, got, expected);
		if (refusal < 0)
			continue;
		assert_true(the_op->refused.set);
		assert_int_equal(the_op->refused.refusal, refusal);
	}
}

static void rules_tell_nothing(void **state)
{
	static const char *const rules[] = {"hide @/hidden*", "deny @/denied*", "mask @/masked", "readonly @/fixed",
					    "append @/log", NULL};
	(void)state;
	begin(true, rules);
	assert_int_equal(mkdirat(dir, "sub", 0755), 0);
	make_elf("hidden", NULL);
	assert_int_equal(mkdirat(dir, "hidden-dir", 0755), 0);
	make_elf("hidden-dir/inside", NULL);
	make_text("hidden-script", "#!./absent\n", 0755);
	make_text("hidden-plain", "", 0600);
	make_elf("denied", NULL);
	make_elf("masked", NULL);
	make_elf("fixed", NULL);
	make_elf("log", NULL);
	assert_int_equal(symlinkat("hidden", dir, "to-hidden"), 0);
	assert_int_equal(symlinkat("hidden-absent", dir, "to-absent"), 0);

	expect("absent", -ENOENT, -1);
	static const char *const hidden[] = {"hidden", "hidden-absent", "hidden-dir", "hidden-dir/inside",
					     "hidden-dir/absent", "hidden-script", "hidden-plain", "to-hidden",
					     "to-absent"};
	for (size_t i = 0; i < ARRAY_LEN(hidden); i++)
		expect(hidden[i], -ENOENT, REFUSAL_HIDDEN);
	expect("denied", -EACCES, REFUSAL_DENIED);
	expect("denied-absent", -EACCES, REFUSAL_DENIED);
	expect("masked", -EACCES, REFUSAL_MASKED_WRITE);
	expect("fixed", 0, -1);
	expect("log", 0, -1);
	end();
}

/* The object that runs and what it maps are the ones that were judged. */
static void plan_names_the_objects(void **state)
{
	struct stat exe, interp, object;

	(void)state;
	begin(true, bystanders);
	make_elf("interp", NULL);
	make_elf("program", "./interp");
	make_text("script", "#!./program a b\n", 0755);
	assert_int_equal(fstatat(dir, "program", &exe, 0), 0);
	assert_int_equal(fstatat(dir, "interp", &interp, 0), 0);
	static const char *const names[] = {"program", "script"};
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		assert_int_equal(predict(AT_FDCWD, names[i], 0), 0);
		const struct exec_plan *plan = out.errand.exec;
		assert_int_equal(fstat(out.fd, &object), 0);
		assert_int_equal(fcntl(out.fd, F_GETFL) & O_PATH, O_PATH);
		assert_int_equal(object.st_ino, exe.st_ino);
		assert_int_equal(plan->exe_ino, exe.st_ino);
		assert_int_equal(plan->exe_dev, exe.st_dev);
		assert_int_equal(plan->interp_ino, interp.st_ino);
		assert_int_equal(plan->interp_dev, interp.st_dev);
		assert_int_equal(plan->prefix_count, i ? 3 : 0);
	}
	assert_int_equal(predict(AT_FDCWD, "interp", 0), 0);
	assert_int_equal(out.errand.exec->interp_ino, 0);
	end();
}

/* The kernel would run it, but then nobody could serve it. Root reads everything. */
static void unreadable_programs(void **state)
{
	(void)state;
	begin(true, bystanders);
	make_show(dir, "unreadable", 0711);
	if (fixture_is_root()) {
		compare("unreadable");
	} else {
		make_show(dir, "unreadable", 0111);
		assert_int_equal(native_exec(base, AT_FDCWD, "./unreadable", 0, arguments, NULL), 0);
		assert_int_equal(predict(AT_FDCWD, "unreadable", 0), -EACCES);
		assert_true(the_op->refused.set && the_op->refused.note);
		assert_int_equal(the_op->refused.refusal, REFUSAL_UNSERVED);
	}
	end();
}

static void foreign_programs(void **state)
{
	static struct small_elf elf;

	(void)state;
	begin(true, bystanders);
	small_elf_init(&elf, NULL);
	elf.header.e_machine = EM_AARCH64;
	make_file(dir, "arm", &elf, sizeof(elf), 0755);
	assert_int_equal(predict(AT_FDCWD, "arm", 0), -ENOEXEC);
	assert_true(the_op->refused.set && the_op->refused.note);
	make_text("text", "echo\n", 0755);
	assert_int_equal(predict(AT_FDCWD, "text", 0), -ENOEXEC);
	assert_false(the_op->refused.set);
	end();
}

/* A script that is being written: only where the kernel can be asked. */
static void busy_script(void **state)
{
	(void)state;
	begin(true, bystanders);
	make_show(dir, "s", 0755);
	make_text("script", "#!./s\n", 0755);
	int self = openat(dir, "s", O_PATH | O_CLOEXEC);
	bool asks = predict(self, "", AT_EMPTY_PATH | AT_EXECVE_CHECK) != -EINVAL;
	int writer = openat(dir, "script", O_WRONLY | O_CLOEXEC);
	assert_true(writer >= 0);
	if (asks)
		compare("script");
	close(writer);
	compare("script");
	close(self);
	end();
}

static int noexec_child(void)
{
	char name[300];

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", base, "tmpfs", MS_NOEXEC, NULL) < 0)
		return 77;
	int fresh = open(base, O_PATH | O_DIRECTORY | O_CLOEXEC);
	snprintf(name, sizeof(name), "%s/s", base);
	make_show(fresh, "s", 0755);
	return native_exec(base, AT_FDCWD, name, 0, arguments, NULL) == -EACCES && predict(AT_FDCWD, name, 0) == -EACCES
		       ? 0
		       : 1;
}

static void mounted_noexec(void **state)
{
	int status;

	(void)state;
	if (!fixture_is_root())
		return;
	begin(true, bystanders);
	pid_t pid = fork();
	if (pid == 0)
		_exit(noexec_child());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77);
	end();
}

static void bad_addresses(void **state)
{
	static char text[8192];
	const uint64_t null[6] = {0}, bad[6] = {8};
	uint64_t args[6] = {(uintptr_t)text};

	(void)state;
	begin(true, bystanders);
	outcome_init(&out);
	op_begin(the_op, view.view, &fake.caller, SYS_execve);
	assert_int_equal(handle_execve(the_op, SYS_execve, null, &out), -EFAULT);
	assert_int_equal(handle_execve(the_op, SYS_execve, bad, &out), -EFAULT);
	memset(text, 'x', sizeof(text) - 1);
	assert_int_equal(handle_execve(the_op, SYS_execve, args, &out), -ENAMETOOLONG);
	end();
}

static int tests(void)
{
	/* Changing ids made this process one that cannot look at itself; a caller of the view never is. */
	prctl(PR_SET_DUMPABLE, 1);
	outcome_init(&out);
	const struct CMUnitTest list[] = {
		cmocka_unit_test(as_the_kernel_on_ext4),
		cmocka_unit_test(as_the_kernel_on_tmpfs),
		cmocka_unit_test(by_descriptor),
		cmocka_unit_test(rules_tell_nothing),
		cmocka_unit_test(plan_names_the_objects),
		cmocka_unit_test(unreadable_programs),
		cmocka_unit_test(foreign_programs),
		cmocka_unit_test(busy_script),
		cmocka_unit_test(mounted_noexec),
		cmocka_unit_test(bad_addresses),
	};
	return cmocka_run_group_tests_name("exec", list, NULL, NULL);
}

int main(int argc, char *argv[])
{
	(void)argc;
	native_show(argv);
	return fixture_main(tests);
}
