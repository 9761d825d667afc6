/* SPDX-License-Identifier: Apache-2.0 */
/* open, openat, openat2, creat beside the kernel, on both roads of the walk; then every verdict by every way to open. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "duel.h"

static const struct twin_call calls[] = {
	{SYS_open, handle_open},
	{SYS_openat, handle_openat},
	{SYS_openat2, handle_openat2},
	{SYS_creat, handle_creat},
	{0, NULL},
};

static struct duel d;

/* Opening a FIFO without it waits for the other end, natively as inside. */
static bool may_wait(uint64_t name, uint64_t flags)
{
	const char *text = (const char *)(uintptr_t)name;

	return name > 4096 && name >> 47 == 0 && !(flags & (O_NONBLOCK | O_PATH)) && (flags & O_ACCMODE) != O_RDWR &&
	       4096 - name % 4096 >= 8 && strstr(text, "fifo");
}

static void each_name(uint64_t dirfd, uint64_t flags, uint64_t mode)
{
	char text[5000], shown[100], message[300];

	for (size_t i = 0; i < duel_name_count(); i++) {
		for (int slow = 0; slow < 2; slow++) {
			uint64_t name = duel_name(i, slow, text);

			if (may_wait(name, flags))
				continue;
			snprintf(message, sizeof(message), "openat(%d, %s, %#llo, %llo)", (int)dirfd, duel_show(name, shown),
				 (unsigned long long)flags, (unsigned long long)mode);
			duel_same(&d, message, SYS_openat, TWIN_ARGS(dirfd, name, JUNK(flags), JUNK(mode)));
		}
	}
}

static const int open_flags[] = {
	O_RDONLY,
	O_WRONLY | O_CLOEXEC,
	O_RDWR,
	3,
	O_RDONLY | O_DIRECTORY,
	O_RDONLY | O_NOFOLLOW,
	O_RDONLY | O_NOFOLLOW | O_DIRECTORY | O_CLOEXEC,
	O_RDONLY | O_TRUNC,
	O_WRONLY | O_TRUNC,
	O_RDWR | O_TRUNC | O_NONBLOCK,
	O_WRONLY | O_APPEND | O_NONBLOCK,
	O_RDONLY | O_NONBLOCK | O_NOATIME,
	O_RDWR | O_SYNC,
	O_RDWR | O_DSYNC | O_DIRECT,
	O_RDWR | O_EXCL,
	O_PATH,
	O_PATH | O_NOFOLLOW | O_CLOEXEC,
	O_PATH | O_DIRECTORY,
	O_PATH | O_CREAT | O_EXCL | O_TRUNC | O_RDWR | O_DIRECT,
	O_RDONLY | O_CREAT,
	O_WRONLY | O_CREAT | O_TRUNC,
	O_RDWR | O_CREAT | O_EXCL,
	O_RDWR | O_CREAT | O_NOFOLLOW | O_APPEND,
	O_RDWR | O_CREAT | O_EXCL | O_TRUNC | O_CLOEXEC | O_SYNC,
	O_RDONLY | O_CREAT | O_DIRECTORY,
	O_TMPFILE | O_RDWR,
	O_TMPFILE | O_WRONLY | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
	O_TMPFILE | O_RDONLY,
	(O_TMPFILE & ~O_DIRECTORY) | O_RDWR,
	(int)0x80000000 | 0x1000000 | O_RDONLY,
	O_ASYNC | O_NOCTTY | O_RDWR,
};

static int open_in(const char *name, int flags)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", d.tree, name);
	fd = open(path, flags | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	return fd;
}

static void begin(bool ext4, const char *const *rules)
{
	duel_begin(&d, ext4, calls);
	duel_populate(&d);
	duel_rules(&d, rules);
}

