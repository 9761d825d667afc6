/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mkdir, mknod, symlink, link, unlink, rmdir, rename through their decoders: beside the kernel where no rule applies,
 * then with rules.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "twin.h"

static const struct twin_call calls[] = {
	{SYS_mkdir, handle_mkdir},	 {SYS_mkdirat, handle_mkdirat},	      {SYS_mknod, handle_mknod},
	{SYS_mknodat, handle_mknodat},	 {SYS_symlink, handle_symlink},	      {SYS_symlinkat, handle_symlinkat},
	{SYS_link, handle_link},	 {SYS_linkat, handle_linkat},	      {SYS_unlink, handle_unlink},
	{SYS_unlinkat, handle_unlinkat}, {SYS_rmdir, handle_rmdir},	      {SYS_rename, handle_rename},
	{SYS_renameat, handle_renameat}, {SYS_renameat2, handle_renameat2}, {0, NULL},
};

static struct twin t;

/* Rules about somewhere else: everything is walked and judged, nothing is refused. */
static const char *const elsewhere[] = {"hide @/else/hidden", "mask @/else/*.key", "append @/else/log",
					"readonly @/else/ro", "hide **/.env", NULL};

static char long_name[300], long_path[5000];

static void begin(bool ext4, const char *const *rules)
{
	const char *base = fixture_directory(ext4);

	if (!base)
		skip();
	assert_int_equal(chmod(base, 0755), 0);
	twin_begin(&t, base, rules, calls);
	memset(long_name, 'n', 256);
	long_name[256] = '\0';
	memset(long_path, '/', 4096);
	long_path[4096] = '\0';
}

static void end(void)
{
	const char *base = t.base;

	assert_true(t.mediated > 0);
	twin_end(&t);
	fixture_remove(base);
}

static void populate(void)
{
	twin_mkdir(&t, "d", 0755);
	twin_mkdir(&t, "d/full", 0755);
	twin_file(&t, "d/full/x", "x");
	twin_mkdir(&t, "d/empty", 0755);
	twin_file(&t, "f", "content");
	twin_file(&t, "g", "other");
	twin_link(&t, "f", "f2");
	twin_symlink(&t, "f", "to-f");
	twin_symlink(&t, "d", "to-d");
	twin_symlink(&t, "nowhere", "dangling");
	twin_symlink(&t, "loop", "loop");
	twin_mkdir(&t, "closed", 0000);
	twin_mkdir(&t, "fixed", 0555);
	twin_open(&t, 0, "d", O_RDONLY | O_DIRECTORY);
	twin_open(&t, 1, "d", O_PATH | O_DIRECTORY);
	twin_open(&t, 2, "f", O_RDONLY);
	twin_open(&t, 3, "d/gone", O_RDWR | O_CREAT);
	assert_int_equal(unlinkat(t.fds[0][0], "gone", 0), 0);
	assert_int_equal(unlinkat(t.fds[1][0], "gone", 0), 0);
}

/* Names that every call is tried on; those after NULL are addresses that are not strings. */
static const char *const names[] = {
	"f",	     "g",	"f2",	     "d",	"d/",	     "d/full",	 "d/full/",  "d/empty",	 "d/empty//", "d/.",
	"d/..",	     ".",	"..",	     "/",	"///",	     "",	 "f/",	     "f/x",	 "f/.",	      "f/..",
	"absent",    "absent/", "absent/x",  "d/new",	"d/new/",    "to-f",	 "to-f/",    "to-d",	 "to-d/",     "to-d/in",
	"to-d/full", "to-d/.",	"dangling",  "dangling/", "dangling/x", "loop",	 "loop/",    "loop/x",	 "closed",    "closed/x",
	"closed/",   "fixed",	"fixed/x",   "fixed/",	".//d//empty", "d/full/x", "d/full/../empty", "d/./new2", "./",	   long_name,
	long_path,   NULL,
};

#define NAMES (sizeof(names) / sizeof(names[0]))

/* The I-th, with an address that faults behind the last. */
static uint64_t name_at(size_t i)
{
	return names[i] ? P(names[i]) : 8;
}

static void fresh(bool ext4)
{
	begin(ext4, elsewhere);
	populate();
}

