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

/* Every verdict by every way to look: lstat, stat, access by each mode, readlink, chdir, statfs. */
enum { LOOKS = 9 };

static const char *const verdict_rules[] = {
	"hide @/tree/h*",  "deny @/tree/x*", "hide @/tree/w",	    "show @/tree/w/a/b",  "mask @/tree/m*",
	"append @/tree/a*", "readonly @/tree/r*", "append @/tree/ma*", "readonly @/tree/mr*", "mask @/tree/s* write=discard", NULL};

/* clang-format off */
#define ALL(e) {e, e, e, e, e, e, e, e, e}
#define FILE_BUT(w, x) {0, 0, 0, 0, w, x, -EINVAL, -ENOTDIR, 0}
#define DIRECTORY_BUT(w) {0, 0, 0, 0, w, 0, -EINVAL, 0, 0}

static const struct {
	const char *name;
	int expected[LOOKS];
} verdict_table[] = {
	{"pf", FILE_BUT(0, 0)}, {"pn", ALL(-ENOENT)}, {"pd", DIRECTORY_BUT(0)},
	{"hf", ALL(-ENOENT)}, {"hn", ALL(-ENOENT)}, {"hd", ALL(-ENOENT)}, {"hd/f", ALL(-ENOENT)}, {"hf/f", ALL(-ENOENT)},
	{"hd/", ALL(-ENOENT)}, {"hf/", ALL(-ENOENT)}, {"hd/../pf", ALL(-ENOENT)}, {"hd/.", ALL(-ENOENT)},
	{"xf", ALL(-EACCES)}, {"xn", ALL(-EACCES)}, {"xd", ALL(-EACCES)}, {"xd/f", ALL(-EACCES)}, {"xn/f", ALL(-EACCES)},
	{"w", DIRECTORY_BUT(0)}, {"w/a", DIRECTORY_BUT(0)}, {"w/f", ALL(-ENOENT)}, {"w/n", ALL(-ENOENT)},
	{"w/a/f", ALL(-ENOENT)}, {"w/a/b", DIRECTORY_BUT(0)}, {"w/a/b/f", FILE_BUT(0, 0)}, {"w/a/b/n", ALL(-ENOENT)},
	{"mf", FILE_BUT(-EACCES, -EACCES)}, {"mn", ALL(-ENOENT)}, {"md", DIRECTORY_BUT(0)}, {"md/f", FILE_BUT(-EACCES, -EACCES)},
	{"sf", FILE_BUT(0, -EACCES)}, {"sn", ALL(-ENOENT)},
	{"af", FILE_BUT(0, 0)}, {"an", ALL(-ENOENT)}, {"ad", DIRECTORY_BUT(0)}, {"ad/f", FILE_BUT(0, 0)},
	{"rf", FILE_BUT(-EROFS, 0)}, {"rn", ALL(-ENOENT)}, {"rd", DIRECTORY_BUT(-EROFS)}, {"rd/f", FILE_BUT(-EROFS, 0)},
	{"maf", FILE_BUT(-EACCES, -EACCES)}, {"mrf", FILE_BUT(-EROFS, -EACCES)},
};
/* clang-format on */

static void make_verdict_tree(void)
{
	static const char *const kinds[] = {"p", "h", "x", "m", "s", "a", "r", "ma", "mr"};
	char name[64];

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		snprintf(name, sizeof(name), "%sf", kinds[i]);
		duel_file(&d, name, 0755, "content");
		snprintf(name, sizeof(name), "%sd", kinds[i]);
		duel_mkdir(&d, name, 0755);
		snprintf(name, sizeof(name), "%sd/f", kinds[i]);
		duel_file(&d, name, 0755, "content");
	}
	duel_mkdir(&d, "w", 0755);
	duel_mkdir(&d, "w/a", 0755);
	duel_mkdir(&d, "w/a/b", 0755);
	duel_file(&d, "w/f", 0755, "content");
	duel_file(&d, "w/a/f", 0755, "content");
	duel_file(&d, "w/a/b/f", 0755, "content");
	duel_symlink(&d, ".", "link-here");
}

static void look_at(const char *text, const int expected[LOOKS])
{
	const uint64_t n = P(text);
	const struct {
		int nr;
		uint64_t args[6];
	} looks[LOOKS] = {
		{SYS_lstat, {n, OUT_BUFFER}},	 {SYS_stat, {n, OUT_BUFFER}},	      {SYS_access, {n, F_OK}},
		{SYS_access, {n, R_OK}},	 {SYS_faccessat2, {JUNK(AT_FDCWD), n, W_OK, AT_EACCESS}}, {SYS_access, {n, X_OK}},
		{SYS_readlink, {n, OUT_BUFFER, 4096}}, {SYS_chdir, {n}},	      {SYS_statfs, {n, OUT_BUFFER}},
	};

	for (int k = 0; k < LOOKS; k++) {
		long result = duel_inside(&d, looks[k].nr, looks[k].args);
		struct stat shown;

		if (result != expected[k])
			fail_msg("call %d on %s: %ld, expected %d", looks[k].nr, text, result, expected[k]);
		if (k != 0 || result < 0)
			continue;
		memcpy(&shown, duel_buffer, sizeof(shown));
		if (S_ISREG(shown.st_mode))
			assert_int_equal(shown.st_size, expected[5] == -EACCES ? 0 : 7);
	}
	/* A buffer that cannot be written is told of only when there is something to tell. */
	assert_int_equal(duel_inside(&d, SYS_stat, TWIN_ARGS(n, 8)), expected[1] ? expected[1] : -EFAULT);
	assert_int_equal(duel_inside(&d, SYS_statx, TWIN_ARGS(JUNK(AT_FDCWD), n, 0, STATX_ALL, 8)),
			 expected[1] ? expected[1] : -EFAULT);
}

static void test_verdicts(void **state)
{
	static const char *const prefixes[] = {"", "././", "link-here/", "pd/../"};
	char text[128];

	(void)state;
	for (int ext4 = 0; ext4 < 2; ext4++) {
		duel_begin(&d, ext4, calls);
		make_verdict_tree();
		duel_rules(&d, verdict_rules);
		for (size_t i = 0; i < ARRAY_LEN(verdict_table); i++) {
			for (size_t p = 0; p < ARRAY_LEN(prefixes); p++) {
				snprintf(text, sizeof(text), "%s%s", prefixes[p], verdict_table[i].name);
				look_at(text, verdict_table[i].expected);
			}
		}
		duel_end(&d);
	}
}

static int tests(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(test_compare_ext4),
		cmocka_unit_test(test_compare_tmpfs),
		cmocka_unit_test(test_verdicts),
	};

	return cmocka_run_group_tests(all, NULL, NULL);
}

int main(void)
{
	return fixture_main(tests);
}
