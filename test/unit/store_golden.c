/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encrypted files of version 1 that were written once and are read for ever: test/data/store_v1. They are not made anew; when
 * another one is needed, add a line to the table and run
 *
 *     unit_store_golden --make DIRECTORY
 *
 * which writes all of them, always the same bytes from the same program, since its random numbers are not random; copy the
 * new one. A later program may lay out other bytes: then that is how its files look, and these stay as they are.
 */
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

#include "base/cleanup.h"
#include "crypt/keys/kek.h"
#include "crypt/store/slot.h"
#include "disk.h"

#define RANGES 4

struct range {
	uint64_t from, len;
};

/* A wrap of kind 2: none, one that nobody here opens, one for the kernel key beside the others, that one alone. */
enum kernel { NONE, FOREIGN, TOO, ALONE };

/* A file: how it is laid out, what was written into it, in that order, and what it has to be. */
struct golden {
	const char *name;
	uint8_t slot, chunk;
	uint8_t height;
	bool is_inline, sealed;
	uint8_t versions; /* each overwrites all of it; the last one counts */
	uint8_t wraps;    /* of the first so many keys */
	enum kernel kernel;
	uint64_t size;
	struct range ranges[RANGES]; /* all else is holes */
};

#define FAR (UINT64_C(1) << 40)

static const struct golden files[] = {
	{"empty", 12, 14, 0, true, true, 1, 1, NONE, 0, {{0}}},
	{"inline-small", 12, 14, 0, true, true, 1, 1, NONE, 100, {{0, 100}}},
	{"inline-small-8k", 13, 12, 0, true, true, 1, 1, NONE, 100, {{0, 100}}},
	{"inline-largest", 12, 14, 0, true, true, 1, 2, NONE, 3328, {{0, 3328}}},
	{"inline-largest-8k", 13, 14, 0, true, true, 1, 3, NONE, 7424, {{0, 7424}}},
	{"inline-rewritten", 12, 14, 0, true, true, 3, 1, NONE, 3000, {{0, 3000}}},
	{"inline-unsealed", 12, 14, 0, true, false, 2, 1, NONE, 3000, {{0, 3000}}},
	{"inline-hole", 12, 14, 0, true, true, 1, 1, NONE, 3000, {{1000, 500}}},
	{"chunk-4k", 12, 12, 0, false, true, 1, 1, NONE, 4096, {{0, 4096}}},
	{"chunk-16k", 12, 14, 0, false, true, 1, 4, NONE, 16384, {{0, 16384}}},
	{"chunk-64k", 13, 16, 0, false, true, 1, 1, NONE, 65536, {{0, 65536}}},
	{"chunk-short", 12, 14, 0, false, true, 1, 1, NONE, 5001, {{0, 5001}}},
	{"chunks-named", 12, 12, 0, false, false, 1, 1, NONE, 20000, {{0, 20000}}},
	{"chunks-rewritten", 12, 14, 0, false, true, 3, 1, NONE, 20000, {{0, 20000}}},
	{"chunks-holes", 13, 14, 0, false, true, 1, 2, NONE, 900000, {{16384, 3}, {500000, 20000}, {899999, 1}}},
	{"kernel-too", 12, 14, 0, false, true, 1, 1, FOREIGN, 7000, {{0, 7000}}},
	{"level-1", 12, 12, 1, false, true, 1, 1, NONE, 61 * 4096, {{0, 4096}, {49 * 4096, 3 * 4096 + 5}, {60 * 4096, 4096}}},
	{"level-1-8k", 13, 12, 1, false, false, 1, 1, NONE, 200 * 4096 + 7, {{85 * 4096, 2 * 4096}, {200 * 4096, 7}}},
	{"level-1-rewritten", 12, 14, 1, false, true, 2, 1, NONE, 50 << 14, {{0, 16384}, {(49 << 14) + 100, 1000}}},
	{"level-2", 12, 12, 2, false, true, 1, 1, NONE, 5000 * 4096, {{0, 10}, {5000 * 4096 - 100, 100}}},
	{"level-2-8k", 13, 14, 2, false, false, 2, 1, NONE, UINT64_C(8000) << 14, {{5 << 14, 10}, {(UINT64_C(8000) << 14) - 1, 1}}},
	{"level-far", 12, 16, 3, false, true, 1, 4, NONE, FAR + 5, {{0, 1}, {FAR, 5}}},
	{"kernel-alone", 12, 14, 0, true, true, 1, 0, ALONE, 900, {{0, 900}}},
	{"kernel-chunks", 13, 12, 0, false, false, 2, 0, ALONE, 30000, {{0, 30000}}},
	{"kernel-and-keys", 12, 14, 0, false, true, 2, 2, TOO, 20000, {{0, 5}, {17000, 3000}}},
};