static void one_path(bool ext4)
{
	static const mode_t nodes[] = {0644, S_IFREG | 0666, S_IFIFO | 0622, S_IFSOCK | 0777, S_IFCHR | 0666, S_IFDIR | 0755,
				       S_IFLNK | 0777, 07000};

	fresh(ext4);
	for (size_t i = 0; i < NAMES; i++) {
		t.fake.mask = (mode_t)(i * 0111 & 0777 & ~0700u);
		twin_same(&t, SYS_mkdir, name_at(i), JUNK(0xffff7777));
		twin_same(&t, SYS_mkdirat, TWIN_FD(0), name_at(i), 01777);
		twin_same(&t, SYS_mkdirat, TWIN_FD(2), name_at(i), 0700);
		twin_same(&t, SYS_mkdirat, JUNK(-5), name_at(i), 0700);
	}
	end();
	for (size_t n = 0; n < sizeof(nodes) / sizeof(nodes[0]); n++) {
		fresh(ext4);
		t.fake.mask = 027;
		for (size_t i = 0; i < NAMES; i++) {
			twin_same(&t, SYS_mknod, name_at(i), nodes[n], 0x103);
			twin_same(&t, SYS_mknodat, TWIN_FD(1), name_at(i), nodes[n], 0x103);
		}
		end();
	}
	fresh(ext4);
	for (size_t i = 0; i < NAMES; i++) {
		twin_same(&t, SYS_symlink, P("any text // at all"), name_at(i));
		twin_same(&t, SYS_symlinkat, name_at(i), TWIN_FD(0), P("one"));
		twin_same(&t, SYS_symlinkat, name_at(i), JUNK(AT_FDCWD), name_at(i));
	}
	end();
	fresh(ext4);
	for (size_t i = 0; i < NAMES; i++) {
		twin_same(&t, SYS_unlinkat, JUNK(AT_FDCWD), name_at(i), 0x4000);
		twin_same(&t, SYS_unlinkat, TWIN_FD(0), name_at(i), JUNK(0));
		twin_same(&t, SYS_unlink, name_at(i));
	}
	end();
	fresh(ext4);
	for (size_t i = 0; i < NAMES; i++) {
		twin_same(&t, SYS_unlinkat, TWIN_FD(1), name_at(i), AT_REMOVEDIR);
		twin_same(&t, SYS_rmdir, name_at(i));
	}
	end();
}

static void test_one_path_tmpfs(void **state)
{
	(void)state;
	one_path(false);
}

static void test_one_path_ext4(void **state)
{
	(void)state;
	one_path(true);
}

/* Every name onto every name: a fresh tree whenever a call has changed it. */
static void each_pair(int nr, uint64_t flags)
{
	fresh(false);
	for (size_t i = 0; i < NAMES; i++) {
		for (size_t j = 0; j < NAMES; j++) {
			char what[400];
			const uint64_t args[6] = {JUNK(AT_FDCWD), name_at(i), (uint64_t)AT_FDCWD, name_at(j), flags};

			snprintf(what, sizeof(what), "%d(%.80s, %.80s, %#llx)", nr, names[i] ? names[i] : "bad",
				 names[j] ? names[j] : "bad", (unsigned long long)flags);
			if (twin_same_(&t, what, nr, args) == 0) {
				end();
				fresh(false);
			}
		}
	}
	/* The last of them may have left a fresh tree. */
	t.mediated = t.mediated ? t.mediated : 1;
	end();
}

static void test_rename_pairs(void **state)
{
	(void)state;
	each_pair(SYS_renameat2, 0);
	each_pair(SYS_renameat2, RENAME_NOREPLACE);
	each_pair(SYS_renameat2, RENAME_EXCHANGE);
}

static void test_link_pairs(void **state)
{
	(void)state;
	each_pair(SYS_linkat, 0);
	each_pair(SYS_linkat, AT_SYMLINK_FOLLOW);
}

