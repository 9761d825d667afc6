/* SPDX-License-Identifier: Apache-2.0 */
/* Random operations on a store and on a plain copy in memory: equal after each, and after reopening. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "crypt/store/store.h"
#include "disk.h"

#define SPAN (3 << 20)

static uint8_t kek[32] = {9};
static const struct store_key key = {.id = {4, 5, 6}, .kek = kek};

struct model {
	struct disk *disk;
	struct store_env env;
	struct store_layout layout;
	struct store *s;
	uint8_t *bytes;
	uint64_t size;
	uint8_t *buffer;
	int plain; /* a file to copy from and to */
};

static void reopen(struct model *m)
{
	store_free(m->s);
	m->s = NULL;
	assert_int_equal(store_open(&m->env, STORE_WRITE, &m->layout, &m->s), 0);
	assert_int_equal(store_size(m->s), m->size);
}

static void compare(struct model *m, uint64_t at, size_t len)
{
	ssize_t want = at >= m->size ? 0 : (ssize_t)(m->size - at < len ? m->size - at : len);

	assert_int_equal(store_read(m->s, m->buffer, len, at), want);
	if (want > 0)
		assert_memory_equal(m->buffer, m->bytes + at, (size_t)want);
}

/* Small ones, chunk-sized ones, some large. */
static size_t length(struct model *m)
{
	static const size_t most[] = {64, 600, 5000, 70000, 300000};

	return 1 + disk_random(m->disk) % most[disk_random(m->disk) % 5];
}

static uint64_t place(struct model *m, size_t len)
{
	static const uint64_t within[] = {4000, 20000, 200000, SPAN};
	uint64_t limit = within[disk_random(m->disk) % 4];

	return limit <= len ? 0 : disk_random(m->disk) % (limit - len + 1);
}

/* From a file that may be shorter than what is asked for. */
static void copy_in(struct model *m, size_t len, uint64_t at)
{
	size_t there = disk_random(m->disk) % 4 ? len : (size_t)(disk_random(m->disk) % len), from = disk_random(m->disk) % 9;

	for (size_t i = 0; i < there; i++)
		m->buffer[i] = (uint8_t)disk_random(m->disk);
	assert_int_equal(ftruncate(m->plain, 0), 0);
	assert_int_equal(pwrite(m->plain, m->buffer, there, (off_t)from), (ssize_t)there);
	assert_int_equal(store_copy_in(m->s, m->plain, from, len, at), there);
	memcpy(m->bytes + at, m->buffer, there);
	if (there > 0)
		m->size = at + there > m->size ? at + there : m->size;
}

static void copy_out(struct model *m, size_t len, uint64_t at)
{
	uint64_t want = at >= m->size ? 0 : m->size - at < len ? m->size - at : len;

	assert_int_equal(ftruncate(m->plain, 0), 0);
	assert_int_equal(ftruncate(m->plain, (off_t)(want + 5)), 0);
	assert_int_equal(store_copy_out(m->s, m->plain, 5, len, at), want);
	assert_int_equal(pread(m->plain, m->buffer, want, 5), (ssize_t)want);
	assert_memory_equal(m->buffer, m->bytes + at, want);
	assert_int_equal(lseek(m->plain, 0, SEEK_END), (off_t)(want + 5));
}

