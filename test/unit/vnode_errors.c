/* SPDX-License-Identifier: Apache-2.0 */
/* Encrypted files in use: what goes wrong, limits, files without a name, files that are not encrypted. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "vnode_help.h"

static struct stand s;

static int set_up(void **state)
{
	stand_set_up(&s, *state ? *state : "key=default");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	stand_tear_down(&s);
	return 0;
}

/* The disk takes no byte behind LIMIT of any file: EFBIG, as a quota would. */
static void limit_files(rlim_t limit)
{
	struct rlimit now;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &now), 0);
	now.rlim_cur = limit;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &now), 0);
}

static void test_a_failed_commit_is_told_and_tried_again(void **state)
{
	uint8_t *bytes = stand_bytes(1, 100000);
	int fd;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	stand_put(&s, "f", bytes, 1000);
	stand_wait_disk(&s, "f", bytes, 1000);
	fd = stand_open(&s, "f", O_RDWR);
	assert_int_equal(pwrite(fd, bytes, 100000, 0), 100000);
	limit_files(8192);
	assert_int_equal(stand_sync(&s, fd), -EFBIG);
	assert_int_equal(s.error, -EFBIG);
	assert_int_equal(s.reports, 1);
	assert_int_equal(stand_open(&s, "f", O_RDONLY), -EFBIG);
	assert_int_equal(stand_sync(&s, fd), -EFBIG);
	stand_disk_holds(&s, "f", bytes, 1000);
	/* Said once. */
	assert_int_equal(s.reports, 1);
	limit_files(RLIM_INFINITY);
	assert_int_equal(stand_sync(&s, fd), 0);
	stand_disk_holds(&s, "f", bytes, 100000);
	stand_holds(&s, "f", bytes, 100000);
	close(fd);
	/* Closed while it fails: the clock brings it to the disk. */
	fd = stand_open(&s, "f", O_RDWR);
	limit_files(8192);
	bytes[5] ^= 1;
	assert_int_equal(pwrite(fd, bytes + 5, 1, 5), 1);
	assert_int_equal(stand_sync(&s, fd), -EFBIG);
	close(fd);
	limit_files(RLIM_INFINITY);
	stand_wait_disk(&s, "f", bytes, 100000);
	free(bytes);
}

static void test_damage_is_told(void **state)
{
	uint8_t *bytes = stand_bytes(2, 50000), byte;
	char record[600];
	int fd;

	(void)state;
	/* With a record of versions the end of a run makes them durable and seals them: what is not could be a crash. */
	snprintf(record, sizeof(record), "%s/record", s.base);
	s.config.freshness = record;
	stand_stop(&s);
	stand_start(&s, true);
	stand_put(&s, "f", bytes, 50000);
	stand_put(&s, "g", "fine", 4);
	stand_stop(&s);
	fd = open(stand_path(&s, "f"), O_RDWR);
	assert_int_equal(pread(fd, &byte, 1, 20000), 1);
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, 20000), 1);
	close(fd);
	stand_start(&s, true);
	assert_int_equal(stand_open(&s, "f", O_RDONLY), -EBADMSG);
	assert_int_equal(stand_open(&s, "f", O_RDWR), -EBADMSG);
	stand_holds(&s, "g", "fine", 4);
	/* Without its mark it is no plain file. */
	fd = open(stand_path(&s, "g"), O_RDWR);
	assert_int_equal(pwrite(fd, "X", 1, 1), 1);
	close(fd);
	stand_stop(&s);
	stand_start(&s, true);
	assert_int_equal(stand_open(&s, "g", O_RDONLY), -EBADMSG);
	free(bytes);
}

static void copy_file(const char *from, const char *to)
{
	char bytes[65536], source[600];
	ssize_t n;
	int in, out;

	snprintf(source, sizeof(source), "%s", stand_path(&s, from));
	in = open(source, O_RDONLY);
	out = open(stand_path(&s, to), O_WRONLY | O_CREAT | O_TRUNC, 0644);
	n = read(in, bytes, sizeof(bytes));
	assert_int_equal(write(out, bytes, (size_t)n), n);
	close(in);
	close(out);
}

static void test_an_older_version_is_noticed(void **state)
{
	char record[600];

	(void)state;
	snprintf(record, sizeof(record), "%s/record", s.base);
	s.config.freshness = record;
	stand_stop(&s);
	stand_start(&s, true);
	stand_put(&s, "f", "old", 3);
	stand_stop(&s);
	copy_file("f", "copy");
	stand_start(&s, true);
	stand_put(&s, "f", "new", 3);
	stand_stop(&s);
	copy_file("copy", "f");
	stand_start(&s, true);
	stand_holds(&s, "f", "old", 3);
	assert_int_equal(s.error, -ESTALE);
	assert_int_equal(s.reports, 1);
	stand_stop(&s);
	s.config.strict_freshness = true;
	stand_start(&s, true);
	assert_int_equal(stand_open(&s, "f", O_RDONLY), -ESTALE);
}