static void test_two_paths(void **state)
{
	(void)state;
	fresh(true);
	twin_same(&t, SYS_renameat2, AT_FDCWD, P("f"), AT_FDCWD, P("x"), RENAME_NOREPLACE | RENAME_EXCHANGE);
	twin_same(&t, SYS_renameat2, AT_FDCWD, P("f"), AT_FDCWD, P("x"), RENAME_WHITEOUT | RENAME_EXCHANGE);
	twin_same(&t, SYS_renameat2, AT_FDCWD, P("f"), AT_FDCWD, P("x"), 8);
	twin_same(&t, SYS_renameat2, AT_FDCWD, 8, AT_FDCWD, 8, 8);
	twin_same(&t, SYS_renameat2, TWIN_FD(0), P("empty"), TWIN_FD(1), P("moved"), JUNK(0));
	twin_same(&t, SYS_renameat, TWIN_FD(2), P("x"), 77, P("y"));
	twin_same(&t, SYS_renameat, 77, P("x"), TWIN_FD(2), P("y"));
	twin_same(&t, SYS_renameat, 77, P("f"), TWIN_FD(2), 8);
	twin_same(&t, SYS_rename, P("f"), P("f2")); /* one object: both names stay */
	twin_same(&t, SYS_rename, P("g"), P("f"));
	if (fixture_is_root())
		twin_same(&t, SYS_renameat2, AT_FDCWD, P("f"), AT_FDCWD, P("white"), RENAME_WHITEOUT);
	twin_same(&t, SYS_linkat, AT_FDCWD, P("f"), AT_FDCWD, P("x"), 0x8000);
	twin_same(&t, SYS_linkat, AT_FDCWD, 8, AT_FDCWD, P("x"), 0x8000);
	twin_same(&t, SYS_linkat, AT_FDCWD, P("absent"), AT_FDCWD, 8, 0);
	twin_same(&t, SYS_linkat, AT_FDCWD, P("to-f"), TWIN_FD(0), P("l1"), 0);
	twin_same(&t, SYS_linkat, AT_FDCWD, P("to-f"), TWIN_FD(0), P("l2"), AT_SYMLINK_FOLLOW);
	twin_same(&t, SYS_link, P("to-f"), P("l3"));
	twin_same(&t, SYS_linkat, TWIN_FD(2), P(""), AT_FDCWD, P("l4"), 0);
	twin_same(&t, SYS_linkat, TWIN_FD(3), P(""), AT_FDCWD, P("l5"), AT_EMPTY_PATH); /* deleted */
	if (fixture_is_root()) {
		/* Ordinary users may do this natively since 6.10 only. */
		twin_same(&t, SYS_linkat, TWIN_FD(2), P(""), AT_FDCWD, P("l6"), AT_EMPTY_PATH);
		twin_same(&t, SYS_linkat, TWIN_FD(1), P(""), AT_FDCWD, P("l7"), AT_EMPTY_PATH);
		twin_same(&t, SYS_linkat, 77, P(""), AT_FDCWD, P("l8"), AT_EMPTY_PATH);
	}
	/* other mounts */
	twin_same(&t, SYS_rename, P("g"), P("/proc/self/x"));
	twin_same(&t, SYS_rename, P("absent"), P("/dev/shm/x"));
	twin_same(&t, SYS_rename, P("."), P("/dev/shm/."));
	twin_same(&t, SYS_link, P("f"), P("/dev/shm/scrim-unit-link"));
	end();
}

/* O_TMPFILE gets its name through procfs. */
static void test_tmpfile(void **state)
{
	static const char *const rules[] = {"append @/inside/log", "hide @/inside/h", "hide @/else", NULL};
	char from[2][64];

	(void)state;
	begin(true, rules);
	twin_mkdir(&t, "log", 0755);
	twin_open(&t, 0, ".", O_TMPFILE | O_RDWR);
	for (int side = 0; side < 2; side++)
		snprintf(from[side], sizeof(from[side]), "/proc/self/fd/%d", t.fds[side][0]);
	assert_int_equal(twin_native(&t, SYS_linkat, AT_FDCWD, P(from[0]), AT_FDCWD, P("named"), AT_SYMLINK_FOLLOW), 0);
	assert_int_equal(twin_inside(&t, SYS_linkat, AT_FDCWD, P(from[1]), AT_FDCWD, P("h"), AT_SYMLINK_FOLLOW), -EACCES);
	assert_int_equal(twin_inside(&t, SYS_linkat, AT_FDCWD, P(from[1]), AT_FDCWD, P("log/x"), AT_SYMLINK_FOLLOW), -EPERM);
	assert_int_equal(twin_inside(&t, SYS_linkat, AT_FDCWD, P(from[1]), AT_FDCWD, P("named"), AT_SYMLINK_FOLLOW), 0);
	twin_compare(&t, "O_TMPFILE");
	end();
}

static bool real(const char *name)
{
	struct stat st;
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", t.inside, name);
	return lstat(path, &st) == 0;
}

/*
 * Hidden: `h-there` exists, `h-not` does not, and no call may tell them apart. Natively they are compared with a twin
 * where neither exists: the same but for the calls that would make the name.
 */