static void one(struct model *m)
{
	size_t len = length(m);
	uint64_t at = place(m, len);
	uint64_t found, data;

	switch (disk_random(m->disk) % 18) {
	case 0 ... 5:
		for (size_t i = 0; i < len; i++)
			m->buffer[i] = (uint8_t)disk_random(m->disk);
		assert_int_equal(store_write(m->s, m->buffer, len, at), 0);
		memcpy(m->bytes + at, m->buffer, len);
		m->size = at + len > m->size ? at + len : m->size;
		break;
	case 6 ... 9:
		compare(m, at, len);
		break;
	case 10:
		assert_int_equal(store_truncate(m->s, at), 0);
		if (at < m->size)
			memset(m->bytes + at, 0, m->size - at);
		m->size = at;
		break;
	case 11:
		assert_int_equal(store_punch(m->s, at, len), 0);
		if (at < m->size)
			memset(m->bytes + at, 0, at + len < m->size ? len : m->size - at);
		break;
	case 12:
		assert_int_equal(store_commit(m->s, disk_random(m->disk) % 2), 0);
		break;
	case 13:
		assert_int_equal(store_commit(m->s, true), 0);
		assert_int_equal(store_seal(m->s), 0);
		reopen(m);
		break;
	case 14:
		if (store_seek_hole(m->s, at, &found) == 0 && found < m->size)
			for (uint64_t i = found; i < m->size && i < found + 100; i++)
				assert_int_equal(m->bytes[i], 0);
		if (store_seek_data(m->s, at, &data) == 0) {
			assert_true(data >= at && data < m->size);
			for (uint64_t i = at; i < data; i++)
				assert_int_equal(m->bytes[i], 0);
		} else {
			for (uint64_t i = at; i < m->size; i++)
				assert_int_equal(m->bytes[i], 0);
		}
		break;
	case 15:
		copy_in(m, len, at);
		break;
	case 16:
		copy_out(m, len, at);
		break;
	default:
		assert_int_equal(store_commit(m->s, false), 0);
		reopen(m);
		break;
	}
	assert_int_equal(store_size(m->s), m->size);
}

static void no_damage(void *data, const struct store_damage *damage)
{
	(void)data, (void)damage;
	fail();
}

/* With a crew on a file, since the disk is not thread safe. */
static void run(uint64_t seed, unsigned slot, unsigned chunk, unsigned count, struct crew *crew)
{
	struct model m = {.disk = disk_new(seed), .layout = {(uint8_t)slot, (uint8_t)chunk}};
	struct store_info info;
	int file = memfd_create("store", MFD_CLOEXEC);

	m.plain = memfd_create("plain", MFD_CLOEXEC);
	assert_true(file >= 0 && m.plain >= 0);
	m.env = (struct store_env){.io = &disk_io, .handle = m.disk, .provider = aead_provider_find(NULL), .keys = &key,
				   .key_count = 1};
	if (crew) {
		m.env.io = &store_io_file;
		m.env.handle = &file;
		m.env.crew = crew;
	}
	m.bytes = calloc(1, SPAN + 300000);
	m.buffer = malloc(300000);
	assert_non_null(m.bytes);
	assert_non_null(m.buffer);
	disk_set_faults(m.disk, &(struct disk_faults){.odd_write = 50});
	reopen(&m);
	for (unsigned i = 0; i < count; i++)
		one(&m);
	compare(&m, 0, 300000);
	assert_int_equal(store_commit(m.s, true), 0);
	assert_int_equal(store_verify(m.s, no_damage, NULL), 0);
	store_get_info(m.s, &info);
	assert_int_equal(info.size, m.size);
	/* Free pages are used again: the file does not grow with the number of changes. */
	assert_true(info.total_pages < 4 * ((SPAN + 300000) / FORMAT_PAGE));
	store_free(m.s);
	disk_free(m.disk);
	free(m.bytes);
	free(m.buffer);
	close(m.plain);
	close(file);
}

static void equal_to_memory(void **state)
{
	const char *count = getenv("SCRIM_STORE_OPERATIONS");
	unsigned n = count ? (unsigned)strtoul(count, NULL, 0) : 1500;

	(void)state;
	for (unsigned slot = 12; slot <= 13; slot++)
		for (unsigned chunk = 12; chunk <= 16; chunk += 2)
			run(slot * 100 + chunk, slot, chunk, n, NULL);
}