static uint8_t keks[4][32];
static struct store_key keys[4], kernel_key; /* its bytes: 0, 1, ... 63 */

static void make_keys(void)
{
	uint8_t bytes[KEK_WIDE];
	struct kek *kek;

	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)i;
	if (kek_new_sized(bytes, true, &kek) < 0)
		exit(1);
	kernel_key = kek_store_key(kek);
	for (unsigned k = 0; k < 4; k++) {
		keys[k].kek = keks[k];
		for (unsigned i = 0; i < 32; i++)
			keks[k][i] = (uint8_t)(k * 32 + i);
		for (unsigned i = 0; i < FORMAT_ID; i++)
			keys[k].id[i] = (uint8_t)(0xa0 + k * 16 + i);
	}
}

/* What stands at OFFSET of the last version, if anything was written there. */
static uint8_t byte_at(uint64_t offset, unsigned version)
{
	uint64_t x = offset * 0x9E3779B97F4A7C15 + version;

	return (uint8_t)((x ^ x >> 29) * 0xBF58476D1CE4E5B9 >> 56);
}

static uint8_t expected(const struct golden *g, uint64_t offset)
{
	for (unsigned i = 0; i < RANGES; i++)
		if (offset >= g->ranges[i].from && offset - g->ranges[i].from < g->ranges[i].len)
			return byte_at(offset, g->versions);
	return 0;
}

/* The generator's; never for anything else. */
static uint64_t made_up;
static int made_up_random(void *bytes, size_t len)
{
	uint8_t *to = bytes;

	for (size_t i = 0; i < len; i++) {
		made_up = made_up * 6364136223846793005 + 1442695040888963407;
		to[i] = (uint8_t)(made_up >> 56);
	}
	return 0;
}

static void require(bool truth, const char *what)
{
	if (truth)
		return;
	fprintf(stderr, "%s failed\n", what);
	exit(1);
}