static void test_hidden(void **state)
{
	static const char *const rules[] = {"hide @/inside/h-*", NULL};
	static const char *const hidden[] = {"h-there", "h-not"};
	static const char *const deep[] = {"h-dir/x", "h-no/x"};
	static const char *const slashed[] = {"h-dir/", "h-no/"};

	(void)state;
	begin(true, rules);
	twin_mkdir(&t, "d", 0755);
	twin_file(&t, "f", "f");
	fixture_file(t.inside, "h-there", "secret");
	{
		char path[512];

		snprintf(path, sizeof(path), "%s/h-dir", t.inside);
		assert_int_equal(mkdir(path, 0755), 0);
		snprintf(path, sizeof(path), "%s/h-dir/x", t.inside);
		assert_int_equal(mkdir(path, 0755), 0);
	}
	for (int i = 0; i < 2; i++) {
		const char *h = hidden[i], *in = deep[i], *sl = slashed[i];

		/* Creating: EACCES, whatever is there, before EEXIST. */
		assert_int_equal(twin_inside(&t, SYS_mkdir, P(h), 0755), -EACCES);
		assert_int_equal(twin_inside(&t, SYS_mkdir, P(sl), 0755), -EACCES);
		assert_int_equal(twin_inside(&t, SYS_mknod, P(h), S_IFREG | 0644, 0), -EACCES);
		assert_int_equal(twin_inside(&t, SYS_mknod, P(h), S_IFBLK | 0644, 0), -EACCES);
		assert_int_equal(twin_inside(&t, SYS_symlink, P("f"), P(h)), -EACCES);
		assert_int_equal(twin_inside(&t, SYS_link, P("f"), P(h)), -EACCES);
		assert_int_equal(twin_inside(&t, SYS_rename, P("f"), P(h)), -EACCES);
		assert_int_equal(twin_inside(&t, SYS_rename, P("d"), P(h)), -EACCES);
		assert_int_equal(twin_inside(&t, SYS_renameat2, AT_FDCWD, P("f"), AT_FDCWD, P(h), RENAME_NOREPLACE), -EACCES);
		assert_true(t.op->refused.set);
		assert_int_equal(t.op->refused.refusal, REFUSAL_HIDDEN);
		/* Everything else: as if it were not there. */
		assert_int_equal(twin_inside(&t, SYS_mknod, P(sl), S_IFREG | 0644, 0), -ENOENT);
		assert_int_equal(twin_inside(&t, SYS_symlink, P("f"), P(sl)), -ENOENT);
		assert_int_equal(twin_inside(&t, SYS_symlink, P(""), P(h)), -ENOENT);
		assert_int_equal(twin_inside(&t, SYS_link, P("none"), P(h)), -ENOENT);
		assert_int_equal(twin_inside(&t, SYS_rename, P("none"), P(h)), -ENOENT);
		assert_int_equal(twin_inside(&t, SYS_link, P(h), P("new")), -ENOENT);
		assert_int_equal(twin_inside(&t, SYS_link, P(h), P("f")), -ENOENT);
		assert_int_equal(twin_inside(&t, SYS_rename, P(h), P("new")), -ENOENT);
		assert_int_equal(twin_inside(&t, SYS_rename, P(h), P("none/x")), -ENOENT);
		assert_int_equal(twin_inside(&t, SYS_renameat2, AT_FDCWD, P("f"), AT_FDCWD, P(h), RENAME_EXCHANGE), -ENOENT);
		assert_int_equal(twin_inside(&t, SYS_renameat2, AT_FDCWD, P(h), AT_FDCWD, P("f"), RENAME_EXCHANGE), -ENOENT);
		assert_int_equal(twin_inside(&t, SYS_unlink, P(h)), -ENOENT);
		assert_int_equal(twin_inside(&t, SYS_unlink, P(sl)), -ENOENT);
		assert_int_equal(twin_inside(&t, SYS_rmdir, P(sl)), -ENOENT);
		assert_int_equal(twin_inside(&t, SYS_rmdir, P(in)), -ENOENT);
		assert_int_equal(twin_inside(&t, SYS_mkdir, P(in), 0755), -ENOENT);
		assert_int_equal(twin_inside(&t, SYS_rename, P("f"), P(in)), -ENOENT);
		assert_int_equal(twin_inside(&t, SYS_rename, P(in), P("new")), -ENOENT);
		assert_int_equal(twin_inside(&t, SYS_rename, P("f"), P("h-dir/../f3")), -ENOENT);
		/* The kernel's own come first. */
		assert_int_equal(twin_inside(&t, SYS_mknod, P(h), S_IFDIR | 0644, 0), -EPERM);
		assert_int_equal(twin_inside(&t, SYS_linkat, AT_FDCWD, P("f"), AT_FDCWD, P(h), 0x10), -EINVAL);
		assert_int_equal(twin_inside(&t, SYS_rename, P("."), P(h)), -EBUSY);
		assert_int_equal(twin_inside(&t, SYS_rename, P("/dev/shm/none"), P(h)), -EXDEV);
		assert_int_equal(twin_inside(&t, SYS_link, P("/dev/null"), P(h)), -EXDEV);
	}
	assert_true(real("h-there") && real("h-dir/x") && !real("h-not") && !real("new") && real("f"));
	end();
}