static void test_limits(void **state)
{
	uint8_t *bytes = stand_bytes(3, 200000);
	int a, b;

	(void)state;
	stand_put(&s, "a", bytes, 100000);
	stand_put(&s, "b", bytes, 100000);
	stand_put(&s, "c", bytes, 200000);
	stand_stop(&s);
	s.config.file_max = 150000;
	s.config.total_max = 180000;
	stand_start(&s, true);
	assert_int_equal(stand_open(&s, "c", O_RDONLY), -EFBIG);
	assert_int_equal(s.error, -EFBIG);
	assert_int_equal(stand_truncate(&s, "a", 160000), -EFBIG);
	a = stand_open(&s, "a", O_RDWR);
	assert_true(a >= 0);
	assert_int_equal(stand_open(&s, "b", O_RDONLY), -ENOMEM);
	assert_int_equal(s.error, -ENOMEM);
	close(a);
	/* What nobody has open makes room. */
	b = -1;
	for (int i = 0; i < 1000 && b < 0; i++) {
		b = stand_open(&s, "b", O_RDONLY);
		nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
	}
	assert_true(b >= 0);
	close(b);
	/* Growth is noticed. */
	a = stand_open(&s, "new", O_RDWR | O_CREAT);
	assert_int_equal(pwrite(a, "x", 1, 170000), 1);
	for (int i = 0; i < 1000 && s.error != -EFBIG; i++)
		nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
	assert_int_equal(s.error, -EFBIG);
	assert_int_equal(pwrite(a, "x", 1, 180000), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(pwrite(a, "x", 1, 1000), 1);
	close(a);
	free(bytes);
}

static void test_files_without_a_name(void **state)
{
	struct vnode_place place = {0};
	struct stat real;
	int object, fd, again;
	char path[64], other[600];

	(void)state;
	/* Unlinked while it is open: readable to the end, and nothing is written. */
	stand_put(&s, "f", "abc", 3);
	stand_wait_disk(&s, "f", "abc", 3);
	fd = stand_open(&s, "f", O_RDWR);
	snprintf(other, sizeof(other), "%s/kept", s.base);
	assert_int_equal(link(stand_path(&s, "f"), other), 0);
	assert_int_equal(unlink(stand_path(&s, "f")), 0);
	assert_int_equal(pwrite(fd, "ABC", 3, 0), 3);
	assert_int_equal(stand_sync(&s, fd), 0);
	stand_disk_holds(&s, "kept", "ABC", 3);
	assert_int_equal(unlink(stand_path(&s, "kept")), 0);
	assert_int_equal(pwrite(fd, "x", 1, 0), 1);
	assert_int_equal(stand_sync(&s, fd), 0);
	assert_int_equal(stand_fstat(&s, fd).st_nlink, 0);
	close(fd);
	/* O_TMPFILE, and a name later. */
	object = open(s.base, O_RDWR | O_TMPFILE, 0600);
	if (object < 0)
		return; /* the file system has none */
	assert_int_equal(fstat(object, &real), 0);
	place = (struct vnode_place){.rule = 0, .object = object, .real = &real, .path = "", .path_len = 0};
	assert_int_equal(vnodes_open(s.vnodes, &place, O_RDWR, true, &fd), 0);
	assert_int_equal(write(fd, "named", 5), 5);
	assert_int_equal(stand_sync(&s, fd), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", object);
	assert_int_equal(linkat(AT_FDCWD, path, AT_FDCWD, stand_path(&s, "t"), AT_SYMLINK_FOLLOW), 0);
	stand_disk_holds(&s, "t", "named", 5);
	close(object);
	again = stand_open(&s, "t", O_RDONLY);
	assert_true(again >= 0);
	close(again);
	assert_int_equal(write(fd, "!", 1), 1);
	close(fd);
	stand_wait_disk(&s, "t", "named!", 6);
}

static void make_plain(const char *name)
{
	int fd = open(stand_path(&s, name), O_WRONLY | O_CREAT | O_TRUNC, 0640);

	assert_int_equal(write(fd, "plain text\n", 11), 11);
	close(fd);
}

static void test_plain_read(void **state)
{
	char have[16];
	int fd;

	(void)state;
	make_plain("p");
	fd = stand_open(&s, "p", O_RDONLY);
	assert_int_equal(read(fd, have, sizeof(have)), 11);
	assert_int_equal(stand_open(&s, "p", O_RDWR), -EROFS);
	assert_int_equal(stand_truncate(&s, "p", 0), -EROFS);
	assert_int_equal(s.reports, 0);
	close(fd);
}

static void test_plain_adopt(void **state)
{
	int fd;

	(void)state;
	make_plain("p");
	fd = stand_open(&s, "p", O_WRONLY | O_APPEND);
	if (fd < 0)
		fail_msg("%s: %s", strerror(-fd), s.note);
	assert_int_equal(write(fd, "more\n", 5), 5);
	close(fd);
	stand_wait_disk(&s, "p", "plain text\nmore\n", 16);
	assert_int_equal(stand_stat(&s, "p").st_mode & 07777, 0640);
	assert_int_equal(stand_stat(&s, "p").st_size, 16);
}

/* So many files that all of them cannot be kept open or in memory. */
static void test_many_files(void **state)
{
	struct rlimit limit, few;
	char name[32], text[32];

	(void)state;
	stand_stop(&s);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	few = limit;
	few.rlim_cur = 256;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	stand_start(&s, true);
	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "m%d", i);
		snprintf(text, sizeof(text), "content of %d", i);
		stand_put(&s, name, text, strlen(text));
	}
	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "m%d", i);
		snprintf(text, sizeof(text), "content of %d", i);
		stand_holds(&s, name, text, strlen(text));
	}
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

int main(void)
{
#define TEST(f, rule) {#f, f, set_up, tear_down, (void *)(uintptr_t)(rule)}
	const struct CMUnitTest tests[] = {
		TEST(test_a_failed_commit_is_told_and_tried_again, "key=default"),
		TEST(test_damage_is_told, "key=default"),
		TEST(test_an_older_version_is_noticed, "key=default"),
		TEST(test_limits, "key=default"),
		TEST(test_files_without_a_name, "key=default"),
		TEST(test_plain_read, "plain=read"),
		TEST(test_plain_adopt, "plain=adopt"),
		TEST(test_many_files, "key=default"),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
