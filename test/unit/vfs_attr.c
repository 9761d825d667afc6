/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Modes, owners, times, sizes, status flags, watches and extended attributes through their decoders: beside the kernel
 * where no rule applies, then with rules.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <utime.h>

#include <cmocka.h>

#include "twin.h"
#include "vfs/overlay/mask.h"

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif
#ifndef SYS_setxattrat
#define SYS_setxattrat 463
#define SYS_getxattrat 464
#define SYS_listxattrat 465
#define SYS_removexattrat 466
#endif

static const struct twin_call calls[] = {
	{SYS_chmod, handle_chmod},
	{SYS_fchmod, handle_fchmod},
	{SYS_fchmodat, handle_fchmodat},
	{SYS_fchmodat2, handle_fchmodat2},
	{SYS_chown, handle_chown},
	{SYS_lchown, handle_lchown},
	{SYS_fchown, handle_fchown},
	{SYS_fchownat, handle_fchownat},
	{SYS_utime, handle_utime},
	{SYS_utimes, handle_utimes},
	{SYS_futimesat, handle_futimesat},
	{SYS_utimensat, handle_utimensat},
	{SYS_truncate, handle_truncate},
	{SYS_ftruncate, handle_ftruncate},
	{SYS_fallocate, handle_fallocate},
	{SYS_fcntl, handle_fcntl},
	{SYS_inotify_add_watch, handle_inotify_add_watch},
	{SYS_setxattr, handle_setxattr},
	{SYS_lsetxattr, handle_lsetxattr},
	{SYS_fsetxattr, handle_fsetxattr},
	{SYS_setxattrat, handle_setxattrat},
	{SYS_getxattr, handle_getxattr},
	{SYS_lgetxattr, handle_lgetxattr},
	{SYS_fgetxattr, handle_fgetxattr},
	{SYS_getxattrat, handle_getxattrat},
	{SYS_listxattr, handle_listxattr},
	{SYS_llistxattr, handle_llistxattr},
	{SYS_flistxattr, handle_flistxattr},
	{SYS_listxattrat, handle_listxattrat},
	{SYS_removexattr, handle_removexattr},
	{SYS_lremovexattr, handle_lremovexattr},
	{SYS_fremovexattr, handle_fremovexattr},
	{SYS_removexattrat, handle_removexattrat},
	{0, NULL},
};

static struct twin t;
static char long_name[300], long_path[5000];

static const char *const elsewhere[] = {"hide @/else/hidden", "mask @/else/*.key", "append @/else/log",
					"readonly @/else/ro", "hide **/.env", NULL};

static void begin(bool ext4, const char *const *rules)
{
	const char *base = fixture_directory(ext4);

	if (!base)
		skip();
	assert_int_equal(chmod(base, 0755), 0);
	twin_begin(&t, base, rules, calls);
	memset(long_name, 'n', 256);
	memset(long_path, '/', 4096);
}

static void end(void)
{
	const char *base = t.base;

	assert_true(t.mediated > 0);
	twin_end(&t);
	fixture_remove(base);
}

enum { SLOT_DIR, SLOT_PATH, SLOT_READ, SLOT_WRITE, SLOT_RDWR, SLOT_LINK, SLOT_INOTIFY, SLOT_FIFO };

static void fresh(bool ext4)
{
	begin(ext4, elsewhere);
	twin_mkdir(&t, "d", 0755);
	twin_file(&t, "d/in", "in");
	twin_file(&t, "f", "content");
	twin_symlink(&t, "f", "to-f");
	twin_symlink(&t, "d", "to-d");
	twin_symlink(&t, "nowhere", "dangling");
	twin_symlink(&t, "loop", "loop");
	twin_mkdir(&t, "closed", 0000);
	twin_file(&t, "readable", "r");
	twin_mode(&t, "readable", 0444);
	for (int side = 0; side < 2; side++) {
		char path[512];

		snprintf(path, sizeof(path), "%s/fifo", side ? t.inside : t.native);
		assert_int_equal(mkfifo(path, 0644), 0);
	}
	twin_open(&t, SLOT_DIR, "d", O_RDONLY | O_DIRECTORY);
	twin_open(&t, SLOT_PATH, "f", O_PATH);
	twin_open(&t, SLOT_READ, "f", O_RDONLY);
	twin_open(&t, SLOT_WRITE, "f", O_WRONLY);
	twin_open(&t, SLOT_RDWR, "f", O_RDWR);
	twin_open(&t, SLOT_LINK, "to-f", O_PATH | O_NOFOLLOW);
	twin_open(&t, SLOT_FIFO, "fifo", O_RDWR);
	for (int side = 0; side < 2; side++)
		t.fds[side][SLOT_INOTIFY] = inotify_init1(IN_CLOEXEC);
}

