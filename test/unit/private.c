/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private names: random calls on them through their decoders beside the kernel's on names that nothing hides, with and without
 * something real of the same names. Then the table itself, by many threads.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
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
#include "twin.h"
#include "vfs/overlay/privates.h"

static const struct twin_call calls[] = {
	{SYS_mknod, handle_mknod},	   {SYS_mkdir, handle_mkdir},	  {SYS_unlink, handle_unlink},
	{SYS_rmdir, handle_rmdir},	   {SYS_link, handle_link},	  {SYS_renameat2, handle_renameat2},
	{SYS_truncate, handle_truncate},   {SYS_chmod, handle_chmod},	  {SYS_access, handle_access},
	{SYS_newfstatat, handle_newfstatat}, {SYS_getdents64, handle_getdents64}, {0, NULL},
};

static const char *const rules[] = {"hide **/.env* create=private", NULL};
static const char *const more_rules[] = {"hide **/.env* create=private", "readonly @/inside/d/.env-ro*", NULL};

static struct twin t;

/* The first PRIVATE of them are private inside. */
static const char *const names[] = {".env",   "d/.env", ".env2",     "d/.env3",  "d/../.env", "e/.env",  "absent/.env", "plain/.env",
				    ".env/",  "plain",  "d/plain",   "e/other",  "d",	       "e",	  "absent/x"};
enum { NAMES = sizeof(names) / sizeof(names[0]), PRIVATE = 9, FILES = 12 }; /* FILES: those before it are files at first */

static unsigned pick(unsigned *seed, unsigned below)
{
	*seed = *seed * 1103515245 + 12345;
	return (*seed >> 16) % below;
}

static bool is_private(unsigned name)
{
	return name < PRIVATE;
}

static bool is_directory(const char *name)
{
	struct stat stat;

	return twin_native(&t, SYS_newfstatat, JUNK(AT_FDCWD), P(name), P(&stat), JUNK(AT_SYMLINK_NOFOLLOW)) == 0 &&
	       S_ISDIR(stat.st_mode);
}

/* Once where both sides say the same. */
static long both(int nr, const uint64_t args[6], const char *what)
{
	long native = twin_native_(&t, nr, args), inside = twin_inside_(&t, nr, args);

	if (native != inside)
		fail_msg("%s: natively %ld, inside %ld", what, native, inside);
	return native;
}

#define BOTH(nr, ...) both(nr, TWIN_ARGS(__VA_ARGS__), what)

static void step(unsigned *seed)
{
	static const unsigned flags[] = {0, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE};
	unsigned a = pick(seed, NAMES), b = pick(seed, NAMES), flag = flags[pick(seed, 5)];
	char what[200];
	unsigned call = pick(seed, 9);

	snprintf(what, sizeof(what), "call %u on %s, %s, %u", call, names[a], names[b], flag);
	switch (call) {
	case 0:
	case 1:
		BOTH(SYS_mknod, P(names[a]), S_IFREG | 0666, 0);
		break;
	case 2:
		BOTH(SYS_unlink, P(names[a]));
		break;
	case 3:
		BOTH(SYS_rmdir, P(names[a % FILES]));
		break;
	case 4:
		/* What comes from the disk is a copy, and nothing goes there. */
		if (is_private(a) && is_private(b))
			BOTH(SYS_link, P(names[a]), P(names[b]));
		break;
	case 5:
	case 6:
		if (is_private(a) == is_private(b) || (is_private(b) && flag != RENAME_EXCHANGE && !is_directory(names[a])))
			BOTH(SYS_renameat2, JUNK(AT_FDCWD), P(names[a]), JUNK(AT_FDCWD), P(names[b]), flag);
		break;
	case 7:
		BOTH(SYS_truncate, P(names[a]), pick(seed, 5000));
		break;
	default:
		if (!is_directory(names[a]))
			BOTH(SYS_chmod, P(names[a]), 0600 + pick(seed, 64));
		BOTH(SYS_access, P(names[a]), pick(seed, 8));
	}
}

static void compare_stats(unsigned number)
{
	for (unsigned i = 0; i < NAMES; i++) {
		struct stat native = {0}, inside = {0};
		long r = twin_native(&t, SYS_newfstatat, JUNK(AT_FDCWD), P(names[i]), P(&native), JUNK(AT_SYMLINK_NOFOLLOW));
		long s = twin_inside(&t, SYS_newfstatat, JUNK(AT_FDCWD), P(names[i]), P(&inside), JUNK(AT_SYMLINK_NOFOLLOW));

		if (r != s || native.st_mode != inside.st_mode || native.st_uid != inside.st_uid || native.st_gid != inside.st_gid ||
		    (S_ISREG(native.st_mode) && (native.st_size != inside.st_size || native.st_nlink != inside.st_nlink)))
			fail_msg("step %u: %s: natively %ld %o %lld %u links, inside %ld %o %lld %u", number, names[i], r, native.st_mode,
				 (long long)native.st_size, (unsigned)native.st_nlink, s, inside.st_mode, (long long)inside.st_size,
				 (unsigned)inside.st_nlink);
		if (r == 0)
			assert_int_equal(native.st_dev, inside.st_dev);
	}
}

