/* SPDX-License-Identifier: Apache-2.0 */
/* stat, access, readlink, getcwd, chdir, statfs beside the kernel, on both roads of the walk; then with rules. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "duel.h"

static const struct twin_call calls[] = {
	{SYS_stat, handle_stat},	     {SYS_lstat, handle_lstat},	      {SYS_newfstatat, handle_newfstatat},
	{SYS_fstat, handle_fstat},	     {SYS_statx, handle_statx},	      {SYS_access, handle_access},
	{SYS_faccessat, handle_faccessat},   {SYS_faccessat2, handle_faccessat2}, {SYS_readlink, handle_readlink},
	{SYS_readlinkat, handle_readlinkat}, {SYS_getcwd, handle_getcwd},     {SYS_chdir, handle_chdir},
	{SYS_statfs, handle_statfs},	     {SYS_fstatfs, handle_fstatfs},   {0, NULL},
};

static struct duel d;

#define OUT_BUFFER P(duel_buffer)
/* A name in the matrix: replaced by each of duel_names. */
#define NAME 0x4e414d4500000000ull

static void same(const char *what, int nr, const uint64_t args[6])
{
	char text[5000], shown[100], message[300];

	for (size_t i = 0; i < duel_name_count(); i++) {
		for (int slow = 0; slow < 2; slow++) {
			uint64_t a[6], name = duel_name(i, slow, text);

			for (int k = 0; k < 6; k++)
				a[k] = args[k] == NAME ? name : args[k];
			snprintf(message, sizeof(message), "%s on %s", what, duel_show(name, shown));
			duel_same(&d, message, nr, a);
		}
	}
}

#define each_name(nr, ...) same(#nr "(" #__VA_ARGS__ ")", nr, TWIN_ARGS(__VA_ARGS__))
#define one(nr, ...) duel_same(&d, #nr "(" #__VA_ARGS__ ")", nr, TWIN_ARGS(__VA_ARGS__))

static int open_in(const char *name, int flags)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", d.tree, name);
	fd = open(path, flags | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	return fd;
}

/* Flags are the same for all directories: all of them from the first, the usual ones from the others. */
static void stats(uint64_t dirfd)
{
	bool all = dirfd == JUNK(AT_FDCWD);
	static const int flags[] = {0, AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH, AT_NO_AUTOMOUNT, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW,
				    0x2000, 0x6000, 0x8000, 0x10, 0x200};
	static const unsigned masks[] = {STATX_BASIC_STATS, STATX_ALL, 0, STATX_MNT_ID, 0x80000000u, 0x7fffffffu};

	for (size_t i = 0; i < (all ? ARRAY_LEN(flags) : 3); i++) {
		each_name(SYS_newfstatat, dirfd, NAME, OUT_BUFFER, JUNK(flags[i]));
		for (size_t m = 0; m < (all && i < 2 ? ARRAY_LEN(masks) : 1); m++)
			each_name(SYS_statx, dirfd, NAME, JUNK(flags[i]), JUNK(masks[m]), OUT_BUFFER);
	}
}

static void accesses(uint64_t dirfd)
{
	static const int flags[] = {0, AT_EACCESS, AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH, 0x300, 0x1000 | 0x100, 0x10, 0x800};

	for (int mode = 0; mode <= 8; mode++) {
		if (dirfd != JUNK(AT_FDCWD) && mode != 1 && mode != 6)
			continue;
		each_name(SYS_faccessat, dirfd, NAME, JUNK(mode));
		for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
			if (dirfd == JUNK(AT_FDCWD) && (mode == 0 || mode == 6 || mode == 8))
				each_name(SYS_faccessat2, dirfd, NAME, JUNK(mode), JUNK(flags[i]));
		}
	}
}

static void begin(bool ext4, size_t rules)
{
	duel_begin(&d, ext4, calls);
	duel_populate(&d);
	duel_rules(&d, duel_rule_sets[rules]);
}

static void compare(bool ext4, size_t rules)
{
	static const uint64_t sizes[] = {JUNK(0), JUNK(-1), JUNK(1), JUNK(2), JUNK(4096), JUNK(0x7fffffff)};
	int dir, path_dir, file, closed;

	begin(ext4, rules);
	dir = open_in("d", O_RDONLY | O_DIRECTORY);
	path_dir = open_in(".", O_PATH | O_DIRECTORY);
	file = open_in("f", O_RDONLY);
	closed = open_in("closed", O_PATH);
	const uint64_t dirfds[] = {JUNK(AT_FDCWD), JUNK(dir), JUNK(path_dir), JUNK(file), JUNK(closed), JUNK(-5), JUNK(9999)};

	each_name(SYS_stat, NAME, OUT_BUFFER);
	each_name(SYS_lstat, NAME, OUT_BUFFER);
	each_name(SYS_stat, NAME, 8);
	each_name(SYS_lstat, NAME, 0);
	each_name(SYS_access, NAME, JUNK(R_OK));
	each_name(SYS_chdir, NAME);
	each_name(SYS_statfs, NAME, 8);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		each_name(SYS_readlink, NAME, OUT_BUFFER, sizes[i]);
		each_name(SYS_readlinkat, dirfds[i], NAME, OUT_BUFFER, sizes[i]);
	}
	each_name(SYS_readlink, NAME, 8, 100);
	for (size_t i = 0; i < ARRAY_LEN(dirfds); i++) {
		stats(dirfds[i]);
		accesses(dirfds[i]);
		each_name(SYS_readlinkat, dirfds[i], NAME, OUT_BUFFER, 4096);
		one(SYS_fstat, dirfds[i], OUT_BUFFER);
		one(SYS_fstat, dirfds[i], 8);
		one(SYS_fstatfs, dirfds[i], 8);
	}
	close(dir);
	close(path_dir);
	close(file);
	close(closed);
	duel_end(&d);
}

static void test_compare_ext4(void **state)
{
	(void)state;
	compare(true, 2);
}

static void test_compare_tmpfs(void **state)
{
	(void)state;
	compare(false, fixture_is_root() ? 0 : 1);
}

static int tests(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(test_compare_ext4),
		cmocka_unit_test(test_compare_tmpfs),
	};

	return cmocka_run_group_tests(all, NULL, NULL);
}

int main(void)
{
	return fixture_main(tests);
}
