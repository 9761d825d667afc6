/* SPDX-License-Identifier: Apache-2.0 */
/* A version that somebody copies stays whole while the writer goes on, reopens, seals, compacts. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "crypt/store/lock.h"
#include "crypt/store/store.h"

#define SIZE   (2 << 20)
#define SLOTS  8192
#define HOLDS  150

static uint8_t kek[32] = {9};
static const struct store_key key = {.id = {4, 5, 6}, .kek = kek};
static bool deaf; /* a writer that does not ask */

static bool held(void *handle)
{
	return !deaf && store_io_file.held(handle);
}

static struct store_env env_of(const struct store_io *io, int *fd)
{
	return (struct store_env){.io = io, .handle = fd, .provider = aead_provider_find(NULL), .keys = &key, .key_count = 1};
}

/* What a view does with a file. */
static void change(struct store **s, struct store_env *env)
{
	static uint8_t bytes[20000];
	size_t len = 1 + (size_t)rand() % sizeof(bytes);

	memset(bytes, rand(), sizeof(bytes));
	switch (rand() % 16) {
	case 0:
		store_free(*s);
		assert_int_equal(store_open(env, STORE_WRITE, NULL, s), 0);
		break;
	case 1:
		assert_int_equal(store_punch(*s, (uint64_t)rand() % SIZE, (uint64_t)rand() % 300000), 0);
		break;
	case 2:
		assert_int_equal(store_truncate(*s, SIZE / 2 + (uint64_t)rand() % (SIZE / 2)), 0);
		break;
	case 3:
		if (!store_is_dirty(*s) && store_commit(*s, true) == 0) {
			int r = store_compact(*s);

			assert_true(r == 0 || r == -EBUSY);
		}
		break;
	case 4:
	case 5:
		assert_int_equal(store_commit(*s, true), 0);
		assert_int_equal(store_seal(*s), 0);
		break;
	case 6:
	case 7:
		assert_int_equal(store_commit(*s, true), 0);
		break;
	case 8:
	case 9:
		assert_int_equal(store_commit(*s, false), 0);
		break;
	default:
		assert_int_equal(store_write(*s, bytes, len, (uint64_t)rand() % (SIZE - sizeof(bytes))), 0);
	}
}

static void no_damage(void *data, const struct store_damage *damage)
{
	(void)damage;
	++*(int *)data;
}

/* The slots of then, the pages of now: a whole version? */
static bool copy_is_whole(int fd, const uint8_t *slots, off_t size)
{
	static uint8_t bytes[4 * SIZE];
	char path[] = "/dev/shm/scrim-hold-copy-XXXXXX";
	int copy = mkstemp(path), damage = 0;
	struct store_env env = env_of(&store_io_file, &copy);
	struct store *s = NULL;
	bool whole;

	assert_true(copy >= 0 && size <= (off_t)sizeof(bytes));
	unlink(path);
	assert_true(pread(fd, bytes, (size_t)size, 0) >= 0);
	memcpy(bytes, slots, SLOTS);
	assert_int_equal(write(copy, bytes, (size_t)size), size);
	memset(bytes, 0, sizeof(bytes));
	whole = store_open(&env, STORE_READ, NULL, &s) == 0;
	if (whole) {
		struct store_info info;

		store_get_info(s, &info);
		whole = store_verify(s, no_damage, &damage) == 0 && !info.fell_back;
	}
	store_free(s);
	close(copy);
	return whole;
}

/* How many of the copies were no version. */
static int run(void)
{
	struct store_io io = store_io_file;
	char path[] = "/dev/shm/scrim-hold-XXXXXX";
	int fd = mkstemp(path), bad = 0;
	struct store_env env;
	struct store *s;

	io.held = held;
	env = env_of(&io, &fd);
	assert_int_equal(store_open(&env, STORE_WRITE, NULL, &s), 0);
	assert_int_equal(store_truncate(s, SIZE), 0);
	for (int i = 0; i < 60; i++)
		change(&s, &env);
	assert_int_equal(store_commit(s, true), 0);
	for (int i = 0; i < HOLDS; i++) {
		int from = open(path, O_RDONLY);
		uint8_t slots[SLOTS];
		off_t size;

		for (int k = rand() % 12; k > 0; k--)
			change(&s, &env);
		assert_int_equal(store_hold(from), 0);
		assert_true(store_is_held(fd));
		assert_int_equal(pread(from, slots, sizeof(slots), 0), sizeof(slots));
		size = lseek(from, 0, SEEK_END);
		for (int k = rand() % 60; k > 0; k--)
			change(&s, &env);
		bad += !copy_is_whole(from, slots, size);
		close(from);
		assert_false(store_is_held(fd));
	}
	store_free(s);
	close(fd);
	unlink(path);
	return bad;
}

static void stays_whole(void **state)
{
	(void)state;
	srand(1);
	deaf = false;
	assert_int_equal(run(), 0);
}

/* What the test above is worth. */
static void without_asking(void **state)
{
	(void)state;
	srand(1);
	deaf = true;
	assert_true(run() > HOLDS / 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(stays_whole), cmocka_unit_test(without_asking)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
