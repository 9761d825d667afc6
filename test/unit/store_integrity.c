/* SPDX-License-Identifier: Apache-2.0 */
/* Every bit, every swap of two pages, every older page, every length: found out or without effect, never a wrong byte. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crypt/store/store.h"
#include "disk.h"

static uint8_t kek[32] = {9};
static const struct store_key key = {.id = {4, 5, 6}, .kek = kek};

/* Bytes that a test changes. */
struct image {
	uint8_t *bytes;
	uint64_t size;
};

static ssize_t image_pread(void *handle, void *bytes, size_t len, uint64_t offset)
{
	struct image *i = handle;

	if (offset >= i->size)
		return 0;
	if (len > i->size - offset)
		len = (size_t)(i->size - offset);
	memcpy(bytes, i->bytes + offset, len);
	return (ssize_t)len;
}

static ssize_t image_pwrite(void *handle, const void *bytes, size_t len, uint64_t offset)
{
	(void)handle, (void)bytes, (void)len, (void)offset;
	fail();
	return -EIO;
}

static int image_nothing(void *handle)
{
	(void)handle;
	return 0;
}

static int image_size(void *handle, uint64_t *ret_size)
{
	*ret_size = ((struct image *)handle)->size;
	return 0;
}

static const struct store_io image_io = {
	.pread = image_pread,
	.pwrite = image_pwrite,
	.sync = image_nothing,
	.size = image_size,
	.drop_cache = image_nothing,
};

static struct image take(struct disk *disk)
{
	struct image i;
	uint8_t *bytes = disk_bytes(disk, &i.size);

	i.bytes = malloc(i.size + 8192);
	assert_non_null(i.bytes);
	memcpy(i.bytes, bytes, i.size);
	memset(i.bytes + i.size, 0, 8192);
	return i;
}

/* Open and read: 1 as it was; 0 refused somewhere; a wrong byte fails the test. */
static int check(struct image *i, const uint8_t *want, uint64_t size)
{
	struct store_env env = {.io = &image_io, .handle = i, .provider = aead_provider_find(NULL), .keys = &key, .key_count = 1};
	uint8_t bytes[4096];
	struct store *s;
	int right = 1;
	int r = store_open(&env, STORE_READ, NULL, &s);

	if (r < 0) {
		assert_true(r == -EBADMSG || r == -ENOKEY || r == -ENODATA || r == -EPROTONOSUPPORT);
		return 0;
	}
	assert_int_equal(store_size(s), size);
	for (uint64_t at = 0; at < size; at += sizeof(bytes)) {
		size_t n = size - at < sizeof(bytes) ? (size_t)(size - at) : sizeof(bytes);
		ssize_t got = store_read(s, bytes, n, at);

		if (got < 0) {
			assert_int_equal(got, -EBADMSG);
			right = 0;
			continue;
		}
		assert_int_equal(got, n);
		assert_memory_equal(bytes, want + at, n);
	}
	store_free(s);
	return right;
}

/* A sealed store of SIZE bytes, written in two versions; *RET_OLD is the first one's image. */
static struct image make(uint8_t *content, uint64_t size, struct image *ret_old)
{
	struct disk *disk = disk_new(3);
	struct store_env env = {.io = &disk_io, .handle = disk, .provider = aead_provider_find(NULL), .keys = &key, .key_count = 1};
	struct store *s;
	struct image i;

	for (uint64_t k = 0; k < size; k++)
		content[k] = (uint8_t)disk_random(disk);
	assert_int_equal(store_open(&env, STORE_WRITE, &(struct store_layout){.chunk_shift = 12}, &s), 0);
	assert_int_equal(store_write(s, content, size, 0), 0);
	assert_int_equal(store_commit(s, true), 0);
	assert_int_equal(store_seal(s), 0);
	*ret_old = take(disk);
	for (uint64_t k = 0; k < size; k++)
		content[k] ^= 0x55;
	assert_int_equal(store_write(s, content, size, 0), 0);
	assert_int_equal(store_commit(s, true), 0);
	assert_int_equal(store_seal(s), 0);
	i = take(disk);
	store_free(s);
	disk_free(disk);
	return i;
}

