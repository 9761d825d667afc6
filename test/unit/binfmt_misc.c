/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of binfmt_misc as their files show them, and which files they claim. */
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
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
		bool got = binfmt_misc_entry_matches(table[i].entry, table[i].name, table[i].head, strlen(table[i].head));
		if (got != table[i].claims)
			fail_msg("entry %zu: %d", i, got);
	}
}

/* Where it is not mounted, the directory is procfs's own and empty. */
static void not_mounted(void **state)
{
	int empty = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	assert_false(binfmt_misc_claims(empty, "b.py", "MZ", 2));
	assert_false(binfmt_misc_claims(-1, "b.py", "MZ", 2));
	close(empty);
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
	int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (!binfmt_misc_claims(proc, "/a/b.scrimtest", "", 0) || !binfmt_misc_claims(proc, "b", "xyMZ!", 5))
		return 1;
	if (binfmt_misc_claims(proc, "b", "xyM!!", 5) || binfmt_misc_claims(proc, "scrimtest", "", 0))
		return 2;
	if (!put("/proc/sys/fs/binfmt_misc/status", "0"))
		return 3;
	return binfmt_misc_claims(proc, "/a/b.scrimtest", "", 0) ? 4 : 0;
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
		cmocka_unit_test(not_mounted),
		cmocka_unit_test(as_the_kernel_shows_them),
	};
	return cmocka_run_group_tests_name("binfmt_misc", tests, NULL, NULL);
}