static void test_denied(void **state)
{
	static const char *const rules[] = {"deny @/inside/x-*", NULL};
	static const char *const denied[] = {"x-there", "x-not", "x-dir/x", "x-no/x"};

	(void)state;
	begin(false, rules);
	fixture_file(t.inside, "x-there", "secret");
	fixture_file(t.inside, "f", "f");
	for (int i = 0; i < 4; i++) {
		uint64_t n = P(denied[i]);

		assert_int_equal(twin_inside(&t, SYS_mkdir, n, 0755), -EACCES);
		assert_int_equal(twin_inside(&t, SYS_unlink, n), -EACCES);
		assert_int_equal(twin_inside(&t, SYS_rmdir, n), -EACCES);
		assert_int_equal(twin_inside(&t, SYS_rename, n, P("new")), -EACCES);
		assert_int_equal(twin_inside(&t, SYS_rename, P("f"), n), -EACCES);
		assert_int_equal(twin_inside(&t, SYS_link, n, P("new")), -EACCES);
		assert_int_equal(twin_inside(&t, SYS_link, P("f"), n), -EACCES);
		assert_int_equal(twin_inside(&t, SYS_symlink, P("f"), n), -EACCES);
		assert_int_equal(t.op->refused.refusal, REFUSAL_DENIED);
	}
	assert_true(real("x-there"));
	end();
}

static void test_readonly(void **state)
{
	static const char *const rules[] = {"readonly @/inside/ro", "free @/inside/ro/out", NULL};

	(void)state;
	begin(true, rules);
	twin_mkdir(&t, "ro", 0755);
	twin_mkdir(&t, "ro/out", 0755);
	twin_mkdir(&t, "ro/d", 0755);
	twin_file(&t, "ro/f", "f");
	twin_file(&t, "g", "g");
	/* EEXIST first, then EROFS; for removal EROFS even of what is not there, as on a read-only mount. */
	assert_int_equal(twin_inside(&t, SYS_mkdir, P("ro/f"), 0755), -EEXIST);
	assert_int_equal(twin_inside(&t, SYS_mkdir, P("ro/new"), 0755), -EROFS);
	assert_int_equal(twin_inside(&t, SYS_mknod, P("ro/new/"), S_IFREG, 0), -ENOENT);
	assert_int_equal(twin_inside(&t, SYS_symlink, P("x"), P("ro/new")), -EROFS);
	assert_int_equal(twin_inside(&t, SYS_link, P("g"), P("ro/new")), -EROFS);
	assert_int_equal(twin_inside(&t, SYS_link, P("g"), P("ro/f")), -EEXIST);
	assert_int_equal(twin_inside(&t, SYS_link, P("ro/f"), P("new")), -EROFS);
	assert_int_equal(twin_inside(&t, SYS_unlink, P("ro/f")), -EROFS);
	assert_int_equal(twin_inside(&t, SYS_unlink, P("ro/absent")), -EROFS);
	assert_int_equal(twin_inside(&t, SYS_unlink, P("ro/absent/x")), -ENOENT);
	assert_int_equal(twin_inside(&t, SYS_rmdir, P("ro/d")), -EROFS);
	assert_int_equal(twin_inside(&t, SYS_rmdir, P("ro/.")), -EINVAL);
	assert_int_equal(twin_inside(&t, SYS_rename, P("ro/f"), P("new")), -EROFS);
	assert_int_equal(twin_inside(&t, SYS_rename, P("g"), P("ro/f")), -EROFS);
	assert_int_equal(twin_inside(&t, SYS_rename, P("absent"), P("ro/new")), -EROFS);
	assert_int_equal(t.op->refused.refusal, REFUSAL_READONLY);
	/* The exception, decided by each name's own verdict. */
	assert_int_equal(twin_inside(&t, SYS_mkdir, P("ro/out/new"), 0755), 0);
	assert_int_equal(twin_inside(&t, SYS_rename, P("ro/out/new"), P("ro/out/new2")), 0);
	assert_int_equal(twin_inside(&t, SYS_rmdir, P("ro/out/new2")), 0);
	twin_compare(&t, "readonly");
	end();
}