static const char *const names[] = {
	"f",	     "f/",   "f/x",    "to-f",	   "to-f/", "d",      "d/",	 "to-d",   "to-d/in", "d/in", "dangling", "dangling/",
	"loop",	     "loop/", "closed", "closed/x", "absent", "absent/", ".",	 "d/..",   "",	      "fifo", "readable",
	"/dev/null", long_name, long_path, NULL,
};

#define NAMES (sizeof(names) / sizeof(names[0]))

static uint64_t name_at(size_t i)
{
	return names[i] ? P(names[i]) : 8;
}

static const uint64_t slots[] = {TWIN_FD(SLOT_DIR),  TWIN_FD(SLOT_PATH),    TWIN_FD(SLOT_READ), TWIN_FD(SLOT_WRITE),
				 TWIN_FD(SLOT_RDWR), TWIN_FD(SLOT_LINK),    TWIN_FD(SLOT_FIFO), TWIN_FD(SLOT_INOTIFY),
				 JUNK(-1),	     (uint64_t)AT_FDCWD, 1000};

#define SLOTS (sizeof(slots) / sizeof(slots[0]))

static void modes_and_owners(bool ext4)
{
	fresh(ext4);
	for (size_t i = 0; i < NAMES; i++) {
		uint64_t n = name_at(i);

		/* not the machine's own devices */
		if (names[i] && names[i][0] == '/' && names[i] != long_path)
			continue;
		twin_same(&t, SYS_chmod, n, JUNK(0xffff0000 | 0755));
		twin_same(&t, SYS_fchmodat, JUNK(AT_FDCWD), n, 0700, 0xffff);
		twin_same(&t, SYS_fchmodat, TWIN_FD(SLOT_DIR), n, 0711);
		twin_same(&t, SYS_fchmodat2, AT_FDCWD, n, 0750, 0);
		twin_same(&t, SYS_fchmodat2, AT_FDCWD, n, 0751, AT_SYMLINK_NOFOLLOW);
		twin_same(&t, SYS_fchmodat2, AT_FDCWD, n, 0755, AT_EMPTY_PATH);
		twin_same(&t, SYS_fchmodat2, AT_FDCWD, n, 0755, 0x8);
		twin_same(&t, SYS_chown, n, JUNK(-1), JUNK(-1));
		twin_same(&t, SYS_chown, n, 65534, 65534);
		twin_same(&t, SYS_lchown, n, 65534, -1);
		twin_same(&t, SYS_fchownat, TWIN_FD(SLOT_DIR), n, 65534, 65534, AT_EMPTY_PATH);
		twin_same(&t, SYS_fchownat, AT_FDCWD, n, 0, 0, AT_SYMLINK_NOFOLLOW);
		twin_same(&t, SYS_fchownat, AT_FDCWD, n, 0, 0, 1);
	}
	for (size_t i = 0; i < SLOTS; i++) {
		twin_same(&t, SYS_fchmod, slots[i], 0700 + i);
		twin_same(&t, SYS_fchmodat2, slots[i], P(""), 0710 + i, AT_EMPTY_PATH);
		twin_same(&t, SYS_fchmodat2, slots[i], P("in"), 0710 + i, 0);
		twin_same(&t, SYS_fchown, slots[i], 65534, 65534);
		twin_same(&t, SYS_fchown, slots[i], 0, 0);
		twin_same(&t, SYS_fchownat, slots[i], P(""), -1, 65534, AT_EMPTY_PATH);
	}
	end();
}

static void test_modes_tmpfs(void **state)
{
	(void)state;
	modes_and_owners(false);
}

static void test_modes_ext4(void **state)
{
	(void)state;
	modes_and_owners(true);
}

/* The tree's comparison leaves times out: they are compared where they were set. */
static void same_times(const char *what, bool atime, bool mtime)
{
	static const char *const all[] = {"f", "to-f", "d", "d/in", "fifo", "readable", "dangling"};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct stat st[2];
		char path[512];

		for (int side = 0; side < 2; side++) {
			snprintf(path, sizeof(path), "%s/%s", side ? t.inside : t.native, all[i]);
			assert_int_equal(lstat(path, &st[side]), 0);
		}
		/* Looking at links and directories moves their atime. */
		if ((atime && !S_ISLNK(st[0].st_mode) && !S_ISDIR(st[0].st_mode) &&
		     (st[0].st_atim.tv_sec != st[1].st_atim.tv_sec || st[0].st_atim.tv_nsec != st[1].st_atim.tv_nsec)) ||
		    (mtime && (st[0].st_mtim.tv_sec != st[1].st_mtim.tv_sec || st[0].st_mtim.tv_nsec != st[1].st_mtim.tv_nsec)))
			fail_msg("%s: the times of %s differ", what, all[i]);
	}
}

static void set_all_times(long seconds)
{
	static const char *const all[] = {"f", "to-f", "d", "d/in", "fifo", "readable", "dangling"};
	const struct timespec times[2] = {{seconds, 1}, {seconds, 2}};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		for (int side = 0; side < 2; side++) {
			char path[512];

			snprintf(path, sizeof(path), "%s/%s", side ? t.inside : t.native, all[i]);
			assert_int_equal(utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW), 0);
		}
	}
}

