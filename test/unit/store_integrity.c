/* SPDX-License-Identifier: Apache-2.0 */
/* Every bit, every swap of two pages, every older page, every length: found out or without effect, never a wrong
 * byte. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "crypt/store/store.h"
#include "disk.h"

#define SLACK 9000
/* Every one; where a sanitizer makes it ten times as long, some. */
#ifdef SCRIM_SANITIZED
#define BIT_STEP 61
#define LENGTH_STEP 37
#else
#define BIT_STEP 1
#define LENGTH_STEP 1
#endif

static uint8_t kek[32] = {9};
static const struct store_key key = {.id = {4, 5, 6}, .kek = kek};

/* Bytes that a test changes. */
struct image {
	uint8_t *bytes;
	uint64_t size;
	uint64_t last; /* where was read last */
};

static ssize_t image_pread(void *handle, void *bytes, size_t len, uint64_t offset)
{
	struct image *i = handle;

	i->last = offset;
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

static int image_drop_cache(void *handle, uint64_t len)
{
	(void)handle, (void)len;
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
	.drop_cache = image_drop_cache,
};

static struct image take(struct disk *disk)
{
	struct image i;
	uint8_t *bytes = disk_bytes(disk, &i.size);

	i.bytes = malloc(i.size + SLACK);
	assert_non_null(i.bytes);
	memcpy(i.bytes, bytes, i.size);
	memset(i.bytes + i.size, 0, SLACK);
	return i;
}

/* Open and read: 1 as it was; 0 refused somewhere; a wrong byte fails the test. */
static int check(struct image *i, const uint8_t *want, uint64_t size)
{
	struct store_env env = {.io = &image_io, .handle = i, .provider = aead_provider_find(NULL), .keys = &key, .key_count = 1};
	static uint8_t bytes[65536];
	struct store *s;
	int right = 1;
	int r = store_open(&env, STORE_READ, NULL, &s);

	if (r < 0) {
		assert_true(r == -EBADMSG || r == -ENOKEY || r == -ENODATA || r == -EPROTONOSUPPORT);
		return 0;
	}
	assert_int_equal(store_size(s), size);
	/* Of holes the last piece will do. */
	for (uint64_t at = size > 1 << 20 ? size - sizeof(bytes) : 0; at < size; at += sizeof(bytes)) {
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

/* The same of the N chunks alone, which are CHUNKS. */
static void check_some(struct image *i, const uint8_t *want, uint64_t size, uint64_t chunk_size, const uint64_t *chunks,
		       size_t n)
{
	struct store_env env = {
		.io = &image_io, .handle = i, .provider = aead_provider_find(NULL), .keys = &key, .key_count = 1};
	static uint8_t bytes[65536];
	struct store *s;
	int r = store_open(&env, STORE_READ, NULL, &s);

	if (r < 0) {
		assert_true(r == -EBADMSG || r == -ENOKEY || r == -ENODATA || r == -EPROTONOSUPPORT);
		return;
	}
	assert_int_equal(store_size(s), size);
	for (size_t k = 0; k < n; k++) {
		uint64_t at = chunks[k] * chunk_size;
		uint64_t len = size - at < chunk_size ? size - at : chunk_size;
		ssize_t got = store_read(s, bytes, len, at);

		if (got < 0) {
			assert_int_equal(got, -EBADMSG);
			continue;
		}
		assert_int_equal(got, len);
		assert_memory_equal(bytes, want + at, len);
	}
	store_free(s);
}

/*
 * Every length of a larger file: the chunk that is cut, the first, the last, and one that changes with the length are
 * read; all of it around each page's end. (A piece that stands wholly before the cut is read from the same bytes as
 * before.)
 */
static void every_length(const struct image *whole, const uint8_t *content, uint64_t size, unsigned chunk_shift)
{
	uint64_t chunk = UINT64_C(1) << chunk_shift, count = (size + chunk - 1) >> chunk_shift, last = 0;
	uint64_t *places = calloc(count, sizeof(*places));
	struct image cut = *whole;

	assert_non_null(places);
	for (uint64_t c = 0; c < count; c++) {
		check_some(&cut, content, size, chunk, &c, 1);
		places[c] = cut.last;
		last = places[c] > last ? places[c] : last;
	}
	assert_true(last > chunk);
	for (uint64_t len = 1; len < whole->size; len += LENGTH_STEP) {
		uint64_t chunks[4] = {0, count - 1, len % count};
		size_t n = 3;

		for (uint64_t c = 0; c < count && n == 3; c++)
			if (places[c] <= len && len - places[c] < chunk)
				chunks[n++] = c;
		cut.size = len;
		if ((len + 1) % 4096 <= 2)
			check(&cut, content, size);
		else
			check_some(&cut, content, size, chunk, chunks, n);
	}
	free(places);
}

/* A store of which every bit is tried: SIZE bytes, of which those from FROM on are written, and holes before. */
struct shape {
	uint8_t slot, chunk;
	unsigned height;
	uint64_t size, from;
};

static void put(struct store *s, uint8_t *content, const struct shape *shape, uint8_t change)
{
	for (uint64_t k = shape->from; k < shape->size; k++)
		content[k] ^= change;
	assert_int_equal(store_write(s, content + shape->from, shape->size - shape->from, shape->from), 0);
	assert_int_equal(store_commit(s, true), 0);
	assert_int_equal(store_seal(s), 0);
}

/* Sealed, in VERSIONS versions; *RET_OLD is the last but one's image, or the last one's. */
static struct image make(uint8_t *content, const struct shape *shape, unsigned versions, struct image *ret_old)
{
	struct disk *disk = disk_new(3);
	struct store_env env = {.io = &disk_io, .handle = disk, .provider = aead_provider_find(NULL), .keys = &key, .key_count = 1};
	struct store *s;
	struct store_info info;
	struct image i;

	disk_set_faults(disk, &(struct disk_faults){.cannot_punch = true}); /* free pages keep what they held */
	memset(content, 0, shape->size);
	for (uint64_t k = shape->from; k < shape->size; k++)
		content[k] = (uint8_t)disk_random(disk);
	assert_int_equal(store_open(&env, STORE_WRITE, &(struct store_layout){shape->slot, shape->chunk}, &s), 0);
	for (unsigned v = 1; v < versions; v++)
		put(s, content, shape, 0x55);
	*ret_old = take(disk);
	put(s, content, shape, 0x33);
	i = take(disk);
	store_get_info(s, &info);
	assert_int_equal(info.height, shape->height);
	assert_int_equal(info.is_inline, shape->size < 4000);
	store_free(s);
	disk_free(disk);
	return i;
}

static void every_bit(const struct shape *shape, unsigned versions)
{
	uint8_t *content = malloc(shape->size);
	struct image old, i = make(content, shape, versions, &old);
	uint64_t found = 0, harmless = 0;

	assert_int_equal(check(&i, content, shape->size), 1);
	for (uint64_t bit = 0; bit < i.size * 8; bit += BIT_STEP) {
		i.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		if (check(&i, content, shape->size))
			harmless++;
		else
			found++;
		i.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	/* Every bit of the only slot there is, and of the pieces; of two slots one can be lost. */
	if (i.size == UINT64_C(1) << shape->slot)
		assert_int_equal(harmless, 0);
	else if (BIT_STEP == 1)
		assert_true(harmless >= UINT64_C(2) << (shape->slot + 3));
	assert_true(shape->size < 4000 || found > 0);
	free(content);
	free(i.bytes);
	free(old.bytes);
}

/* Swaps, older pages, every length. */
static void every_page(const struct shape *shape)
{
	uint8_t *content = malloc(shape->size);
	struct image old, i = make(content, shape, 3, &old), cut;
	uint64_t pages = i.size / 4096, found = 0;
	uint8_t page[4096];

	assert_int_equal(check(&i, content, shape->size), 1);
	for (uint64_t a = 0; a < pages; a++)
		for (uint64_t b = a + 1; b < pages; b++) {
			memcpy(page, i.bytes + a * 4096, 4096);
			memcpy(i.bytes + a * 4096, i.bytes + b * 4096, 4096);
			memcpy(i.bytes + b * 4096, page, 4096);
			found += !check(&i, content, shape->size);
			memcpy(i.bytes + b * 4096, i.bytes + a * 4096, 4096);
			memcpy(i.bytes + a * 4096, page, 4096);
		}
	assert_true(shape->size < 4000 || found > 0);
	/* Each page as it was in the older version: one slot alone changes nothing, a data page is found out. */
	for (uint64_t a = 0; a < pages && a < old.size / 4096; a++) {
		memcpy(page, i.bytes + a * 4096, 4096);
		memcpy(i.bytes + a * 4096, old.bytes + a * 4096, 4096);
		check(&i, content, shape->size);
		memcpy(i.bytes + a * 4096, page, 4096);
	}
	if (i.size > 50000)
		every_length(&i, content, shape->size, shape->chunk);
	for (uint64_t len = 1; i.size <= 50000 && len < i.size; len += LENGTH_STEP) {
		cut = (struct image){.bytes = i.bytes, .size = len};
		check(&cut, content, shape->size);
	}
	for (uint64_t more = 1; more <= SLACK; more += 61) {
		cut = (struct image){.bytes = i.bytes, .size = i.size + more};
		assert_int_equal(check(&cut, content, shape->size), 1);
		i.bytes[i.size + more - 1] = (uint8_t)more;
	}
	free(content);
	free(i.bytes);
	free(old.bytes);
}

/* In the slot; one level, entries in the slot; two levels, with nodes, and three. Slots of both sizes. */
static const struct shape inline_small[] = {{12, 12, 0, 100, 0}, {13, 12, 0, 100, 0}};
static const struct shape inline_large[] = {{12, 12, 0, 3328, 0}, {13, 12, 0, 3999, 0}};
static const struct shape one_level[] = {{12, 12, 0, 4000, 0}, {13, 13, 0, 8001, 0}};
static const struct shape two_levels[] = {{12, 12, 1, 60 * 4096 + 5, 60 * 4096}, {13, 12, 1, 100 * 4096 + 5, 100 * 4096}};
static const struct shape three_levels[] = {{12, 12, 2, 5000 * 4096 + 5, 5000 * 4096}, {13, 12, 2, 8000 * 4096 + 5, 8000 * 4096}};
static const struct shape many_pages[] = {{12, 12, 0, 20000, 0}, {12, 12, 1, 60 * 4096 + 5, 0}, {13, 14, 0, 100000, 0}};

static void bits_of_slots(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(inline_small); i++) {
		every_bit(&inline_small[i], 1);
		every_bit(&inline_small[i], 2);
	}
	every_bit(&inline_large[0], 1);
}

static void bits_of_chunks(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(one_level); i++)
		every_bit(&one_level[i], 1);
}

static void bits_of_nodes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(two_levels); i++)
		every_bit(&two_levels[i], 1);
}

static void pages(void **state)
{
	static const struct {
		const struct shape *shapes;
		size_t count;
	} all[] = {
		{inline_small, ARRAY_LEN(inline_small)}, {inline_large, ARRAY_LEN(inline_large)},
		{one_level, ARRAY_LEN(one_level)},       {two_levels, ARRAY_LEN(two_levels)},
		{many_pages, ARRAY_LEN(many_pages)},     {three_levels, ARRAY_LEN(three_levels)},
	};

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(all); k++)
		for (size_t i = 0; i < all[k].count; i++)
			every_page(&all[k].shapes[i]);
}

/* Arbitrary bytes behind the magic. */
static void arbitrary_bytes(void **state)
{
	struct disk *disk = disk_new(5);
	struct image i = {.bytes = calloc(1, 20000), .size = 20000};
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
		cmocka_unit_test(bits_of_slots),
		cmocka_unit_test(bits_of_chunks),
		cmocka_unit_test(bits_of_nodes),
		cmocka_unit_test(pages),
		cmocka_unit_test(arbitrary_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