static void equal_with_a_crew(void **state)
{
	struct crew *crew;

	(void)state;
	for (unsigned threads = 2; threads <= CREW_MAX; threads++) {
		assert_int_equal(crew_new(threads, &crew), 0);
		assert_int_equal(crew_size(crew), threads);
		for (unsigned chunk = 12; chunk <= 16; chunk += 2)
			run(threads * 100 + chunk, 12, chunk, 600, crew);
		crew_free(crew);
	}
}

/* Where the tree has several levels: far offsets, sparse. */
static void far_offsets(void **state)
{
	static const uint64_t far[] = {0, 1 << 20, UINT64_C(1) << 33, UINT64_C(1) << 45, INT64_MAX - 100};
	struct disk *disk = disk_new(1);
	struct store_env env = {.io = &disk_io, .handle = disk, .provider = aead_provider_find(NULL), .keys = &key, .key_count = 1};
	struct store *s;
	struct store_info info;
	char text[8];
	uint64_t at;

	(void)state;
	assert_int_equal(store_open(&env, STORE_WRITE, &(struct store_layout){.chunk_shift = 12}, &s), 0);
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(store_write(s, "far away", 8, far[i]), 0);
		assert_int_equal(store_commit(s, true), 0);
		store_free(s);
		assert_int_equal(store_open(&env, STORE_WRITE, NULL, &s), 0);
		assert_int_equal(store_size(s), far[i] + 8);
		for (size_t k = 0; k <= i; k++) {
			assert_int_equal(store_read(s, text, 8, far[k]), 8);
			assert_memory_equal(text, "far away", 8);
		}
	}
	assert_int_equal(store_write(s, "x", 1, INT64_MAX), -EFBIG);
	assert_int_equal(store_seek_data(s, 1 << 21, &at), 0);
	assert_int_equal(at, far[2]);
	assert_int_equal(store_seek_hole(s, far[3], &at), 0);
	assert_int_equal(at, (far[3] & ~UINT64_C(4095)) + 4096);
	store_get_info(s, &info);
	assert_true(info.height >= 6 && info.used_pages < 60);
	assert_int_equal(store_truncate(s, 5), 0);
	assert_int_equal(store_commit(s, true), 0);
	store_get_info(s, &info);
	assert_true(info.is_inline);
	assert_int_equal(info.used_pages, 0);
	store_free(s);
	disk_free(disk);
}

/* A file of which much was removed becomes small, and still is what it was. */
static void compaction(void **state)
{
	struct disk *disk = disk_new(8);
	struct store_env env = {.io = &disk_io, .handle = disk, .provider = aead_provider_find(NULL), .keys = &key, .key_count = 1};
	uint8_t chunk[16384], back[16384];
	struct store_info info;
	struct store *s;
	uint64_t before, after;

	(void)state;
	assert_int_equal(store_open(&env, STORE_WRITE, NULL, &s), 0);
	for (unsigned i = 0; i < 400; i++) {
		memset(chunk, (int)i + 1, sizeof(chunk));
		assert_int_equal(store_write(s, chunk, sizeof(chunk), i * sizeof(chunk)), 0);
	}
	assert_int_equal(store_commit(s, true), 0);
	for (unsigned i = 0; i < 400; i++)
		if (i % 4)
			assert_int_equal(store_punch(s, i * sizeof(chunk), sizeof(chunk)), 0);
	assert_int_equal(store_compact(s), -EBUSY);
	assert_int_equal(store_commit(s, true), 0);
	disk_bytes(disk, &before);
	assert_int_equal(store_compact(s), 0);
	assert_int_equal(store_seal(s), 0);
	disk_bytes(disk, &after);
	store_get_info(s, &info);
	assert_true(before > 6 << 20 && after < 2 << 20);
	assert_int_equal(after, info.total_pages * 4096);
	store_free(s);
	assert_int_equal(store_open(&env, STORE_WRITE, NULL, &s), 0);
	assert_int_equal(store_verify(s, no_damage, NULL), 0);
	for (unsigned i = 0; i < 400; i++) {
		memset(chunk, i % 4 ? 0 : (int)i + 1, sizeof(chunk));
		assert_int_equal(store_read(s, back, sizeof(back), i * sizeof(back)), (ssize_t)sizeof(back));
		assert_memory_equal(back, chunk, sizeof(chunk));
	}
	store_free(s);
	disk_free(disk);
}