static void test_times(void **state)
{
	static const struct timespec sets[][2] = {
		{{1000, 7}, {2000, 999999999}},
		{{1, UTIME_OMIT}, {3000, 5}},
		{{4000, 0}, {5, UTIME_OMIT}},
		{{0, UTIME_OMIT}, {0, UTIME_OMIT}},
		{{5, 1000000000}, {6, 0}},
		{{5, 0}, {6, -1}},
		{{5, UTIME_OMIT}, {6, 2000000000}},
	};
	static const struct timeval tv[][2] = {{{100, 5}, {200, 999999}}, {{1, 1000000}, {1, 0}}, {{1, 0}, {1, -1}}};
	static const struct timespec now[2] = {{0, UTIME_NOW}, {0, UTIME_NOW}};
	static const struct timespec half[2] = {{0, UTIME_NOW}, {0, UTIME_OMIT}};
	const struct utimbuf buf = {11, 22};

	(void)state;
	fresh(true);
	set_all_times(100);
	for (size_t i = 0; i < NAMES; i++) {
		uint64_t n = name_at(i);

		if (names[i] && names[i][0] == '/' && names[i] != long_path)
			continue;
		for (size_t s = 0; s < sizeof(sets) / sizeof(sets[0]); s++) {
			twin_same(&t, SYS_utimensat, JUNK(AT_FDCWD), n, P(sets[s]), 0);
			twin_same(&t, SYS_utimensat, AT_FDCWD, n, P(sets[s]), AT_SYMLINK_NOFOLLOW);
			twin_same(&t, SYS_utimensat, TWIN_FD(SLOT_DIR), n, P(sets[s]), AT_EMPTY_PATH);
			twin_same(&t, SYS_utimensat, AT_FDCWD, n, P(sets[s]), 0x2);
		}
		for (size_t s = 0; s < sizeof(tv) / sizeof(tv[0]); s++) {
			twin_same(&t, SYS_utimes, n, P(tv[s]));
			twin_same(&t, SYS_futimesat, TWIN_FD(SLOT_DIR), n, P(tv[s]));
		}
		twin_same(&t, SYS_utime, n, P(&buf));
		twin_same(&t, SYS_utime, n, 8);
		twin_same(&t, SYS_utimes, n, 8);
		twin_same(&t, SYS_utimensat, AT_FDCWD, n, 8, 0x2);
	}
	same_times("by path", true, true);
	for (size_t i = 0; i < SLOTS; i++) {
		for (size_t s = 0; s < sizeof(sets) / sizeof(sets[0]); s++) {
			twin_same(&t, SYS_utimensat, slots[i], 0, P(sets[s]), 0);
			twin_same(&t, SYS_utimensat, slots[i], 0, P(sets[s]), AT_SYMLINK_NOFOLLOW);
			twin_same(&t, SYS_utimensat, slots[i], P(""), P(sets[s]), AT_EMPTY_PATH);
		}
		twin_same(&t, SYS_futimesat, slots[i], 0, P(tv[0]));
	}
	twin_same(&t, SYS_utime, 0, P(&buf));
	twin_same(&t, SYS_utimes, 0, P(tv[0]));
	same_times("by descriptor", true, true);
	/* Now: only the error can be the same. */
	for (size_t i = 0; i < NAMES; i++) {
		if (names[i] && names[i][0] == '/' && names[i] != long_path)
			continue;
		twin_same(&t, SYS_utimensat, AT_FDCWD, name_at(i), 0, 0);
		twin_same(&t, SYS_utimensat, AT_FDCWD, name_at(i), P(now), AT_SYMLINK_NOFOLLOW);
		twin_same(&t, SYS_utimensat, AT_FDCWD, name_at(i), P(half), 0);
		twin_same(&t, SYS_utime, name_at(i), 0);
		twin_same(&t, SYS_utimes, name_at(i), 0);
	}
	end();
}

static void test_sizes(void **state)
{
	static const int modes[] = {0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				    FALLOC_FL_ZERO_RANGE, FALLOC_FL_COLLAPSE_RANGE, 0x4000};

	(void)state;
	fresh(true);
	for (size_t i = 0; i < NAMES; i++) {
		uint64_t n = name_at(i);

		twin_same(&t, SYS_truncate, n, 3);
		twin_same(&t, SYS_truncate, n, 100000);
		twin_same(&t, SYS_truncate, n, -1);
	}
	for (size_t i = 0; i < SLOTS; i++) {
		twin_same(&t, SYS_ftruncate, slots[i], 5);
		twin_same(&t, SYS_ftruncate, slots[i], -1);
		for (size_t m = 0; m < sizeof(modes) / sizeof(modes[0]); m++) {
			twin_same(&t, SYS_fallocate, slots[i], JUNK(modes[m]), 4096, 8192);
			twin_same(&t, SYS_fallocate, slots[i], modes[m], -1, 8192);
			twin_same(&t, SYS_fallocate, slots[i], modes[m], 0, 0);
		}
	}
	end();
}

