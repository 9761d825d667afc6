/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encrypted files in use by many at once. Some files are rewritten as a whole (by one write each, of one letter), by several
 * writers, and read by others, who must see one writer's; some are appended to; some are truncated, synced, touched, looked at and
 * closed in any order. What is left is what the last version on the disk has.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "vnode_help.h"

#define THREADS 6
#define ROUNDS	500
#define FILES	4
#define WHOLE	20000 /* bytes of a file that is written whole */
#define LINE	64

static struct stand s;
static _Atomic unsigned wrong;
static _Atomic unsigned appended[FILES];

static void name_of(char *name, const char *kind, unsigned i)
{
	snprintf(name, 32, "%s%u", kind, i);
}

static void check(bool right)
{
	if (!right)
		wrong++;
}

/* One letter from end to end, as each writer leaves it. */
static void rewrite(unsigned file, unsigned letter)
{
	char name[32], bytes[WHOLE];
	int fd;

	name_of(name, "whole", file);
	memset(bytes, 'a' + (int)(letter % 26), sizeof(bytes));
	fd = stand_open(&s, name, O_WRONLY);
	check(fd >= 0 && pwrite(fd, bytes, sizeof(bytes), 0) == sizeof(bytes));
	if (letter % 5 == 0)
		check(stand_sync(&s, fd) == 0);
	close(fd);
}

static void read_whole(unsigned file)
{
	char name[32], bytes[WHOLE + 1];
	int fd;

	name_of(name, "whole", file);
	fd = stand_open(&s, name, O_RDONLY);
	check(fd >= 0);
	/* Reads and writes of the same range are one after the other. */
	check(pread(fd, bytes, sizeof(bytes), 0) == WHOLE);
	close(fd);
}

static void append(unsigned file, unsigned number)
{
	char name[32], line[LINE + 1];
	int fd;

	name_of(name, "log", file);
	fd = stand_open(&s, name, O_WRONLY | O_APPEND);
	snprintf(line, sizeof(line), "%-*u\n", LINE - 1, number);
	check(fd >= 0 && write(fd, line, LINE) == LINE);
	appended[file]++;
	if (number % 7 == 0)
		check(stand_sync(&s, fd) == 0);
	close(fd);
}

static void anything(unsigned file, unsigned r)
{
	char name[32], bytes[100];
	int fd = -1;

	name_of(name, "any", file);
	switch (r % 7) {
	case 0:
		check(stand_truncate(&s, name, r % 50000) == 0);
		break;
	case 1:
		(void)stand_stat(&s, name);
		break;
	case 2:
		fd = stand_open(&s, name, O_RDWR | O_TRUNC);
		break;
	case 3:
		fd = stand_open(&s, name, O_RDWR);
		check(fd >= 0 && pwrite(fd, "xyz", 3, r % 40000) == 3);
		(void)stand_fstat(&s, fd);
		break;
	case 4:
		fd = stand_open(&s, name, O_RDONLY);
		check(fd >= 0 && pread(fd, bytes, sizeof(bytes), r % 1000) >= 0);
		break;
	case 5:
		check(vnodes_sync_all(s.vnodes, 0) == 0);
		break;
	default: {
		struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = r}};
		struct vnode_place place;
		struct stat real;
		int object = -1;

		place = stand_place(&s, name, &object, &real);
		check(vnodes_touched(s.vnodes, &place, times) == 0);
		close(object);
	}
	}
	if (fd >= 0)
		close(fd);
}

static void *work(void *data)
{
	unsigned seed = (unsigned)(uintptr_t)data * 7919 + 1;

	for (unsigned i = 0; i < ROUNDS; i++) {
		unsigned r = (unsigned)rand_r(&seed), file = r / 16 % FILES;

		switch (r % 4) {
		case 0:
			rewrite(file, r / 64);
			break;
		case 1:
			read_whole(file);
			break;
		case 2:
			append(file, r / 64);
			break;
		default:
			anything(file, r / 64);
		}
	}
	return NULL;
}

