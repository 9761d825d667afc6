/* SPDX-License-Identifier: Apache-2.0 */
/* Policy files on a disk: trust, includes, profiles, and prefixes that are symlinks. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "policy_help.h"

static char directory[64];

static int make_directory(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/scrim-policy-XXXXXX");
	return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
	char command[128];
	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", directory);
	return system(command);
}

static const char *in_directory(const char *name)
{
	static char path[64][256];
	static unsigned next;
	char *out = path[next++ % 64];
	snprintf(out, 256, "%s/%s", directory, name);
	return out;
}

static const char *write_file(const char *name, const char *text)
{
	const char *path = in_directory(name);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path, 0600), 0);
	return path;
}

static struct policy *strict_policy(void)
{
	const struct policy_context context = {
		.home = in_directory("home"),
		.cwd = directory,
		.getenv = test_getenv,
		.profile_dirs = {"/nowhere/profiles", directory},
		.no_mseal = true,
	};
	struct policy *policy = NULL;
	assert_int_equal(policy_new(&context, &policy), 0);
	return policy;
}

static void expect_file(const char *path, int error, const char *part)
{
	struct policy *policy = strict_policy();
	struct errmsg msg = {0};
	int r = policy_add_file(policy, path, &msg);
	if (r != error || !strstr(msg.text, part))
		fail_msg("%d: %s", r, msg.text);
	policy_free(policy);
}

static void test_trust(void **state)
{
	const char *path = write_file("trust.conf", "hide /x\n");

	(void)state;
	expect_file(path, 0, "");
	chmod(path, 0620);
	expect_file(path, -EPERM, "chmod go-w");
	chmod(path, 0602);
	expect_file(path, -EPERM, "chmod go-w");
	chmod(path, 0644);
	expect_file(path, 0, "");
	if (geteuid() == 0) {
		assert_int_equal(chown(path, 12345, 0), 0);
		expect_file(path, -EPERM, "belongs to user 12345");
	} else {
		/* Somebody else's file that is not root's cannot be made without privileges. */
		assert_int_equal(chown(path, 12345, (gid_t)-1), -1);
	}
	expect_file(in_directory("absent"), -ENOENT, "No such file");
	expect_file(directory, -EISDIR, "a directory");
}

static void test_trust_of_includes(void **state)
{
	const char *inner = write_file("inner.conf", "hide /x\n");

	(void)state;
	chmod(inner, 0666);
	expect_file(write_file("outer.conf", "# a line\ninclude inner.conf\n"), -EPERM, "outer.conf:2:9: ");
	expect_file(in_directory("outer.conf"), -EPERM, "\nchmod go-w");
}

static void test_pipe(void **state)
{
	struct policy *policy = strict_policy();
	struct errmsg msg = {0};
	char path[64];
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], "hide /nowhere/p", 15), 15);
	close(fds[1]);
	snprintf(path, sizeof(path), "/dev/fd/%d", fds[0]);
	assert_int_equal(policy_add_file(policy, path, &msg), 0);
	close(fds[0]);
	assert_int_equal(policy_compile(policy, &msg), 0);
	assert_string_equal(verdict_of(policy, "/nowhere/p"), "hide plain free");
	policy_free(policy);
}

static void test_includes(void **state)
{
	struct policy *policy = strict_policy();
	struct errmsg msg = {0};

	(void)state;
	assert_int_equal(mkdir(in_directory("sub"), 0700), 0);
	write_file("sub/b.conf", "show /nowhere/x\ninclude ../c.conf\n");
	write_file("c.conf", "mask /nowhere/y");
	/* Included twice is no loop; rules stand where the include stands. */
	write_file("a.conf", "hide /nowhere/x\ninclude sub/b.conf\ninclude c.conf\nhide /nowhere/x/z\n");
	assert_int_equal(policy_add_file(policy, in_directory("a.conf"), &msg), 0);
	assert_int_equal(policy_compile(policy, &msg), 0);
	assert_string_equal(verdict_of(policy, "/nowhere/x"), "show plain free");
	assert_string_equal(verdict_of(policy, "/nowhere/x/z"), "hide plain free");
	assert_string_equal(verdict_of(policy, "/nowhere/y"), "show mask free");
	assert_non_null(strstr(policy_rule(policy, 1)->origin, "/sub/b.conf"));
	assert_int_equal(policy_rule(policy, 1)->line, 1);
	policy_free(policy);

	write_file("l1.conf", "include l2.conf\n");
	write_file("l2.conf", "\ninclude l1.conf\n");
	expect_file(in_directory("l1.conf"), -ELOOP, "l2.conf:2:9: an include loop");
	expect_file(write_file("self.conf", "include self.conf"), -ELOOP, "an include loop");
	for (unsigned i = 0; i < 20; i++) {
		char name[32], text[32];
		snprintf(name, sizeof(name), "d%u.conf", i);
		snprintf(text, sizeof(text), "include d%u.conf", i + 1);
		write_file(name, text);
	}
	expect_file(in_directory("d0.conf"), -ELOOP, "d16.conf:1:9: includes nested deeper than 16");
	/* What is wrong in a file two includes away is said of that file alone. */
	write_file("e2.conf", "hide x\n");
	write_file("e1.conf", "include e2.conf\n");
	expect_file(write_file("e0.conf", "include e1.conf\n"), -EINVAL, "e2.conf:1:6: a relative pattern");
}