static void test_status_flags(void **state)
{
	(void)state;
	fresh(false);
	for (size_t i = 0; i < SLOTS; i++) {
		static const int flags[] = {O_NONBLOCK, O_APPEND, O_APPEND | O_NONBLOCK, 0, O_NOATIME, O_RDWR};

		for (size_t f = 0; f < sizeof(flags) / sizeof(flags[0]); f++) {
			twin_same(&t, SYS_fcntl, slots[i], JUNK(F_SETFL), JUNK(flags[f]));
			if ((slots[i] >> 48) == (TWIN_FD(0) >> 48)) {
				int slot = slots[i] & 0xff;

				assert_int_equal(fcntl(t.fds[0][slot], F_GETFL), fcntl(t.fds[1][slot], F_GETFL));
			}
		}
	}
	end();
}

static void test_watches(void **state)
{
	static const uint32_t masks[] = {IN_MODIFY, IN_ALL_EVENTS | IN_ONLYDIR, IN_OPEN | IN_DONT_FOLLOW, 0, 1u << 20,
					 IN_MODIFY | IN_ONLYDIR | IN_DONT_FOLLOW, IN_MASK_ADD | IN_MASK_CREATE | IN_OPEN,
					 IN_MASK_CREATE | IN_OPEN};

	(void)state;
	fresh(true);
	for (size_t i = 0; i < NAMES; i++) {
		for (size_t m = 0; m < sizeof(masks) / sizeof(masks[0]); m++) {
			/* A watch on the same inode has the same number. */
			twin_same(&t, SYS_inotify_add_watch, TWIN_FD(SLOT_INOTIFY), name_at(i), JUNK(masks[m]));
			twin_same(&t, SYS_inotify_add_watch, TWIN_FD(SLOT_READ), name_at(i), masks[m]);
			twin_same(&t, SYS_inotify_add_watch, TWIN_FD(SLOT_PATH), name_at(i), masks[m]);
			twin_same(&t, SYS_inotify_add_watch, JUNK(-1), name_at(i), masks[m]);
		}
	}
	/* What is watched is the file itself. */
	twin_same(&t, SYS_inotify_add_watch, TWIN_FD(SLOT_INOTIFY), P("to-f"), IN_OPEN);
	for (int side = 0; side < 2; side++) {
		char path[512], event[4096];
		int fd;

		assert_int_equal(fcntl(t.fds[side][SLOT_INOTIFY], F_SETFL, O_NONBLOCK), 0);
		while (read(t.fds[side][SLOT_INOTIFY], event, sizeof(event)) > 0)
			;
		snprintf(path, sizeof(path), "%s/f", side ? t.inside : t.native);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		assert_true(fd >= 0 && read(t.fds[side][SLOT_INOTIFY], event, sizeof(event)) > 0);
		close(fd);
	}
	end();
}

struct args_of_xattrat {
	uint64_t value;
	uint32_t size, flags;
	uint64_t more;
};

static void same_get(int nr, uint64_t where, uint64_t name, uint64_t size)
{
	static char native[70000], inside[70000];
	long a, b;

	memset(native, 0x55, sizeof(native));
	memset(inside, 0x55, sizeof(inside));
	a = name ? twin_native(&t, nr, where, name, P(native), size) : twin_native(&t, nr, where, P(native), size);
	b = name ? twin_inside(&t, nr, where, name, P(inside), size) : twin_inside(&t, nr, where, P(inside), size);
	assert_int_equal(a, b);
	assert_memory_equal(native, inside, sizeof(native));
}