/*
 * Files of which pieces of all lengths were removed and overwritten, so that free places are many and small and what stands
 * at the end hardly fits: never larger than before, and the same file.
 */
static void compaction_never_grows(void **state)
{
	uint8_t bytes[16384], back[16384];
	unsigned smaller = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 60; seed++) {
		struct disk *disk = disk_new(seed);
		struct store_env env = {.io = &disk_io, .handle = disk, .provider = aead_provider_find(NULL), .keys = &key, .key_count = 1};
		struct store_layout layout = {.chunk_shift = seed % 2 ? 12 : 14};
		unsigned count = 60 + (unsigned)(disk_random(disk) % 400), changes = (unsigned)(disk_random(disk) % (2 * count));
		size_t size = (size_t)1 << layout.chunk_shift;
		uint8_t fill[460] = {0};
		uint64_t before, after;
		struct store *s;

		assert_int_equal(store_open(&env, STORE_WRITE, &layout, &s), 0);
		for (unsigned i = 0; i < count + changes; i++) {
			unsigned c = i < count ? i : (unsigned)(disk_random(disk) % count);

			fill[c] = (uint8_t)(i < count ? 1 : disk_random(disk) % 3);
			memset(bytes, fill[c], size);
			if (fill[c])
				assert_int_equal(store_write(s, bytes, size, c * size), 0);
			else
				assert_int_equal(store_punch(s, c * size, size), 0);
			if (i >= count && disk_random(disk) % 3 == 0)
				assert_int_equal(store_commit(s, true), 0);
		}
		assert_int_equal(store_commit(s, true), 0);
		if (seed % 3 == 0) {
			store_free(s);
			assert_int_equal(store_open(&env, STORE_WRITE, NULL, &s), 0);
			assert_int_equal(store_set_times(s, &(struct store_time){0}, &(struct store_time){0}), 0);
			assert_int_equal(store_commit(s, true), 0);
		}
		disk_bytes(disk, &before);
		assert_int_equal(store_compact(s), 0);
		disk_bytes(disk, &after);
		assert_true(after <= before);
		smaller += after < before;
		store_free(s);
		assert_int_equal(store_open(&env, STORE_READ, NULL, &s), 0);
		assert_int_equal(store_verify(s, no_damage, NULL), 0);
		for (unsigned c = 0; c < count; c++) {
			memset(bytes, fill[c], size);
			assert_int_equal(store_read(s, back, size, c * size), (ssize_t)(store_size(s) - c * size < size ? store_size(s) - c * size : size));
			assert_memory_equal(back, bytes, size);
		}
		store_free(s);
		disk_free(disk);
	}
	assert_true(smaller > 30);
}