static void test_append(void **state)
{
	static const char *const rules[] = {"append @/inside/log", "append @/inside/*.log", NULL};

	(void)state;
	begin(true, rules);
	twin_mkdir(&t, "log", 0755);
	twin_file(&t, "log/old", "old");
	twin_mkdir(&t, "log/dir", 0755);
	twin_file(&t, "a.log", "a");
	twin_file(&t, "g", "g");
	twin_same(&t, SYS_mkdir, P("log/new"), 0755);
	twin_same(&t, SYS_mknod, P("log/newf"), S_IFREG | 0644, 0);
	twin_same(&t, SYS_symlink, P("x"), P("log/sym"));
	twin_same(&t, SYS_unlink, P("log/none"));
	twin_same(&t, SYS_rmdir, P("log/old"));
	twin_same(&t, SYS_unlink, P("log/old/"));
	twin_same(&t, SYS_mkdir, P("log/old"), 0755);
	assert_int_equal(twin_inside(&t, SYS_unlink, P("log/old")), -EPERM);
	assert_int_equal(twin_inside(&t, SYS_rmdir, P("log/dir")), -EPERM);
	assert_int_equal(twin_inside(&t, SYS_rmdir, P("log")), -EPERM);
	assert_int_equal(twin_inside(&t, SYS_rename, P("log/old"), P("log/older")), -EPERM);
	assert_int_equal(twin_inside(&t, SYS_rename, P("log/old"), P("g2")), -EPERM);
	assert_int_equal(twin_inside(&t, SYS_rename, P("g"), P("log/old")), -EPERM);
	assert_int_equal(twin_inside(&t, SYS_rename, P("log"), P("log2")), -EPERM);
	assert_int_equal(twin_inside(&t, SYS_link, P("log/old"), P("alias")), -EPERM);
	assert_int_equal(twin_inside(&t, SYS_link, P("log/old"), P("log/alias")), -EPERM);
	assert_int_equal(twin_inside(&t, SYS_renameat2, AT_FDCWD, P("g"), AT_FDCWD, P("log/old"), RENAME_EXCHANGE), -EPERM);
	assert_int_equal(twin_inside(&t, SYS_renameat2, AT_FDCWD, P("log/old"), AT_FDCWD, P("g"), RENAME_EXCHANGE), -EPERM);
	assert_int_equal(twin_inside(&t, SYS_unlink, P("a.log")), -EPERM);
	assert_int_equal(twin_inside(&t, SYS_rename, P("g"), P("b.log")), -EXDEV); /* a wildcard: mv copies */
	assert_int_equal(twin_inside(&t, SYS_rename, P("g"), P("log/new.txt")), -EXDEV);
	assert_int_equal(t.op->refused.refusal, REFUSAL_APPEND);
	twin_compare(&t, "append");
	end();
}

static void test_masked(void **state)
{
	static const char *const rules[] = {"mask @/inside/secrets", "mask @/inside/*.key", NULL};

	(void)state;
	begin(true, rules);
	twin_mkdir(&t, "secrets", 0755);
	twin_mkdir(&t, "secrets/empty", 0755);
	twin_file(&t, "secrets/s", "s");
	twin_symlink(&t, "s", "secrets/l");
	twin_file(&t, "a.key", "a");
	twin_file(&t, "g", "g");
	assert_int_equal(twin_inside(&t, SYS_unlink, P("secrets/s")), -EACCES);
	assert_int_equal(twin_inside(&t, SYS_unlink, P("secrets/l")), -EACCES);
	assert_int_equal(twin_inside(&t, SYS_unlink, P("secrets/none")), -ENOENT);
	assert_int_equal(twin_inside(&t, SYS_unlink, P("secrets/empty")), -EISDIR);
	assert_int_equal(twin_inside(&t, SYS_rename, P("secrets/s"), P("x")), -EACCES);
	assert_int_equal(twin_inside(&t, SYS_rename, P("g"), P("secrets/s")), -EACCES);
	assert_int_equal(twin_inside(&t, SYS_rename, P("g"), P("b.key")), -EACCES);
	assert_int_equal(twin_inside(&t, SYS_link, P("a.key"), P("x")), -EACCES);
	assert_int_equal(twin_inside(&t, SYS_mkdir, P("secrets/new"), 0755), -EACCES);
	assert_int_equal(twin_inside(&t, SYS_mkdir, P("secrets/s"), 0755), -EEXIST);
	assert_int_equal(t.op->refused.set, false);
	assert_int_equal(twin_inside(&t, SYS_rename, P("secrets"), P("x")), -EBUSY);
	assert_int_equal(twin_inside(&t, SYS_rmdir, P("secrets")), -EBUSY);
	twin_compare(&t, "mask");
	twin_same(&t, SYS_rmdir, P("secrets/empty"));
	end();
}