static void xattrs(bool ext4)
{
	static char big[65537], name_255[260] = "user.", name_256[260] = "user.";
	const char *const attributes[] = {"user.a", "trusted.a", "nonsense", "", "user.", name_255, name_256, "security.capability",
					  "system.posix_acl_access"};
	static const uint64_t sizes[] = {0, 1, 3, 256, 65536, 65537, 1ull << 40};

	memset(big, 'b', sizeof(big));
	memset(name_255 + 5, 'n', 250);
	memset(name_256 + 5, 'n', 251);
	fresh(ext4);
	for (size_t i = 0; i < NAMES; i++) {
		uint64_t n = name_at(i);

		if (names[i] && names[i][0] == '/' && names[i] != long_path)
			continue;
		for (size_t a = 0; a < sizeof(attributes) / sizeof(attributes[0]); a++) {
			uint64_t x = P(attributes[a]);

			twin_same(&t, SYS_setxattr, n, x, P("abc"), 3, 0);
			twin_same(&t, SYS_setxattr, n, x, P("abcd"), 4, JUNK(XATTR_CREATE));
			twin_same(&t, SYS_lsetxattr, n, x, P("xyz"), 3, XATTR_REPLACE);
			twin_same(&t, SYS_lsetxattr, n, x, P("xyz"), 3, 0);
			twin_same(&t, SYS_setxattr, n, x, 8, 3, 0);
			twin_same(&t, SYS_setxattr, n, x, P("x"), 1, 4);
			twin_same(&t, SYS_setxattr, n, x, P(big), 65537, 0);
			twin_same(&t, SYS_setxattr, n, x, P(big), 65536, 0);
			twin_same(&t, SYS_setxattr, n, x, 0, 0, 0);
			twin_same(&t, SYS_setxattr, n, x, P("abc"), 3, 0);
			for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
				same_get(SYS_getxattr, n, x, sizes[s]);
				same_get(SYS_lgetxattr, n, x, sizes[s]);
			}
			twin_same(&t, SYS_getxattr, n, x, 8, 100);
			twin_same(&t, SYS_getxattr, n, x, 0, 100);
		}
		for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
			same_get(SYS_listxattr, n, 0, sizes[s]);
			same_get(SYS_llistxattr, n, 0, sizes[s]);
		}
		twin_same(&t, SYS_listxattr, n, 8, 100);
		for (size_t a = 0; a < sizeof(attributes) / sizeof(attributes[0]); a++) {
			twin_same(&t, SYS_lremovexattr, n, P(attributes[a]));
			twin_same(&t, SYS_removexattr, n, P(attributes[a]));
		}
		twin_same(&t, SYS_setxattr, n, 8, P("x"), 1, 0);
		twin_same(&t, SYS_getxattr, n, 8, 0, 0);
		twin_same(&t, SYS_removexattr, n, 8);
	}
	for (size_t i = 0; i < SLOTS; i++) {
		/* Since 6.13 fsetxattr(AT_FDCWD) is the working directory; before, and here, a bad descriptor. */
		if (slots[i] == (uint64_t)AT_FDCWD)
			continue;
		twin_same(&t, SYS_fsetxattr, slots[i], P("user.fd"), P("val"), 3, 0);
		twin_same(&t, SYS_fsetxattr, slots[i], P("user.fd"), P("val"), 3, 8);
		same_get(SYS_fgetxattr, slots[i], P("user.fd"), 100);
		same_get(SYS_fgetxattr, slots[i], P("user.none"), 100);
		same_get(SYS_flistxattr, slots[i], 0, 100);
		twin_same(&t, SYS_fremovexattr, slots[i], P("user.fd"));
		twin_same(&t, SYS_fremovexattr, slots[i], P(""));
	}
	end();
}

static void test_xattrs_tmpfs(void **state)
{
	(void)state;
	xattrs(false);
}

static void test_xattrs_ext4(void **state)
{
	(void)state;
	xattrs(true);
}

static void test_xattrat(void **state)
{
	char value[2][8] = {"abc", ""};
	struct args_of_xattrat set = {P(value[0]), 3, 0, 0}, tail = {P(value[0]), 3, 0, 1}, get = {P(value[1]), 8, 0, 0},
			       bad = {P(value[1]), 8, 1, 0};
	static const int at_flags[] = {0, AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH, 0x2};

	(void)state;
	fresh(true);
	if (twin_native(&t, SYS_listxattrat, AT_FDCWD, P("f"), 0, 0, 0) == -ENOSYS) {
		t.mediated++;
		end();
		skip();
	}
	for (size_t f = 0; f < sizeof(at_flags) / sizeof(at_flags[0]); f++) {
		for (size_t i = 0; i <= NAMES; i++) {
			uint64_t n = i < NAMES ? name_at(i) : 0;

			if (i < NAMES && names[i] && names[i][0] == '/' && names[i] != long_path)
				continue;
			for (size_t d = 0; d < SLOTS; d++) {
				/* Descriptors that name no directory are enough with the empty path. */
				if (d > 1 && d < SLOTS - 2 && n && (i >= NAMES || !names[i] || names[i][0]))
					continue;
				twin_same(&t, SYS_setxattrat, slots[d], n, JUNK(at_flags[f]), P("user.at"), P(&set), 16);
				twin_same(&t, SYS_getxattrat, slots[d], n, at_flags[f], P("user.at"), P(&get), 16);
				twin_same(&t, SYS_listxattrat, slots[d], n, at_flags[f], P(value[1]), 8);
				twin_same(&t, SYS_removexattrat, slots[d], n, at_flags[f], P("user.at"));
			}
		}
	}
	for (size_t size = 0; size <= 24; size += 4)
		twin_same(&t, SYS_setxattrat, AT_FDCWD, P("f"), 0, P("user.at"), P(&set), size);
	twin_same(&t, SYS_setxattrat, AT_FDCWD, P("f"), 0, P("user.at"), P(&tail), 24);
	twin_same(&t, SYS_setxattrat, AT_FDCWD, P("f"), 0, P("user.at"), P(&tail), 5000);
	twin_same(&t, SYS_setxattrat, AT_FDCWD, P("f"), 0, P("user.at"), 8, 16);
	twin_same(&t, SYS_getxattrat, AT_FDCWD, P("f"), 0, P("user.at"), P(&bad), 16);
	end();
}