static int by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* The names of a directory, sorted, as a text. */
static void list_side(int side, const char *name, unsigned size, char *text)
{
	static char buffer[65536];
	static char found[64][32];
	unsigned count = 0;
	char path[300];
	long n;

	snprintf(path, sizeof(path), "%s/%s", side ? t.inside : t.native, name);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	while ((n = side ? twin_inside(&t, SYS_getdents64, fd, P(buffer), size) : syscall(SYS_getdents64, fd, buffer, size)) > 0)
		for (long at = 0; at < n; at += *(uint16_t *)(void *)(buffer + at + 16)) {
			assert_true(count < 64);
			snprintf(found[count++], 32, "%.20s %u", buffer + at + 19, (unsigned)buffer[at + 18]);
		}
	assert_int_equal(n, 0);
	qsort(found, count, sizeof(found[0]), by_text);
	*text = '\0';
	for (unsigned i = 0; i < count; i++)
		text += sprintf(text, "%s\n", found[i]);
}

static void compare_listings(unsigned size)
{
	static const char *const directories[] = {".", "d", "e"};
	char native[4096], inside[4096];

	for (unsigned i = 0; i < 3; i++) {
		struct stat stat;

		/* It may have been moved. */
		if (twin_inside(&t, SYS_newfstatat, JUNK(AT_FDCWD), P(directories[i]), P(&stat), 0) < 0 || !S_ISDIR(stat.st_mode))
			continue;
		list_side(0, directories[i], 4096, native);
		list_side(1, directories[i], size, inside);
		assert_string_equal(native, inside);
	}
}

static void populate(bool real)
{
	static const char *const hidden[] = {".env", "d/.env", ".env2", "e/.env"};

	twin_mkdir(&t, "d", 0755);
	twin_mkdir(&t, "e", 0755);
	twin_file(&t, "d/plain", "some content");
	twin_file(&t, "e/other", "more");
	if (!real)
		return;
	for (size_t i = 0; i < ARRAY_LEN(hidden); i++)
		fixture_file(t.inside, hidden[i], "real");
	twin_open(&t, 0, "d", O_PATH | O_DIRECTORY);
	assert_int_equal(mkdirat(t.fds[1][0], ".env3", 0700), 0);
}

static void check_real(bool real)
{
	char path[300], text[10] = "";
	struct stat stat;

	snprintf(path, sizeof(path), "%s/.env", t.inside);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(fd >= 0, real);
	if (!real)
		return;
	assert_int_equal(read(fd, text, 9), 4);
	assert_string_equal(text, "real");
	/* Wherever its directory is by now. */
	assert_int_equal(fstatat(t.fds[1][0], ".env3", &stat, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISDIR(stat.st_mode));
}

static void sequence(bool ext4, bool real, unsigned seed)
{
	const char *base = fixture_directory(ext4);

	if (!base)
		skip();
	assert_int_equal(chmod(base, 0755), 0);
	twin_begin(&t, base, rules, calls);
	populate(real);
	for (unsigned i = 0; i < 1500; i++) {
		step(&seed);
		if (i % 10 == 0)
			compare_stats(i);
		if (i % 50 == 0)
			compare_listings(24 + pick(&seed, 200) + (i % 100 ? 4000 : 30));
	}
	check_real(real);
	assert_true(t.mediated > 0);
	twin_end(&t);
	fixture_remove(base);
}

static void test_as_natively(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++)
		sequence(i & 1, i & 2, 1 + i);
}

/* What is not a regular file, and what would go to the disk: always the same, whatever is there. */
static void test_refused(void **state)
{
	(void)state;
	for (int real = 0; real < 2; real++) {
		const char *base = fixture_directory(false);

		twin_begin(&t, base, more_rules, calls);
		populate(real);
		assert_int_equal(twin_inside(&t, SYS_mkdir, P(".env"), 0777), -EACCES);
		assert_int_equal(twin_inside(&t, SYS_mknod, P(".env"), S_IFIFO | 0666, 0), -EACCES);
		assert_int_equal(twin_inside(&t, SYS_renameat2, JUNK(AT_FDCWD), P("d"), JUNK(AT_FDCWD), P(".env"), 0), -EACCES);
		assert_int_equal(twin_inside(&t, SYS_mknod, P("d/.env-ro"), S_IFREG | 0666, 0), -EROFS);
		assert_int_equal(twin_inside(&t, SYS_mknod, P(".env"), S_IFREG | 0666, 0), 0);
		assert_int_equal(twin_inside(&t, SYS_renameat2, JUNK(AT_FDCWD), P(".env"), JUNK(AT_FDCWD), P("seen"), 0), -EXDEV);
		assert_int_equal(twin_inside(&t, SYS_link, P(".env"), P("seen")), -EXDEV);
		assert_int_equal(twin_inside(&t, SYS_renameat2, JUNK(AT_FDCWD), P("d/plain"), JUNK(AT_FDCWD), P(".env"), RENAME_EXCHANGE),
				 -EXDEV);
		check_real(real);
		twin_end(&t);
		fixture_remove(base);
	}
}

