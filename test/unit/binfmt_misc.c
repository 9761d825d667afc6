/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of binfmt_misc as their files show them, and which files they claim. */
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "proc/binfmt_misc.h"

#define TOP "enabled\ninterpreter /usr/bin/x\nflags: OCF\n"

static void entries(void **state)
{
	static const struct {
		const char *entry, *name, *head;
		bool claims;
	} table[] = {
		{TOP "extension .py\n", "/a/b.py", "", true},
		{TOP "extension .py\n", "b.c.py", "", true},
		{TOP "extension .py\n", "b.pyc", "", false},
		{TOP "extension .py\n", "py", "", false},
		{TOP "extension .py\n", "b.p", "", false},
		{TOP "extension .py\n", "", "", false},
		{"disabled\ninterpreter /usr/bin/x\nflags: \nextension .py\n", "b.py", "", false},
		{TOP "offset 0\nmagic 4d5a\n", "b", "MZ rest", true},
		{TOP "offset 0\nmagic 4d5a\n", "b", "MX rest", false},
		{TOP "offset 0\nmagic 4d5a\n", "b", "M", false},
		{TOP "offset 2\nmagic 5a\n", "b", "xyZ", true},
		{TOP "offset 0\nmagic 4d5a\nmask ff00\n", "b", "MX", true},
		{TOP "offset 0\nmagic 4d5a\nmask ff00\n", "b", "NX", false},
		{TOP "offset 0\nmagic 00\n", "b", "", true}, /* the kernel's buffer is padded with zeros */
		{TOP "offset 256\nmagic 00\n", "b", "", false},
		{TOP "offset 99999999999999999999\nmagic 00\n", "b", "", false},
		{TOP "offset 255\nmagic 0000\n", "b", "", false},
		{TOP "offset 0\nmagic \n", "b", "x", false},
		{TOP "offset 0\nmagic zz\n", "b", "x", false},
		{TOP "magic 78", "b", "x", true},
		{TOP, "b", "x", false},
		{"", "b", "x", false},
		{"\n\n\n", "b", "x", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct binfmt_misc_handler handler;
		bool got = binfmt_misc_entry_matches(table[i].entry, table[i].name, table[i].head, strlen(table[i].head),
						     &handler);
		if (got != table[i].claims)
			fail_msg("entry %zu: %d", i, got);
		if (got && strncmp(table[i].entry, TOP, strlen(TOP)) == 0) {
			assert_string_equal(handler.interpreter, "/usr/bin/x");
			assert_true(handler.open_binary && !handler.preserve_argv0);
		}
	}
}

static void handlers(void **state)
{
	char entry[4096];
	struct binfmt_misc_handler handler;

	(void)state;
	assert_true(binfmt_misc_entry_matches("enabled\ninterpreter a b\nflags: PF\nextension .x\n", "f.x", "", 0, &handler));
	assert_string_equal(handler.interpreter, "a b");
	assert_true(handler.preserve_argv0 && !handler.open_binary);
	assert_true(binfmt_misc_entry_matches("enabled\nflags: \nextension .x\n", "f.x", "", 0, &handler));
	assert_string_equal(handler.interpreter, "");
	assert_true(!handler.preserve_argv0 && !handler.open_binary);
	/* Longer than any that can be registered. */
	int len = snprintf(entry, sizeof(entry), "enabled\nextension .x\ninterpreter ");
	memset(entry + len, 'i', 3000);
	entry[len + 3000] = '\0';
	assert_true(binfmt_misc_entry_matches(entry, "f.x", "", 0, &handler));
	assert_int_equal(strlen(handler.interpreter), BINFMT_MISC_INTERPRETER_MAX - 1);
}

/* Where it is not mounted, the directory is procfs's own and empty. */
static void not_mounted(void **state)
{
	struct binfmt_misc_handler handler;
	struct binfmt_misc *formats;

	(void)state;
	int empty = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(binfmt_misc_new(i ? -1 : empty, &formats), 0);
		assert_false(binfmt_misc_find(formats, "b.py", "MZ", 2, &handler));
		assert_false(binfmt_misc_find(formats, "b.py", "MZ", 2, &handler));
		assert_null(binfmt_misc_free(formats));
	}
	close(empty);
}

static void make_entry(int dir, const char *name, const char *text)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