static void compare(bool ext4, size_t rules)
{
	int dir, path_dir, file;
	char text[5000];

	begin(ext4, duel_rule_sets[rules]);
	dir = open_in("d", O_RDONLY | O_DIRECTORY);
	path_dir = open_in("closed", O_PATH | O_DIRECTORY);
	file = open_in("f", O_RDONLY);
	const uint64_t dirfds[] = {JUNK(dir), JUNK(path_dir), JUNK(file), JUNK(-5)};

	for (size_t i = 0; i < ARRAY_LEN(open_flags); i++) {
		d.fake.mask = (mode_t)(i * 7 & 077);
		each_name(JUNK(AT_FDCWD), (uint64_t)open_flags[i], 0666 | (i & 1 ? 07000 : 0));
	}
	for (size_t k = 0; k < ARRAY_LEN(dirfds); k++) {
		each_name(dirfds[k], O_RDONLY, 07777);
		each_name(dirfds[k], O_RDWR | O_CREAT | O_NONBLOCK, 0600);
		each_name(dirfds[k], O_PATH | O_NOFOLLOW, 0600);
	}
	for (size_t i = 0; i < duel_name_count(); i++) {
		uint64_t name = duel_name(i, i % 2, text);

		if (may_wait(name, O_WRONLY))
			continue;
		duel_same(&d, "creat", SYS_creat, TWIN_ARGS(name, JUNK(0640)));
		duel_same(&d, "open", SYS_open, TWIN_ARGS(name, JUNK(O_RDWR | O_CREAT | O_TRUNC), JUNK(0666)));
	}
	close(dir);
	close(path_dir);
	close(file);
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

/* Every verdict by every way to open: what scrim.conf(5) says, name by name. */
enum { WAYS = 12 };

static const int ways[WAYS] = {
	O_RDONLY,	    O_WRONLY,		     O_RDWR,	       O_RDONLY | O_TRUNC,	   O_WRONLY | O_APPEND, O_WRONLY | O_CREAT,
	O_WRONLY | O_CREAT | O_EXCL, O_RDWR | O_CREAT, O_WRONLY | O_CREAT | O_TRUNC, O_PATH, O_RDONLY | O_DIRECTORY, O_TMPFILE | O_RDWR,
};

static const char *const verdict_rules[] = {
	"hide @/tree/h*",  "deny @/tree/x*", "hide @/tree/w",	    "show @/tree/w/a/b",  "mask @/tree/m*",
	"append @/tree/a*", "readonly @/tree/r*", "append @/tree/ma*", "readonly @/tree/mr*", "mask @/tree/s* write=discard", NULL};

/* clang-format off */
#define FILE_ENDS 0, -ENOTDIR, -ENOTDIR
#define NONE_ENDS -ENOENT, -ENOENT, -ENOENT
#define NONE_OPENS -ENOENT, -ENOENT, -ENOENT, -ENOENT, -ENOENT
#define DIRECTORY 0, -EISDIR, -EISDIR, -EISDIR, -EISDIR, -EISDIR, -EEXIST, -EISDIR, -EISDIR, 0, 0
#define HIDDEN {NONE_OPENS, -EACCES, -EACCES, -EACCES, -EACCES, NONE_ENDS}
/* What holds it is not there: an error of the parent. */
#define BENEATH {NONE_OPENS, -ENOENT, -ENOENT, -ENOENT, -ENOENT, NONE_ENDS}
#define DENIED {-EACCES, -EACCES, -EACCES, -EACCES, -EACCES, -EACCES, -EACCES, -EACCES, -EACCES, -EACCES, -EACCES, -EACCES}
#define FILE_ALL(e) {0, e, e, e, e, e, -EEXIST, e, e, FILE_ENDS}
#define NONE_ALL(e) {NONE_OPENS, e, e, e, e, NONE_ENDS}

static const struct {
	const char *name;
	int expected[WAYS];
} verdict_table[] = {
	{"pf", FILE_ALL(0)}, {"pn", NONE_ALL(0)}, {"pd", {DIRECTORY, 0}},
	{"hf", HIDDEN}, {"hn", HIDDEN}, {"hd", HIDDEN}, {"hd/f", BENEATH}, {"hn/f", BENEATH}, {"hf/f", BENEATH},
	{"xf", DENIED}, {"xn", DENIED}, {"xd", DENIED}, {"xd/f", DENIED}, {"xn/f", DENIED},
	{"w", {DIRECTORY, -EACCES}}, {"w/a", {DIRECTORY, -EACCES}}, {"w/f", HIDDEN}, {"w/n", HIDDEN}, {"w/a/f", HIDDEN},
	{"w/a/b", {DIRECTORY, 0}}, {"w/a/b/f", FILE_ALL(0)}, {"w/a/b/n", NONE_ALL(0)},
	{"mf", FILE_ALL(-EACCES)}, {"mn", NONE_ALL(-EACCES)}, {"md", {DIRECTORY, 0}}, {"md/f", FILE_ALL(-EACCES)},
	{"sf", FILE_ALL(0)}, {"sn", NONE_ALL(-EACCES)},
	{"af", {0, 0, -EPERM, -EPERM, 0, 0, -EEXIST, -EPERM, -EPERM, FILE_ENDS}},
	{"an", {NONE_OPENS, 0, 0, -EPERM, 0, NONE_ENDS}}, {"ad", {DIRECTORY, 0}},
	{"ad/f", {0, 0, -EPERM, -EPERM, 0, 0, -EEXIST, -EPERM, -EPERM, FILE_ENDS}},
	{"ad/n", {NONE_OPENS, 0, 0, -EPERM, 0, NONE_ENDS}},
	{"rf", FILE_ALL(-EROFS)}, {"rn", NONE_ALL(-EROFS)}, {"rd", {DIRECTORY, -EROFS}}, {"rd/f", FILE_ALL(-EROFS)},
	{"maf", FILE_ALL(-EACCES)}, {"man", NONE_ALL(-EACCES)}, {"mrf", FILE_ALL(-EROFS)}, {"mrn", NONE_ALL(-EROFS)},
};
/* clang-format on */

static void make_verdict_tree(void)
{
	static const char *const kinds[] = {"p", "h", "x", "m", "s", "a", "r", "ma", "mr"};
	char name[64];

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		snprintf(name, sizeof(name), "%sf", kinds[i]);
		duel_file(&d, name, 0644, "content");
		snprintf(name, sizeof(name), "%sd", kinds[i]);
		duel_mkdir(&d, name, 0755);
		snprintf(name, sizeof(name), "%sd/f", kinds[i]);
		duel_file(&d, name, 0644, "content");
	}
	duel_mkdir(&d, "w", 0755);
	duel_mkdir(&d, "w/a", 0755);
	duel_mkdir(&d, "w/a/b", 0755);
	duel_file(&d, "w/f", 0644, "content");
	duel_file(&d, "w/a/f", 0644, "content");
	duel_file(&d, "w/a/b/f", 0644, "content");
}