static struct {
	struct privates *privates;
	int dir[2];
} shared;

static void add_one(const char *name, unsigned *seed)
{
	_cleanup_close_ int file = -EBADF;
	struct private_new *new = NULL;

	assert_int_equal(privates_make(&file), 0);
	assert_int_equal(ftruncate(file, pick(seed, 100)), 0);
	int error = privates_prepare(shared.privates, shared.dir[pick(seed, 2)], name, file, pick(seed, 2), &new);
	if (!error && pick(seed, 4))
		error = privates_commit(shared.privates, &new);
	privates_discard(&new);
	assert_true(error == 0 || error == -EEXIST || error == -ENOSPC);
}

static void *worker(void *data)
{
	unsigned seed = (unsigned)(uintptr_t)data;

	for (unsigned i = 0; i < 3000; i++) {
		char name[8], other[8], path[4096];
		int dir = shared.dir[pick(&seed, 2)], fd = -EBADF;
		struct private_entry entry;
		struct stat stat;
		bool flag;

		snprintf(name, sizeof(name), "n%u", pick(&seed, 20));
		snprintf(other, sizeof(other), "n%u", pick(&seed, 20));
		switch (pick(&seed, 6)) {
		case 0:
		case 1:
			add_one(name, &seed);
			break;
		case 2:
			privates_remove(shared.privates, dir, name);
			break;
		case 3:
			privates_rename(shared.privates, dir, name, shared.dir[pick(&seed, 2)], other, pick(&seed, 3));
			break;
		case 4:
			if (privates_find(shared.privates, dir, name, &fd, &stat) == 0) {
				int error = privates_link(shared.privates, fd, dir, other);

				assert_true(error == 0 || error == -EEXIST || error == -ENOENT || error == -ENOSPC);
				privates_written(shared.privates, fd);
				assert_int_equal(fstat(fd, &stat), 0);
				privates_path(shared.privates, &stat, path, sizeof(path), &flag, NULL);
				privates_shown(shared.privates, &stat);
				privates_room(shared.privates, fd, &flag);
				safe_close(fd);
			}
			break;
		default:
			assert_int_equal(fstat(dir, &stat), 0);
			for (uint64_t from = 0; privates_next(shared.privates, &stat, from, &entry); from = entry.id + 1)
				assert_true(entry.id >= from && entry.inode && entry.name[0] == 'n');
		}
	}
	return NULL;
}

static void test_threads(void **state)
{
	static const char *const many[] = {"hide **/n* create=private", "option private.files=30", "option private.total=1K", NULL};
	const char *base = fixture_directory(false);
	struct fixture fixture;
	pthread_t threads[4];
	struct stat stat;
	char path[300];

	(void)state;
	fixture_view(&fixture, base, many);
	shared.privates = fixture.view->privates;
	assert_non_null(shared.privates);
	assert_int_equal(privates_start(shared.privates), 0);
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%d", base, i);
		assert_int_equal(mkdir(path, 0755), 0);
		shared.dir[i] = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		assert_true(shared.dir[i] >= 0);
	}
	for (uintptr_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, worker, (void *)(i + 1)), 0);
	for (unsigned i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < 2; i++) {
		for (unsigned n = 0; n < 20; n++) {
			snprintf(path, sizeof(path), "n%u", n);
			privates_remove(shared.privates, shared.dir[i], path);
		}
		assert_int_equal(fstat(shared.dir[i], &stat), 0);
		assert_false(privates_any(shared.privates, &stat));
	}
	/* All is let go of: there is room for as many as at first. */
	for (unsigned n = 0; n < 30; n++) {
		_cleanup_close_ int file = -EBADF;
		struct private_new *new = NULL;

		snprintf(path, sizeof(path), "n%u", n);
		assert_int_equal(privates_make(&file), 0);
		assert_int_equal(privates_prepare(shared.privates, shared.dir[0], path, file, true, &new), 0);
		assert_int_equal(privates_commit(shared.privates, &new), 0);
	}
	safe_close(shared.dir[0]);
	safe_close(shared.dir[1]);
	fixture_free(&fixture);
	fixture_remove(base);
}

static int tests(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(test_as_natively),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(all, NULL, NULL);
}

int main(void)
{
	return fixture_main(tests);
}