/* A directory that looks like the kernel's. */
static void in_a_directory(void **state)
{
	char path[] = "/tmp/scrim-binfmt-XXXXXX";
	struct binfmt_misc_handler handler;

	(void)state;
	assert_non_null(mkdtemp(path));
	int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_false(binfmt_misc_find_in(dir, "a.py", "MZ", 2, &handler));
	make_entry(dir, "status", "enabled\n");
	make_entry(dir, "register", "enabled\ninterpreter /no\nflags: \nextension .py\n");
	assert_false(binfmt_misc_find_in(dir, "a.py", "MZ", 2, &handler));
	make_entry(dir, "python", "enabled\ninterpreter /python\nflags: P\nextension .py\n");
	make_entry(dir, "..dots", "enabled\ninterpreter /dots\nflags: \nextension .dots\n");
	make_entry(dir, "off", "disabled\ninterpreter /off\nflags: \nextension .off\n");
	make_entry(dir, "wine", "enabled\ninterpreter /wine\nflags: OC\noffset 0\nmagic 4d5a\n");
	assert_true(binfmt_misc_find_in(dir, "a.py", "", 0, &handler));
	assert_string_equal(handler.interpreter, "/python");
	assert_true(binfmt_misc_find_in(dir, "a.dots", "", 0, &handler));
	assert_string_equal(handler.interpreter, "/dots");
	assert_true(binfmt_misc_find_in(dir, "a.exe", "MZ..", 4, &handler));
	assert_string_equal(handler.interpreter, "/wine");
	assert_false(binfmt_misc_find_in(dir, "a.off", "", 0, &handler));
	make_entry(dir, "status", "disabled\n");
	assert_false(binfmt_misc_find_in(dir, "a.py", "", 0, &handler));
	static const char *const names[] = {"status", "register", "python", "..dots", "off", "wine"};
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		assert_int_equal(unlinkat(dir, names[i], 0), 0);
	close(dir);
	assert_int_equal(rmdir(path), 0);
}

#define UNSUPPORTED 77

static bool put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n = write(fd, text, strlen(text));

	close(fd);
	return n == (ssize_t)strlen(text);
}

/* Entries of the kernel's own, in a user namespace of theirs (6.7). */
static int registered(void)
{
	static const char *const entries_to_make[] = {":scrim-e:E::scrimtest::/bin/cat:",
						      ":scrim-m:M:2:MZ\\xff:\\xff\\xff\\x00:/bin/cat:OC"};

	char uids[64], gids[64];

	snprintf(uids, sizeof(uids), "0 %u 1", geteuid());
	snprintf(gids, sizeof(gids), "0 %u 1", getegid());
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return UNSUPPORTED;
	if (!put("/proc/self/setgroups", "deny") || !put("/proc/self/uid_map", uids) || !put("/proc/self/gid_map", gids))
		return UNSUPPORTED;
	if (mount("none", "/proc/sys/fs/binfmt_misc", "binfmt_misc", 0, NULL) < 0)
		return UNSUPPORTED;
	for (size_t i = 0; i < ARRAY_LEN(entries_to_make); i++) {
		if (!put("/proc/sys/fs/binfmt_misc/register", entries_to_make[i]))
			return UNSUPPORTED;
	}
	static const char place[] = "/proc/sys/fs/binfmt_misc/";
	static const struct {
		const char *file, *text; /* written before; NULL: nothing */
		const char *name, *head;
		const char *interpreter; /* NULL: nothing claims it */
	} steps[] = {
		{NULL, NULL, "/a/b.scrimtest", "", "/bin/cat"},
		{NULL, NULL, "b", "xyMZ!", "/bin/cat"},
		{NULL, NULL, "b", "xyM!!", NULL},
		{NULL, NULL, "scrimtest", "", NULL},
		{"register", ":scrim-n:E::scrimtest::/bin/newer:P", "b.scrimtest", "", "/bin/newer"},
		{"scrim-n", "0", "b.scrimtest", "", "/bin/cat"},
		{"scrim-n", "1", "b.scrimtest", "", "/bin/newer"},
		{"scrim-n", "-1", "b.scrimtest", "", "/bin/cat"},
		{"status", "0", "b.scrimtest", "", NULL},
		{"status", "1", "b.scrimtest", "", "/bin/cat"},
		{"status", "-1", "b.scrimtest", "", NULL},
	};
	struct binfmt_misc_handler handler;
	struct binfmt_misc *formats;
	char path[64];

	int proc = open("/proc", O_PATH | O_DIRECTORY);
	if (binfmt_misc_new(proc, &formats) < 0)
		return 1;
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		snprintf(path, sizeof(path), "%s%s", place, steps[i].file ? steps[i].file : "");
		if (steps[i].file && !put(path, steps[i].text))
			return 2;
		/* What is kept is as right as what is read now. */
		for (int look = 0; look < 2; look++) {
			bool found = binfmt_misc_find(formats, steps[i].name, steps[i].head, strlen(steps[i].head), &handler);
			if (found != (steps[i].interpreter != NULL) ||
			    (found && strcmp(handler.interpreter, steps[i].interpreter) != 0))
				return 10 + (int)i;
		}
	}
	if (umount2(place, MNT_DETACH) < 0 || binfmt_misc_find(formats, "b.scrimtest", "", 0, &handler))
		return 3;
	binfmt_misc_free(formats);
	close(proc);
	return 0;
}

static void as_the_kernel_shows_them(void **state)
{
	int status;

	(void)state;
	pid_t pid = fork();
	if (pid == 0)
		_exit(registered());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == UNSUPPORTED)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entries),
		cmocka_unit_test(handlers),
		cmocka_unit_test(not_mounted),
		cmocka_unit_test(in_a_directory),
		cmocka_unit_test(as_the_kernel_shows_them),
	};
	return cmocka_run_group_tests_name("binfmt_misc", tests, NULL, NULL);
}