/* By its own name, by a symlink and by dots, which is the slow road. */
static void judge_one(const char *name, int flags, int expected)
{
	static const char *const prefixes[] = {"", "././", "link-here/", "pd/../"};
	char path[512], text[128];

	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
		long result;

		snprintf(text, sizeof(text), "%s%s", prefixes[i], name);
		result = duel_inside(&d, SYS_openat, TWIN_ARGS(JUNK(AT_FDCWD), P(text), JUNK(flags), 0600));
		if (result != expected)
			fail_msg("openat(%s, %#o): %ld, expected %d", text, flags, result, expected);
		/* Whoever was refused changed nothing, and nothing was made. */
		snprintf(path, sizeof(path), "%s/%s", d.tree, name);
		if (result < 0 && strchr("mahr", name[0]) && strchr(name, 'f') == name + strlen(name) - 1 &&
		    access(path, F_OK) == 0) {
			struct stat st;

			assert_int_equal(stat(path, &st), 0);
			assert_int_equal(st.st_size, 7);
		}
		if (result < 0 && name[strlen(name) - 1] == 'n')
			assert_int_equal(access(path, F_OK), -1);
		if (result == 0 && name[0] == 'a' && (flags & O_ACCMODE) == O_WRONLY && !(flags & O_PATH))
			assert_true(d.inside.status & O_APPEND);
	}
}

static void test_verdicts(void **state)
{
	(void)state;
	for (int ext4 = 0; ext4 < 2; ext4++) {
		duel_begin(&d, ext4, calls);
		d.verdicts = true;
		make_verdict_tree();
		duel_symlink(&d, ".", "link-here");
		duel_rules(&d, verdict_rules);
		for (size_t i = 0; i < ARRAY_LEN(verdict_table); i++) {
			for (size_t k = 0; k < WAYS; k++)
				judge_one(verdict_table[i].name, ways[k], verdict_table[i].expected[k]);
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