/* Every changing call on the name N and the descriptor slot FD: what must each answer? */
static void changing(const char *name, int slot, long expected, long touch)
{
	static const struct timespec times[2] = {{5, 5}, {6, 6}};
	uint64_t n = P(name), fd = TWIN_FD(slot);

	assert_int_equal(twin_inside(&t, SYS_chmod, n, 0600), expected);
	assert_int_equal(twin_inside(&t, SYS_fchmodat2, AT_FDCWD, n, 0600, 0), expected);
	assert_int_equal(twin_inside(&t, SYS_chown, n, -1, -1), expected);
	assert_int_equal(twin_inside(&t, SYS_lchown, n, -1, -1), expected);
	assert_int_equal(twin_inside(&t, SYS_utimensat, AT_FDCWD, n, P(times), 0), expected);
	assert_int_equal(twin_inside(&t, SYS_utimensat, AT_FDCWD, n, 0, 0), touch);
	assert_int_equal(twin_inside(&t, SYS_truncate, n, 0), expected);
	assert_int_equal(twin_inside(&t, SYS_setxattr, n, P("user.x"), P("y"), 1, 0), expected);
	assert_int_equal(twin_inside(&t, SYS_removexattr, n, P("user.keep")), expected);
	if (slot < 0)
		return;
	assert_int_equal(twin_inside(&t, SYS_fchmod, fd, 0600), expected);
	assert_int_equal(twin_inside(&t, SYS_fchmodat2, fd, P(""), 0600, AT_EMPTY_PATH), expected);
	assert_int_equal(twin_inside(&t, SYS_fchown, fd, -1, -1), expected);
	assert_int_equal(twin_inside(&t, SYS_utimensat, fd, 0, P(times), 0), expected);
	assert_int_equal(twin_inside(&t, SYS_utimensat, fd, 0, 0, 0), touch);
	assert_int_equal(twin_inside(&t, SYS_fsetxattr, fd, P("user.x"), P("y"), 1, 0), expected);
	assert_int_equal(twin_inside(&t, SYS_fremovexattr, fd, P("user.keep")), expected);
}

static void test_rules(void **state)
{
	static const char *const rules[] = {"hide @/inside/h",	   "deny @/inside/x",	  "readonly @/inside/r",
					    "append @/inside/a", "mask @/inside/m", "mask @/inside/w write=discard", NULL};
	static const char *const all[] = {"h", "x", "r", "a", "m", "w"};
	static const long errors[] = {-ENOENT, -EACCES, -EROFS, -EPERM, -EACCES, -EACCES};

	(void)state;
	begin(true, rules);
	for (int i = 0; i < 6; i++) {
		char path[512];

		twin_file(&t, all[i], "content");
		snprintf(path, sizeof(path), "%s/%s", t.inside, all[i]);
		assert_int_equal(setxattr(path, "user.keep", "k", 1, 0), 0);
	}
	for (int i = 0; i < 6; i++) {
		/* A descriptor is proof that the object was visible. */
		bool hides = i < 2;

		if (!hides)
			twin_open(&t, i, all[i], O_RDONLY);
		changing(all[i], hides ? -1 : i, errors[i], i == 3 ? 0 : errors[i]);
	}
	assert_int_equal(twin_inside(&t, SYS_getxattr, P("h"), P("user.keep"), 0, 0), -ENOENT);
	assert_int_equal(twin_inside(&t, SYS_getxattr, P("x"), P("user.keep"), 0, 0), -EACCES);
	assert_int_equal(twin_inside(&t, SYS_inotify_add_watch, 1000, P("h"), IN_OPEN), -EBADF);
	t.fds[1][6] = inotify_init1(IN_CLOEXEC);
	assert_int_equal(twin_inside(&t, SYS_inotify_add_watch, TWIN_FD(6), P("h"), IN_OPEN), -ENOENT);
	assert_int_equal(twin_inside(&t, SYS_inotify_add_watch, TWIN_FD(6), P("absent"), IN_OPEN), -ENOENT);
	assert_int_equal(twin_inside(&t, SYS_inotify_add_watch, TWIN_FD(6), P("x"), IN_OPEN), -EACCES);
	for (int i = 2; i < 6; i++) {
		assert_int_equal(twin_inside(&t, SYS_getxattr, P(all[i]), P("user.keep"), 0, 0), 1);
		assert_int_equal(twin_inside(&t, SYS_fgetxattr, TWIN_FD(i), P("user.keep"), 0, 0), 1);
	}
	twin_compare(&t, "rules");
	end();
}