static ssize_t content(const char *name, char *bytes, size_t room)
{
	int fd = stand_open(&s, name, O_RDONLY);
	ssize_t n = fd < 0 ? fd : pread(fd, bytes, room, 0);

	if (fd >= 0)
		close(fd);
	return n;
}

static void test_threads(void **state)
{
	static char bytes[2][WHOLE * 8];
	pthread_t threads[THREADS];
	char name[32];

	(void)state;
	stand_set_up(&s, "key=default");
	memset(bytes[0], 'z', WHOLE);
	for (unsigned i = 0; i < FILES; i++) {
		name_of(name, "whole", i);
		stand_put(&s, name, bytes[0], WHOLE);
		name_of(name, "log", i);
		stand_put(&s, name, "", 0);
		name_of(name, "any", i);
		stand_put(&s, name, "abc", 3);
	}
	for (unsigned round = 0; round < 3; round++) {
		for (uintptr_t i = 0; i < THREADS; i++)
			assert_int_equal(pthread_create(&threads[i], NULL, work, (void *)(i + round * THREADS)), 0);
		for (unsigned i = 0; i < THREADS; i++)
			pthread_join(threads[i], NULL);
		assert_int_equal(wrong, 0);
		/* The next run sees what this one saw. */
		for (unsigned i = 0; i < FILES; i++) {
			static const char *const kinds[] = {"whole", "log", "any"};

			for (unsigned k = 0; k < 3; k++) {
				struct stat before;
				ssize_t n;

				name_of(name, kinds[k], i);
				n = content(name, bytes[0], sizeof(bytes[0]));
				before = stand_stat(&s, name);
				assert_int_equal(before.st_size, n);
				stand_stop(&s);
				stand_start(&s, true);
				assert_int_equal(stand_stat(&s, name).st_size, n);
				assert_int_equal(stand_stat(&s, name).st_mtim.tv_sec, before.st_mtim.tv_sec);
				assert_int_equal(stand_stat(&s, name).st_mtim.tv_nsec, before.st_mtim.tv_nsec);
				assert_int_equal(content(name, bytes[1], sizeof(bytes[1])), n);
				assert_memory_equal(bytes[0], bytes[1], (size_t)n);
				if (k == 0)
					for (int b = 1; b < WHOLE; b++)
						assert_int_equal(bytes[0][b], bytes[0][0]);
				if (k == 1)
					assert_int_equal(n, appended[i] * LINE);
			}
		}
	}
	assert_int_equal(s.reports, 0);
	stand_tear_down(&s);
}

#define BACK_AND_FORTH 400
#define SWINGS	       12
#define SWINGING       (6 * 16384 + 100) /* some chunks, the last one short */

static _Atomic bool swinging;

/* The same two contents in turn; the last one is the first again. */
static void *swing(void *data)
{
	static char bytes[2][SWINGING];
	int fd = *(int *)data;

	for (int i = 0; i < 2; i++)
		memset(bytes[i], 'a' + i, SWINGING);
	for (int i = 0; i <= SWINGS; i++)
		check(pwrite(fd, bytes[i % 2], SWINGING, 0) == SWINGING);
	swinging = false;
	return NULL;
}

/* A chunk that is one thing when it is looked at, another when it is encrypted and the first again in the end is not forgotten. */
static void test_back_and_forth(void **state)
{
	static char bytes[SWINGING];
	pthread_t thread;
	int fd;

	(void)state;
	wrong = 0;
	memset(bytes, 'a', SWINGING);
	stand_set_up(&s, "key=default");
	stand_put(&s, "f", "", 0);
	fd = stand_open(&s, "f", O_RDWR);
	for (unsigned round = 0; round < BACK_AND_FORTH; round++) {
		swinging = true;
		assert_int_equal(pthread_create(&thread, NULL, swing, &fd), 0);
		while (swinging)
			check(stand_sync(&s, fd) == 0);
		pthread_join(thread, NULL);
		check(stand_sync(&s, fd) == 0);
		stand_disk_holds(&s, "f", bytes, SWINGING);
	}
	assert_int_equal(wrong, 0);
	close(fd);
	stand_tear_down(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_threads), cmocka_unit_test(test_back_and_forth)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