/* Directories on the way to a rule, and the way down to what is shown. */
static void test_anchors(void **state)
{
	static const char *const rules[] = {"hide @/inside/p/q/secret", "hide **/.env", "hide @/inside/home",
					    "show @/inside/home/proj/src", NULL};

	(void)state;
	begin(true, rules);
	twin_mkdir(&t, "p", 0755);
	twin_mkdir(&t, "p/q", 0755);
	twin_mkdir(&t, "e", 0755);
	twin_mkdir(&t, "home", 0755);
	twin_mkdir(&t, "home/proj", 0755);
	twin_mkdir(&t, "home/proj/src", 0755);
	twin_file(&t, "home/other", "x");
	assert_int_equal(twin_inside(&t, SYS_rmdir, P("p/q")), -EBUSY);
	assert_int_equal(twin_inside(&t, SYS_rename, P("p"), P("p2")), -EBUSY);
	assert_int_equal(twin_inside(&t, SYS_rename, P("p/q"), P("q")), -EBUSY);
	assert_int_equal(twin_inside(&t, SYS_renameat2, AT_FDCWD, P("e"), AT_FDCWD, P("p/q"), RENAME_EXCHANGE), -EBUSY);
	assert_int_equal(twin_inside(&t, SYS_rename, P("e"), P("p/q")), -EBUSY);
	/* The way down: exists, but nothing is made, changed or removed in it. */
	assert_int_equal(twin_inside(&t, SYS_mkdir, P("home"), 0755), -EEXIST);
	assert_int_equal(twin_inside(&t, SYS_mkdir, P("home/proj"), 0755), -EEXIST);
	assert_int_equal(twin_inside(&t, SYS_mkdir, P("home/other"), 0755), -EACCES);
	assert_int_equal(twin_inside(&t, SYS_mkdir, P("home/new"), 0755), -EACCES);
	assert_int_equal(twin_inside(&t, SYS_mkdir, P("home/proj/new"), 0755), -EACCES);
	assert_int_equal(twin_inside(&t, SYS_unlink, P("home/other")), -ENOENT);
	assert_int_equal(twin_inside(&t, SYS_rmdir, P("home/proj")), -EBUSY);
	assert_int_equal(twin_inside(&t, SYS_rename, P("home/proj"), P("x")), -EBUSY);
	assert_int_equal(twin_inside(&t, SYS_rename, P("e"), P("home/proj")), -EBUSY);
	twin_compare(&t, "anchors");
	/* hide ** /.env must not stop mv, rmdir, git or npm. */
	twin_same(&t, SYS_rename, P("e"), P("e2"));
	twin_same(&t, SYS_rename, P("e2"), P("p/e3"));
	twin_same(&t, SYS_rmdir, P("p/e3"));
	twin_same(&t, SYS_mkdir, P("home/proj/src/new"), 0755);
	end();
}

/* A directory that no path leads to any more: no rule covers it, whatever was judged before. */
static void test_deleted_parent(void **state)
{
	static const char *const rules[] = {"hide @/inside/h", "readonly @/inside/ro", NULL};
	static const char *const before[] = {"h", "ro"};

	(void)state;
	begin(true, rules);
	twin_mkdir(&t, "gone", 0755);
	twin_mkdir(&t, "ro", 0755);
	twin_open(&t, 0, "gone", O_RDONLY | O_DIRECTORY);
	twin_same(&t, SYS_rmdir, P("gone"));
	for (int i = 0; i < 2; i++) {
		assert_true(twin_inside(&t, SYS_mkdir, P(before[i]), 0755) < 0);
		twin_same(&t, SYS_mkdirat, TWIN_FD(0), P("x"), 0755);
		assert_true(twin_inside(&t, SYS_unlink, P(before[i])) < 0);
		twin_same(&t, SYS_unlinkat, TWIN_FD(0), P("x"), 0);
		assert_true(twin_inside(&t, SYS_rename, P(before[i]), P(before[i])) < 0);
		twin_same(&t, SYS_renameat, TWIN_FD(0), P("x"), TWIN_FD(0), P("y"));
		twin_same(&t, SYS_renameat, AT_FDCWD, P("absent"), TWIN_FD(0), P("y"));
	}
	end();
}