static void keys_decide(void **state)
{
	struct disk *disk = disk_new(1);
	uint8_t other_kek[32] = {1};
	struct store_key other = {.id = {4, 5, 6}, .kek = other_kek}, stranger = {.id = {7}, .kek = other_kek}, both[2];
	struct store_env env = {.io = &disk_io, .handle = disk, .provider = aead_provider_find(NULL), .keys = &key, .key_count = 1};
	struct store *s;

	(void)state;
	assert_int_equal(store_open(&env, STORE_WRITE, NULL, &s), 0);
	assert_int_equal(store_write(s, "secret", 6, 0), 0);
	assert_int_equal(store_commit(s, true), 0);
	store_free(s);
	env.keys = &stranger;
	assert_int_equal(store_open(&env, STORE_READ, NULL, &s), -ENOKEY);
	env.keys = &other;
	assert_int_equal(store_open(&env, STORE_READ, NULL, &s), -EBADMSG);
	/* Beside the old one, then without it. */
	env.keys = &key;
	assert_int_equal(store_open(&env, STORE_WRITE, NULL, &s), 0);
	assert_int_equal(store_rekey(s, &stranger, NULL), 0);
	assert_int_equal(store_commit(s, true), 0);
	store_free(s);
	for (int i = 0; i < 2; i++) {
		env.keys = i ? &stranger : &key;
		assert_int_equal(store_open(&env, STORE_READ, NULL, &s), 0);
		assert_int_equal(store_size(s), 6);
		store_free(s);
	}
	both[0] = stranger;
	both[1] = key;
	env.keys = both;
	env.key_count = 2;
	assert_int_equal(store_open(&env, STORE_WRITE, NULL, &s), 0);
	assert_int_equal(store_rekey(s, NULL, key.id), 0);
	assert_int_equal(store_rekey(s, NULL, stranger.id), -ENOKEY);
	assert_int_equal(store_commit(s, true), 0);
	assert_int_equal(store_seal(s), 0);
	store_free(s);
	env.keys = &key;
	env.key_count = 1;
	assert_int_equal(store_open(&env, STORE_READ, NULL, &s), -ENOKEY);
	disk_free(disk);
}

/* Rule 9: what another writer wrote meanwhile is not overwritten. */
static void another_writer(void **state)
{
	struct disk *disk = disk_new(1);
	struct store_env env = {.io = &disk_io, .handle = disk, .provider = aead_provider_find(NULL), .keys = &key, .key_count = 1};
	struct store *a, *b;
	char text[6];

	(void)state;
	assert_int_equal(store_open(&env, STORE_WRITE, NULL, &a), 0);
	assert_int_equal(store_write(a, "first", 5, 0), 0);
	assert_int_equal(store_commit(a, true), 0);
	assert_int_equal(store_open(&env, STORE_WRITE, NULL, &b), 0);
	assert_int_equal(store_write(b, "other", 5, 0), 0);
	assert_int_equal(store_commit(b, true), 0);
	assert_int_equal(store_write(a, "third", 5, 0), 0);
	assert_int_equal(store_commit(a, true), -ESTALE);
	assert_int_equal(store_commit(a, false), -ESTALE);
	assert_int_equal(store_write(a, "third", 5, 0), -ESTALE);
	assert_int_equal(store_read(a, text, 5, 0), 5);
	assert_memory_equal(text, "third", 5); /* what was not written is still there to be saved */
	store_free(a);
	store_free(b);
	assert_int_equal(store_open(&env, STORE_READ, NULL, &a), 0);
	assert_int_equal(store_read(a, text, 5, 0), 5);
	assert_memory_equal(text, "other", 5);
	store_free(a);
	disk_free(disk);
}

static int no_random(void *bytes, size_t len)
{
	memset(bytes, 0, len);
	return -ENOSYS;
}

static void without_random_numbers(void **state)
{
	struct disk *disk = disk_new(1);
	struct store_env env = {.io = &disk_io, .handle = disk, .provider = aead_provider_find(NULL), .keys = &key,
				.key_count = 1, .random = no_random};
	struct store *s;
	uint64_t size;

	(void)state;
	assert_int_equal(store_open(&env, STORE_WRITE, NULL, &s), -ENOSYS);
	disk_bytes(disk, &size);
	assert_int_equal(size, 0);
	disk_free(disk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_to_memory),
		cmocka_unit_test(equal_with_a_crew), cmocka_unit_test(far_offsets),    cmocka_unit_test(compaction),
		cmocka_unit_test(compaction_never_grows),
		cmocka_unit_test(keys_decide),
		cmocka_unit_test(another_writer),  cmocka_unit_test(without_random_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