static void test_profiles(void **state)
{
	struct policy *policy = strict_policy();
	struct errmsg msg = {0};

	(void)state;
	write_file("agent.profile", "\nhide /nowhere/keys\n");
	assert_int_equal(policy_add_profile(policy, "agent", &msg), 0);
	assert_int_equal(policy_add_profile(policy, "agents", &msg), -ENOENT);
	assert_non_null(strstr(msg.text, "no profile agents in /nowhere/profiles or "));
	assert_int_equal(policy_add_profile(policy, "../agent", NULL), -EINVAL);
	assert_int_equal(policy_compile(policy, NULL), 0);
	assert_string_equal(policy_rule(policy, 0)->origin, "profile agent");
	assert_int_equal(policy_rule(policy, 0)->line, 2);
	assert_int_equal(policy_add_rule(policy, "hide /x", NULL), -EPERM);
	assert_int_equal(policy_compile(policy, NULL), -EPERM);
	policy_free(policy);
}

/* The verdict of a name in the directory. */
static const char *at(const struct policy *policy, const char *name)
{
	return verdict_of(policy, in_directory(name));
}

static void test_symlinks(void **state)
{
	struct policy *policy = strict_policy();
	struct errmsg msg = {0};

	(void)state;
	assert_int_equal(mkdir(in_directory("real"), 0700), 0);
	assert_int_equal(mkdir(in_directory("real/sub"), 0700), 0);
	write_file("real/key", "");
	assert_int_equal(symlink("real", in_directory("way")), 0);
	assert_int_equal(symlink(in_directory("way/sub"), in_directory("home")), 0);
	assert_int_equal(symlink("../../way/key", in_directory("real/sub/alias")), 0);
	assert_int_equal(symlink("loop2", in_directory("loop1")), 0);
	assert_int_equal(symlink("loop1", in_directory("loop2")), 0);
	assert_int_equal(symlink("gone", in_directory("dangling")), 0);

	assert_int_equal(policy_add_rule(policy, "hide way/key", &msg), 0);
	assert_int_equal(policy_add_rule(policy, "readonly ~/later/x", &msg), 0);
	assert_int_equal(policy_add_rule(policy, "append way/*.log", &msg), 0);
	assert_int_equal(policy_add_rule(policy, "mask ~/alias", &msg), 0);
	assert_int_equal(policy_add_rule(policy, "mask loop1/x", &msg), 0);
	assert_int_equal(policy_add_rule(policy, "mask dangling", &msg), 0);
	assert_int_equal(policy_add_rule(policy, "mask way/../other", &msg), 0);
	assert_int_equal(policy_add_rule(policy, "mask way/sub/../up", &msg), 0);
	assert_int_equal(policy_compile(policy, &msg), 0);
	assert_string_equal(at(policy, "real/key"), "hide mask free"); /* the alias leads here too */
	assert_string_equal(at(policy, "real/sub/later/x"), "show plain readonly");
	assert_string_equal(at(policy, "real/a.log"), "show plain append");
	assert_string_equal(at(policy, "real/sub/alias"), "show mask free");
	assert_string_equal(at(policy, "loop1/x"), "show mask free");
	assert_string_equal(at(policy, "dangling"), "show mask free");
	assert_string_equal(at(policy, "gone"), "show mask free");
	assert_string_equal(at(policy, "other"), "show mask free");
	assert_string_equal(at(policy, "real/up"), "show mask free");
	assert_string_equal(at(policy, "real/other"), "show plain free");
	/* The rule of a symlink is two: its own name and what it leads to. */
	assert_string_equal(policy_rule(policy, 3)->canonical, in_directory("real/sub/alias"));
	assert_string_equal(policy_rule(policy, 4)->canonical, in_directory("real/key"));
	assert_string_equal(policy_rule(policy, 3)->pattern, policy_rule(policy, 4)->pattern);
	policy_free(policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_trust),	 cmocka_unit_test(test_trust_of_includes),
		cmocka_unit_test(test_pipe),	 cmocka_unit_test(test_includes),
		cmocka_unit_test(test_profiles), cmocka_unit_test(test_symlinks),
	};
	umask(022);
	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