static void make(const struct golden *g, const char *directory)
{
	struct disk *disk = disk_new(1);
	struct store_env env = {.io = &disk_io, .handle = disk, .provider = aead_provider_find(NULL), .random = made_up_random,
				.keys = g->kernel == ALONE ? &kernel_key : keys, .key_count = 1};
	struct store_time mtime = {1700000000, 123456789}, ctime = {-1, 999999999};
	char path[4096];
	struct store *s;
	uint64_t size;
	int fd;

	made_up = (uint64_t)(g - files) + 1;
	disk_set_faults(disk, &(struct disk_faults){.cannot_punch = true});
	require(store_open(&env, STORE_WRITE, &(struct store_layout){g->slot, g->chunk}, &s) == 0, "opening");
	for (unsigned v = 1; v <= g->versions; v++) {
		for (unsigned i = 0; i < RANGES; i++)
			for (uint64_t k = 0; k < g->ranges[i].len; k++) {
				uint8_t byte = byte_at(g->ranges[i].from + k, v);

				require(store_write(s, &byte, 1, g->ranges[i].from + k) == 0, "writing");
			}
		require(store_truncate(s, g->size) == 0 && store_set_times(s, &mtime, &ctime) == 0, "size and times");
		for (unsigned k = 1; k < g->wraps && v == 1; k++)
			require(store_rekey(s, &keys[k], NULL) == 0, "wrapping");
		if (g->kernel == TOO && v == 1)
			require(store_rekey(s, &kernel_key, NULL) == 0, "wrapping for the kernel");
		if (g->kernel == FOREIGN) {
			s->head.wraps[3].kind = WRAP_KERNEL;
			made_up_random(s->head.wraps[3].key_id, sizeof(s->head.wraps[3].key_id));
			made_up_random(s->head.wraps[3].nonce, sizeof(s->head.wraps[3].nonce));
			made_up_random(s->head.wraps[3].cipher, sizeof(s->head.wraps[3].cipher));
			made_up_random(s->head.wraps[3].tag, sizeof(s->head.wraps[3].tag));
		}
		require(store_commit(s, true) == 0, "committing");
	}
	require(!g->sealed || store_seal(s) == 0, "sealing");
	store_free(s);
	snprintf(path, sizeof(path), "%s/%s.scrim", directory, g->name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	const uint8_t *bytes = disk_bytes(disk, &size);
	require(fd >= 0 && write(fd, bytes, size) == (ssize_t)size, path);
	close(fd);
	disk_free(disk);
}

static struct disk *load(const struct golden *g)
{
	struct disk *disk = disk_new(1);
	_cleanup_close_ int fd = -EBADF;
	static uint8_t bytes[256 << 10];
	char path[4096];
	ssize_t n;

	snprintf(path, sizeof(path), SCRIM_TEST_DATA "/store_v1/%s.scrim", g->name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		fail_msg("%s: %s", path, strerror(errno));
	n = read(fd, bytes, sizeof(bytes));
	assert_true(n > 0 && n < (ssize_t)sizeof(bytes));
	assert_int_equal(disk_io.pwrite(disk, bytes, (size_t)n, 0), n);
	assert_int_equal(disk_io.sync(disk), 0);
	return disk;
}

/* Windows around all that was written and around both ends. */
static void check_content(const struct golden *g, struct store *s)
{
	static uint8_t bytes[70000];

	assert_int_equal(store_size(s), g->size);
	for (unsigned i = 0; i < RANGES + 1; i++) {
		uint64_t from = i < RANGES ? g->ranges[i].from : g->size, len = i < RANGES ? g->ranges[i].len : 0;
		uint64_t at = from > 2000 ? from - 2000 : 0;
		ssize_t want = g->size - at < from - at + len + 2000 ? (ssize_t)(g->size - at) : (ssize_t)(from - at + len + 2000);

		assert_int_equal(store_read(s, bytes, (size_t)(from - at + len + 2000), at), want);
		for (ssize_t k = 0; k < want; k++)
			if (bytes[k] != expected(g, at + (uint64_t)k))
				fail_msg("%s: byte %llu", g->name, (unsigned long long)at + (unsigned long long)k);
	}
}

static void no_damage(void *data, const struct store_damage *damage)
{
	(void)data, (void)damage;
	fail();
}

static void check_file(const struct golden *g, struct store *s)
{
	struct store_time mtime, ctime;
	struct store_info info;

	store_get_info(s, &info);
	assert_int_equal(info.slot_shift, g->slot);
	assert_int_equal(info.chunk_shift, g->chunk);
	assert_int_equal(info.height, g->height);
	assert_int_equal(info.is_inline, g->is_inline);
	assert_int_equal(info.sealed, g->sealed);
	assert_false(info.fell_back);
	assert_false(info.is_new);
	store_get_times(s, &mtime, &ctime);
	assert_true(mtime.sec == 1700000000 && mtime.nsec == 123456789 && ctime.sec == -1 && ctime.nsec == 999999999);
	check_content(g, s);
	assert_int_equal(store_verify(s, no_damage, NULL), 0);
}

/* With each of its keys, by each provider that there is, and with no other key. */
static void read_for_ever(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		struct disk *disk = load(&files[i]);
		const struct aead_provider *provider;
		const char *why;

		for (size_t p = 0; (provider = aead_provider_at(p)); p++)
			for (unsigned k = 0; k < 4 && provider->usable(&why) == 0; k++) {
				struct store_env env = {.io = &disk_io, .handle = disk, .provider = provider, .keys = &keys[k],
							.key_count = 1};
				struct store *s;

				assert_int_equal(store_open(&env, STORE_READ, NULL, &s), k < files[i].wraps ? 0 : -ENOKEY);
				if (k >= files[i].wraps)
					continue;
				check_file(&files[i], s);
				store_free(s);
			}
		struct store_env env = {.io = &disk_io, .handle = disk, .provider = aead_provider_find(NULL), .keys = &kernel_key,
					.key_count = 1};
		struct store *s;
		assert_int_equal(store_open(&env, STORE_READ, NULL, &s), files[i].kernel >= TOO ? 0 : -ENOKEY);
		if (files[i].kernel >= TOO) {
			check_file(&files[i], s);
			store_free(s);
		}
		disk_free(disk);
	}
}

/* What this program writes into them is a next version. */
static void written_to(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		struct disk *disk = load(&files[i]);
		struct store_env env = {.io = &disk_io, .handle = disk, .provider = aead_provider_find(NULL),
					.keys = files[i].kernel == ALONE ? &kernel_key : keys, .key_count = 1};
		struct store *s;
		char text[5];

		assert_int_equal(store_open(&env, STORE_WRITE, NULL, &s), 0);
		assert_int_equal(store_write(s, "more", 4, files[i].size), 0);
		assert_int_equal(store_commit(s, true), 0);
		assert_int_equal(store_compact(s), 0);
		assert_int_equal(store_seal(s), 0);
		store_free(s);
		assert_int_equal(store_open(&env, STORE_WRITE, NULL, &s), 0);
		assert_int_equal(store_read(s, text, 5, files[i].size), 4);
		assert_memory_equal(text, "more", 4);
		assert_int_equal(store_truncate(s, files[i].size), 0);
		check_content(&files[i], s);
		assert_int_equal(store_commit(s, true), 0);
		assert_int_equal(store_verify(s, no_damage, NULL), 0);
		store_free(s);
		disk_free(disk);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(read_for_ever), cmocka_unit_test(written_to)};

	make_keys();
	if (argc == 3 && strcmp(argv[1], "--make") == 0) {
		for (size_t i = 0; i < ARRAY_LEN(files); i++)
			make(&files[i], argv[2]);
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
