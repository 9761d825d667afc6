/* SPDX-License-Identifier: Apache-2.0 */
/* Encrypted files in use: content, coherence, sizes, times, commits. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "vnode_help.h"

static struct stand s;

static int set_up(void **state)
{
	(void)state;
	stand_set_up(&s, "key=default");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	stand_tear_down(&s);
	return 0;
}

static void test_round_trip(void **state)
{
	static const size_t sizes[] = {0, 1, 100, 3000, 4096, 16384, 16385, 100000, 3 << 20};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint8_t *bytes = stand_bytes((unsigned)i, sizes[i]);

		stand_put(&s, "f", bytes, sizes[i]);
		stand_holds(&s, "f", bytes, sizes[i]);
		assert_int_equal(stand_stat(&s, "f").st_size, sizes[i]);
		stand_wait_disk(&s, "f", bytes, sizes[i]);
		stand_stop(&s);
		stand_disk_holds(&s, "f", bytes, sizes[i]);
		stand_start(&s, true);
		assert_int_equal(stand_stat(&s, "f").st_size, sizes[i]);
		stand_holds(&s, "f", bytes, sizes[i]);
		free(bytes);
	}
}

static void test_openers_are_coherent(void **state)
{
	char have[32];
	int a, b, c;
	char *map;

	(void)state;
	stand_put(&s, "f", "hello world", 11);
	a = stand_open(&s, "f", O_RDWR);
	b = stand_open(&s, "f", O_RDONLY);
	c = stand_open(&s, "f", O_WRONLY | O_APPEND);
	assert_true(a >= 0 && b >= 0 && c >= 0);
	assert_int_equal(fcntl(b, F_GETFL) & O_ACCMODE, O_RDONLY);
	assert_int_equal(write(b, "x", 1), -1);
	assert_int_equal(pwrite(a, "HELLO", 5, 0), 5);
	assert_int_equal(write(c, "!", 1), 1);
	assert_int_equal(pread(b, have, sizeof(have), 0), 12);
	assert_memory_equal(have, "HELLO world!", 12);
	map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, a, 0);
	assert_true(map != MAP_FAILED);
	map[0] = 'J';
	assert_int_equal(pread(b, have, 1, 0), 1);
	assert_int_equal(have[0], 'J');
	assert_int_equal(stand_fstat(&s, b).st_size, 12);
	assert_int_equal(stand_fstat(&s, b).st_ino, stand_stat(&s, "f").st_ino);
	close(a);
	close(c);
	map[1] = 'j';
	munmap(map, 4096);
	stand_wait_disk(&s, "f", "JjLLO world!", 12);
	close(b);
}

static void test_fsync_is_on_the_disk(void **state)
{
	uint8_t *bytes = stand_bytes(7, 200000);
	int fd;

	(void)state;
	fd = stand_open(&s, "f", O_RDWR | O_CREAT);
	assert_int_equal(write(fd, bytes, 200000), 200000);
	assert_int_equal(stand_sync(&s, fd), 0);
	stand_disk_holds(&s, "f", bytes, 200000);
	bytes[70000] ^= 1;
	assert_int_equal(pwrite(fd, bytes + 70000, 1, 70000), 1);
	assert_int_equal(stand_sync(&s, fd), 0);
	stand_disk_holds(&s, "f", bytes, 200000);
	assert_int_equal(ftruncate(fd, 100), 0);
	assert_int_equal(stand_sync(&s, fd), 0);
	stand_disk_holds(&s, "f", bytes, 100);
	assert_int_equal(ftruncate(fd, 70001), 0);
	memset(bytes + 100, 0, 69901);
	assert_int_equal(stand_sync(&s, fd), 0);
	stand_disk_holds(&s, "f", bytes, 70001);
	close(fd);
	free(bytes);
}

static void test_append_loads_nothing(void **state)
{
	uint8_t *bytes = stand_bytes(3, 1000000);
	int fd, reader;
	char have[16];

	(void)state;
	stand_put(&s, "log", bytes, 900000);
	stand_stop(&s);
	stand_start(&s, true);
	fd = stand_open(&s, "log", O_WRONLY | O_APPEND);
	assert_int_equal(write(fd, bytes + 900000, 50000), 50000);
	assert_int_equal(stand_sync(&s, fd), 0);
	stand_disk_holds(&s, "log", bytes, 950000);
	/* A memfd of which nothing but the end was ever touched. */
	struct stat own;
	assert_int_equal(fstat(fd, &own), 0);
	assert_true(own.st_blocks * 512 < 100000);
	assert_int_equal(own.st_size, 950000);
	assert_int_equal(write(fd, bytes + 950000, 25000), 25000);
	reader = stand_open(&s, "log", O_RDONLY);
	assert_true(reader >= 0);
	assert_int_equal(write(fd, bytes + 975000, 25000), 25000);
	stand_holds(&s, "log", bytes, 1000000);
	assert_int_equal(pread(reader, have, 16, 0), 16);
	close(fd);
	close(reader);
	stand_wait_disk(&s, "log", bytes, 1000000);
	free(bytes);
}