/* What would make a file larger than the caller may (integration.program_limits has it all, against native). */
static void test_size_limit(void **state)
{
	struct stat st;

	(void)state;
	begin(true, elsewhere);
	twin_file(&t, "small", "content");
	twin_open(&t, 0, "small", O_WRONLY);
	t.fake.size_limit = 1000;
	assert_int_equal(twin_inside(&t, SYS_truncate, P("small"), 1000), 0);
	assert_int_equal(twin_inside(&t, SYS_ftruncate, TWIN_FD(0), 10), 0);
	assert_int_equal(t.fake.signalled, 0);
	assert_int_equal(twin_inside(&t, SYS_truncate, P("small"), 1001), -EFBIG);
	assert_int_equal(t.fake.signalled, SIGXFSZ);
	t.fake.signalled = 0;
	assert_int_equal(twin_inside(&t, SYS_ftruncate, TWIN_FD(0), 1001), -EFBIG);
	assert_int_equal(t.fake.signalled, SIGXFSZ);
	t.fake.signalled = 0;
	assert_int_equal(twin_inside(&t, SYS_fallocate, TWIN_FD(0), 0, 1, 1000), -EFBIG);
	assert_int_equal(t.fake.signalled, SIGXFSZ);
	assert_int_equal(fstat(t.fds[1][0], &st), 0);
	assert_int_equal(st.st_size, 10);
	/* A file that is larger already may be cut to a size that is still over the limit. */
	t.fake.size_limit = 5;
	t.fake.signalled = 0;
	assert_int_equal(twin_inside(&t, SYS_truncate, P("small"), 8), 0);
	assert_int_equal(t.fake.signalled, 0);
	end();
}