static void attack(uint64_t size, unsigned bit_step)
{
	uint8_t *content = malloc(size + 1);
	struct image old, i = make(content, size, &old), cut;
	uint64_t pages = i.size / 4096, found = 0, harmless = 0;
	uint8_t page[4096];

	assert_int_equal(check(&i, content, size), 1);
	for (uint64_t bit = 0; bit < i.size * 8; bit += bit_step) {
		i.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		if (check(&i, content, size))
			harmless++;
		else
			found++;
		i.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	/* Both slots say the same, so that one can be lost; and there are free pages. */
	assert_true(harmless > 0);
	if (size > 4000)
		assert_true(found > 0);
	for (uint64_t a = 0; a < pages; a++)
		for (uint64_t b = a + 1; b < pages; b++) {
			memcpy(page, i.bytes + a * 4096, 4096);
			memcpy(i.bytes + a * 4096, i.bytes + b * 4096, 4096);
			memcpy(i.bytes + b * 4096, page, 4096);
			check(&i, content, size);
			memcpy(i.bytes + b * 4096, i.bytes + a * 4096, 4096);
			memcpy(i.bytes + a * 4096, page, 4096);
		}
	/* Each page as it was in the older version: one slot alone changes nothing, a data page is found out. */
	for (uint64_t a = 0; a < pages && a < old.size / 4096; a++) {
		memcpy(page, i.bytes + a * 4096, 4096);
		memcpy(i.bytes + a * 4096, old.bytes + a * 4096, 4096);
		check(&i, content, size);
		memcpy(i.bytes + a * 4096, page, 4096);
	}
	for (uint64_t len = 1; len < i.size; len += len < 9000 || len > i.size - 5000 ? 61 : 4093) {
		cut = (struct image){i.bytes, len};
		check(&cut, content, size);
	}
	cut = (struct image){i.bytes, i.size + 5000};
	assert_int_equal(check(&cut, content, size), 1);
	free(content);
	free(i.bytes);
	free(old.bytes);
}

static void inline_file(void **state)
{
	(void)state;
	attack(100, 1);
	attack(3328, 7);
}

static void file_of_chunks(void **state)
{
	(void)state;
	attack(4000, 5);
	attack(20000, 31);
}

static void file_of_nodes(void **state)
{
	(void)state;
	attack(60 * 4096 + 5, 4801);
}

/* Arbitrary bytes behind the magic. */
static void arbitrary_bytes(void **state)
{
	struct disk *disk = disk_new(5);
	struct image i = {calloc(1, 20000), 20000};
	struct store_env env = {.io = &image_io, .handle = &i, .provider = aead_provider_find(NULL), .keys = &key, .key_count = 1};
	struct store *s;

	(void)state;
	for (int n = 0; n < 3000; n++) {
		for (size_t k = 0; k < 8192; k++)
			i.bytes[k] = (uint8_t)disk_random(disk);
		if (n % 2)
			memcpy(i.bytes, FORMAT_MAGIC "\x01\0\x01\0\x0c\x0c\0\0", 16);
		assert_true(store_open(&env, STORE_READ, NULL, &s) < 0);
	}
	memset(i.bytes, 0, 20000);
	assert_int_equal(store_open(&env, STORE_READ, NULL, &s), 0);
	assert_int_equal(store_size(s), 0);
	store_free(s);
	i.bytes[19999] = 1;
	assert_int_equal(store_open(&env, STORE_READ, NULL, &s), -ENODATA);
	free(i.bytes);
	disk_free(disk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(inline_file),
		cmocka_unit_test(file_of_chunks),
		cmocka_unit_test(file_of_nodes),
		cmocka_unit_test(arbitrary_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