static void test_truncation(void **state)
{
	uint8_t *bytes = stand_bytes(4, 100000);
	int fd;

	(void)state;
	stand_put(&s, "f", bytes, 100000);
	stand_stop(&s);
	stand_start(&s, true);
	assert_int_equal(stand_truncate(&s, "f", 50000), 0);
	stand_disk_holds(&s, "f", bytes, 50000);
	assert_int_equal(stand_stat(&s, "f").st_size, 50000);
	fd = stand_open(&s, "f", O_RDONLY);
	assert_int_equal(stand_truncate(&s, "f", 60000), 0);
	memset(bytes + 50000, 0, 10000);
	assert_int_equal(stand_fstat(&s, fd).st_size, 60000);
	close(fd);
	stand_wait_disk(&s, "f", bytes, 60000);
	stand_stop(&s);
	stand_start(&s, true);
	fd = stand_open(&s, "f", O_WRONLY | O_TRUNC);
	assert_int_equal(stand_stat(&s, "f").st_size, 0);
	assert_int_equal(pwrite(fd, "x", 1, 40000), 1);
	close(fd);
	memset(bytes, 0, 40000);
	bytes[40000] = 'x';
	stand_wait_disk(&s, "f", bytes, 40001);
	free(bytes);
}

static bool same(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static void rest(void)
{
	nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
}

static void test_times_are_the_programs(void **state)
{
	struct timespec set[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000, .tv_nsec = 5}};
	struct stat before, after;
	struct vnode_place place;
	struct stat real;
	int fd, object = -1;

	(void)state;
	fd = stand_open(&s, "f", O_RDWR | O_CREAT);
	assert_int_equal(write(fd, "abc", 3), 3);
	before = stand_fstat(&s, fd);
	rest();
	assert_int_equal(stand_sync(&s, fd), 0);
	after = stand_stat(&s, "f");
	assert_true(same(before.st_mtim, after.st_mtim));
	assert_true(same(before.st_ctim, after.st_ctim));
	close(fd);
	stand_wait_disk(&s, "f", "abc", 3);
	rest();
	stand_stop(&s);
	stand_start(&s, true);
	after = stand_stat(&s, "f");
	assert_true(same(before.st_mtim, after.st_mtim));
	assert_true(same(before.st_ctim, after.st_ctim));
	/* Seen from outside too. */
	assert_int_equal(stat(stand_path(&s, "f"), &real), 0);
	assert_true(same(before.st_mtim, real.st_mtim));

	fd = stand_open(&s, "f", O_RDWR);
	assert_true(same(before.st_mtim, stand_fstat(&s, fd).st_mtim));
	rest();
	assert_int_equal(pwrite(fd, "x", 1, 0), 1);
	assert_false(same(before.st_mtim, stand_fstat(&s, fd).st_mtim));
	/* utimensat(2) of the real file, as the view does it. */
	assert_int_equal(utimensat(AT_FDCWD, stand_path(&s, "f"), set, 0), 0);
	place = stand_place(&s, "f", &object, &real);
	assert_int_equal(vnodes_touched(s.vnodes, &place, set), 0);
	assert_true(same(stand_fstat(&s, fd).st_mtim, set[1]));
	close(fd);
	stand_wait_disk(&s, "f", "xbc", 3);
	assert_true(same(stand_stat(&s, "f").st_mtim, set[1]));
	stand_stop(&s);
	stand_start(&s, true);
	assert_true(same(stand_stat(&s, "f").st_mtim, set[1]));
	/* Changed from outside later. */
	set[1].tv_sec++;
	assert_int_equal(utimensat(AT_FDCWD, stand_path(&s, "f"), set, 0), 0);
	assert_true(same(stand_stat(&s, "f").st_mtim, set[1]));
	close(object);
}

static void test_plain_is_refused(void **state)
{
	int fd = open(stand_path(&s, "plain"), O_WRONLY | O_CREAT, 0644);

	(void)state;
	assert_int_equal(write(fd, "plain text\n", 11), 11);
	close(fd);
	assert_int_equal(stand_open(&s, "plain", O_RDONLY), -EBADMSG);
	assert_int_equal(s.reports, 1);
	assert_non_null(strstr(s.note, "scrim encrypt"));
	assert_int_equal(stand_open(&s, "plain", O_RDWR | O_TRUNC), -EBADMSG);
	assert_int_equal(stand_stat(&s, "plain").st_size, 11);
}

static void test_wrong_key(void **state)
{
	uint8_t *kek = (uint8_t *)s.keys[0].wrap.kek;

	(void)state;
	stand_put(&s, "f", "abc", 3);
	stand_put(&s, "g", "def", 3);
	stand_stop(&s);
	kek[0] ^= 1;
	s.keys[0].wrap.id[0] ^= 1;
	stand_start(&s, true);
	assert_int_equal(stand_open(&s, "f", O_RDONLY), -ENOKEY);
	stand_put(&s, "h", "ghi", 3);
	stand_holds(&s, "h", "ghi", 3);
	stand_stop(&s);
	kek[0] ^= 1;
	s.keys[0].wrap.id[0] ^= 1;
	stand_start(&s, true);
	stand_holds(&s, "f", "abc", 3);
}

static void test_one_writer_between_runs(void **state)
{
	struct vnodes *first;
	int fd, reader;

	(void)state;
	stand_put(&s, "f", "abc", 3);
	stand_stop(&s);
	stand_start(&s, true);
	reader = stand_open(&s, "f", O_RDONLY);
	first = s.vnodes;
	stand_start(&s, true);
	stand_holds(&s, "f", "abc", 3);
	assert_int_equal(stand_open(&s, "f", O_RDWR), -EBUSY);
	assert_non_null(strstr(s.note, "in use by"));
	vnodes_free(first);
	close(reader);
	fd = stand_open(&s, "f", O_RDWR);
	assert_true(fd >= 0);
	close(fd);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_round_trip),
		TEST(test_openers_are_coherent),
		TEST(test_fsync_is_on_the_disk),
		TEST(test_append_loads_nothing),
		TEST(test_truncation),
		TEST(test_times_are_the_programs),
		TEST(test_plain_is_refused),
		TEST(test_wrong_key),
		TEST(test_one_writer_between_runs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