/* The object of a literal rule is covered under its other names too. */
static void test_hard_links(void **state)
{
	static const char *const rules[] = {"append @/inside/log", "mask @/inside/key", "readonly @/inside/ro", NULL};
	static const char *const names_of[] = {"log", "key", "ro"}, *const aliases[] = {"log2", "key2", "ro2"};
	static const long errors[] = {-EPERM, -EACCES, -EROFS};
	const char *base = fixture_directory(true);
	char path[512];

	(void)state;
	if (!base)
		skip();
	/* The objects have to be there when the view is made. */
	assert_int_equal(chmod(base, 0755), 0);
	snprintf(path, sizeof(path), "%s/inside", base);
	assert_int_equal(mkdir(path, 0755), 0);
	for (int i = 0; i < 3; i++) {
		char alias[512];

		fixture_file(path, names_of[i], "x");
		snprintf(path, sizeof(path), "%s/inside/%s", base, names_of[i]);
		snprintf(alias, sizeof(alias), "%s/inside/%s", base, aliases[i]);
		assert_int_equal(link(path, alias), 0);
		snprintf(path, sizeof(path), "%s/inside", base);
	}
	twin_begin(&t, base, rules, calls);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(twin_inside(&t, SYS_link, P(aliases[i]), P("third")), errors[i]);
		assert_int_equal(twin_inside(&t, SYS_rename, P(aliases[i]), P("third")), errors[i]);
		assert_int_equal(twin_inside(&t, SYS_unlink, P(aliases[i])), errors[i]);
		assert_true(real(aliases[i]) && !real("third"));
	}
	end();
}

/* While a file and a directory change places, no directory with something hidden in it gets away. */
static void *exchange_places(void *stop)
{
	char a[512], b[512];

	snprintf(a, sizeof(a), "%s/a", t.inside);
	snprintf(b, sizeof(b), "%s/b", t.inside);
	while (!atomic_load((atomic_bool *)stop))
		syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE);
	return NULL;
}

static void test_exchange_race(void **state)
{
	static const char *const rules[] = {"hide @/inside/*/secret", NULL};
	atomic_bool stop = false;
	pthread_t thread;

	(void)state;
	begin(false, rules);
	twin_mkdir(&t, "a", 0755);
	twin_file(&t, "a/secret", "s");
	twin_file(&t, "b", "b");
	twin_mkdir(&t, "d", 0755);
	twin_mkdir(&t, "d/e", 0755);
	assert_int_equal(pthread_create(&thread, NULL, exchange_places, &stop), 0);
	for (int i = 0; i < 20000; i++) {
		long error = twin_inside(&t, SYS_rename, P("b"), P("d/e/out"));

		assert_int_equal(error, -EXDEV);
	}
	stop = true;
	pthread_join(thread, NULL);
	assert_false(real("d/e/out"));
	end();
}

/* A caller that is gone gets nothing done. */
static void test_gone(void **state)
{
	(void)state;
	fresh(false);
	t.fake.validate_error = -ESRCH;
	assert_int_equal(twin_inside(&t, SYS_mkdir, P("new"), 0755), -ESRCH);
	assert_int_equal(twin_inside(&t, SYS_mknod, P("new"), S_IFREG, 0), -ESRCH);
	assert_int_equal(twin_inside(&t, SYS_symlink, P("x"), P("new")), -ESRCH);
	assert_int_equal(twin_inside(&t, SYS_link, P("f"), P("new")), -ESRCH);
	assert_int_equal(twin_inside(&t, SYS_unlink, P("f")), -ESRCH);
	assert_int_equal(twin_inside(&t, SYS_rmdir, P("d/empty")), -ESRCH);
	assert_int_equal(twin_inside(&t, SYS_rename, P("f"), P("new")), -ESRCH);
	twin_compare(&t, "a caller that is gone");
	end();
}

static int tests(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(test_one_path_tmpfs), cmocka_unit_test(test_one_path_ext4), cmocka_unit_test(test_rename_pairs),
		cmocka_unit_test(test_link_pairs),     cmocka_unit_test(test_two_paths),     cmocka_unit_test(test_tmpfile),
		cmocka_unit_test(test_hidden),	       cmocka_unit_test(test_denied),	     cmocka_unit_test(test_readonly),
		cmocka_unit_test(test_append),	       cmocka_unit_test(test_masked),	     cmocka_unit_test(test_anchors),
		cmocka_unit_test(test_gone),	       cmocka_unit_test(test_deleted_parent), cmocka_unit_test(test_hard_links),
		cmocka_unit_test(test_exchange_race),
	};

	return cmocka_run_group_tests(all, NULL, NULL);
}

int main(void)
{
	return fixture_main(tests);
}