/* A descriptor on an append-only file: it grows and does not change. */
static void test_append_descriptor(void **state)
{
	static const char *const rules[] = {"append @/inside/log", NULL};
	struct stat st;

	(void)state;
	begin(true, rules);
	twin_file(&t, "log", "content");
	twin_open(&t, 0, "log", O_WRONLY | O_APPEND);
	twin_open(&t, 1, "log", O_RDONLY);
	assert_int_equal(twin_inside(&t, SYS_ftruncate, TWIN_FD(0), 0), -EPERM);
	assert_int_equal(twin_inside(&t, SYS_ftruncate, TWIN_FD(0), 100), -EPERM);
	assert_int_equal(twin_inside(&t, SYS_ftruncate, TWIN_FD(1), 0), -EINVAL);
	assert_int_equal(twin_inside(&t, SYS_fcntl, TWIN_FD(0), F_SETFL, 0), -EPERM);
	assert_int_equal(twin_inside(&t, SYS_fcntl, TWIN_FD(0), JUNK(F_SETFL), O_NONBLOCK), -EPERM);
	assert_int_equal(t.op->refused.refusal, REFUSAL_APPEND);
	assert_int_equal(twin_inside(&t, SYS_fcntl, TWIN_FD(0), F_SETFL, O_APPEND | O_NONBLOCK), 0);
	assert_int_equal(fcntl(t.fds[1][0], F_GETFL) & (O_APPEND | O_NONBLOCK), O_APPEND | O_NONBLOCK);
	assert_int_equal(twin_inside(&t, SYS_fcntl, TWIN_FD(1), F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(twin_inside(&t, SYS_fallocate, TWIN_FD(0), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 3), -EPERM);
	assert_int_equal(twin_inside(&t, SYS_fallocate, TWIN_FD(0), FALLOC_FL_ZERO_RANGE, 0, 3), -EPERM);
	assert_int_equal(twin_inside(&t, SYS_fallocate, TWIN_FD(0), FALLOC_FL_COLLAPSE_RANGE, 0, 4096), -EPERM);
	assert_int_equal(twin_inside(&t, SYS_fallocate, TWIN_FD(0), FALLOC_FL_INSERT_RANGE, 0, 4096), -EPERM);
	assert_int_equal(twin_inside(&t, SYS_fallocate, TWIN_FD(0), FALLOC_FL_KEEP_SIZE, 0, 8192), 0);
	assert_int_equal(fstat(t.fds[1][0], &st), 0);
	assert_int_equal(st.st_size, 7);
	assert_int_equal(twin_inside(&t, SYS_fallocate, TWIN_FD(0), 0, 0, 100), 0);
	assert_int_equal(fstat(t.fds[1][0], &st), 0);
	assert_int_equal(st.st_size, 100);
	end();
}

static void same_as_file(int slot)
{
	static const struct timespec times[2] = {{5, 5}, {6, 6}};
	uint64_t fd = TWIN_FD(slot);
	char value[8] = "", link[64];

	assert_int_equal(twin_inside(&t, SYS_fchmod, fd, 0600), -EACCES);
	assert_int_equal(twin_inside(&t, SYS_fchown, fd, -1, -1), -EACCES);
	assert_int_equal(twin_inside(&t, SYS_utimensat, fd, 0, P(times), 0), -EACCES);
	assert_int_equal(twin_inside(&t, SYS_utimensat, fd, 0, 0, 0), -EACCES);
	assert_int_equal(twin_inside(&t, SYS_fsetxattr, fd, P("user.x"), P("y"), 1, 0), -EACCES);
	assert_int_equal(twin_inside(&t, SYS_fremovexattr, fd, P("user.keep")), -EACCES);
	assert_int_equal(twin_inside(&t, SYS_fgetxattr, fd, P("user.keep"), P(value), 8), 4);
	assert_memory_equal(value, "kept", 4);
	assert_true(twin_inside(&t, SYS_flistxattr, fd, 0, 0) >= 10);
	/* and by the name that procfs gives it */
	snprintf(link, sizeof(link), "/proc/self/fd/%d", t.fds[1][slot]);
	assert_int_equal(twin_inside(&t, SYS_chmod, P(link), 0600), -EACCES);
	assert_int_equal(twin_inside(&t, SYS_truncate, P(link), 0), -EACCES);
	assert_int_equal(twin_inside(&t, SYS_getxattr, P(link), P("user.keep"), 0, 0), 4);
}

/* Descriptors of masked content: the masked file to every call, and never changed. */
static void test_masked_descriptor(void **state)
{
	static const char *const rules[] = {"mask @/inside/m", "mask @/inside/w write=discard", NULL};
	static const char *const all[] = {"m", "w"};

	(void)state;
	begin(true, rules);
	for (int i = 0; i < 2; i++) {
		struct verdict verdict;
		struct stat st;
		char path[512];
		int object;

		twin_file(&t, all[i], "content");
		snprintf(path, sizeof(path), "%s/%s", t.inside, all[i]);
		assert_int_equal(setxattr(path, "user.keep", "kept", 4, 0), 0);
		policy_verdict(t.fixture.policy, path, strlen(path), &verdict);
		object = open(path, O_PATH | O_CLOEXEC);
		assert_int_equal(fstat(object, &st), 0);
		assert_int_equal(masks_open(t.fixture.view->masks, verdict.content_rule, object, &st, path, strlen(path),
					    i ? O_RDWR : O_RDONLY, &t.fds[1][i]),
				 0);
		close(object);
		same_as_file(i);
	}
	assert_int_equal(twin_inside(&t, SYS_ftruncate, TWIN_FD(0), 0), -EINVAL); /* not open for writing */
	assert_int_equal(twin_inside(&t, SYS_ftruncate, TWIN_FD(1), 100), 0);
	assert_int_equal(twin_inside(&t, SYS_fallocate, TWIN_FD(1), 0, 0, 200), 0);
	assert_int_equal(lseek(t.fds[1][1], 0, SEEK_END), 200);
	assert_int_equal(twin_inside(&t, SYS_fcntl, TWIN_FD(1), F_SETFL, O_APPEND), 0);
	assert_int_equal(twin_inside(&t, SYS_fcntl, TWIN_FD(1), F_SETFL, 0), 0);
	twin_compare(&t, "masked descriptors");
	end();
}

static void test_gone(void **state)
{
	(void)state;
	fresh(false);
	t.fake.validate_error = -ESRCH;
	assert_int_equal(twin_inside(&t, SYS_ftruncate, TWIN_FD(SLOT_RDWR), 0), -ESRCH);
	assert_int_equal(twin_inside(&t, SYS_fallocate, TWIN_FD(SLOT_RDWR), 0, 0, 100), -ESRCH);
	assert_int_equal(twin_inside(&t, SYS_fcntl, TWIN_FD(SLOT_RDWR), F_SETFL, O_APPEND), -ESRCH);
	assert_int_equal(twin_inside(&t, SYS_inotify_add_watch, TWIN_FD(SLOT_INOTIFY), P("f"), IN_OPEN), -ESRCH);
	assert_int_equal(twin_inside(&t, SYS_getxattr, P("f"), P("user.x"), 0, 0), -ESRCH);
	changing("f", SLOT_RDWR, -ESRCH, -ESRCH);
	twin_compare(&t, "a caller that is gone");
	end();
}

static int tests(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(test_modes_tmpfs),	   cmocka_unit_test(test_modes_ext4),
		cmocka_unit_test(test_times),		   cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_status_flags),	   cmocka_unit_test(test_watches),
		cmocka_unit_test(test_xattrs_tmpfs),	   cmocka_unit_test(test_xattrs_ext4),
		cmocka_unit_test(test_xattrat),		   cmocka_unit_test(test_rules),
		cmocka_unit_test(test_append_descriptor), cmocka_unit_test(test_gone),
cmocka_unit_test(test_size_limit),
		cmocka_unit_test(test_masked_descriptor),
	};

	return cmocka_run_group_tests(all, NULL, NULL);
}

int main(void)
{
	return fixture_main(tests);
}
