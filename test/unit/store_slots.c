/* SPDX-License-Identifier: Apache-2.0 */
/* The slots: what fits into them, what no store has in them, and one of them damaged. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "store_help.h"

/* Pages that were named before the content came back into the slot take no room there. */
static void from_chunks_into_the_slot(void **state)
{
	static const struct {
		uint8_t slot, chunk;
		uint64_t size;
	} all[] = {{12, 12, 3328}, {12, 14, 3328}, {13, 13, 7424}, {13, 14, 7000}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		struct disk *disk = disk_new(1);
		struct store_env env = env_of(disk);
		uint8_t *bytes = pattern(100 << 14, 1);
		struct store_info info;
		struct store *s;

		assert_int_equal(store_open(&env, STORE_WRITE, &(struct store_layout){all[i].slot, all[i].chunk}, &s),
				 0);
		for (uint64_t k = 0; k < 60; k++) /* as many as can be named, and free pages here and there */
			assert_int_equal(store_write(s, bytes, 100, (k * 2) << all[i].chunk), 0);
		assert_int_equal(store_commit(s, true), 0);
		for (uint64_t k = 0; k < 60; k++)
			assert_int_equal(store_write(s, bytes, 100, (k * 3 % 120) << all[i].chunk), 0);
		assert_int_equal(store_commit(s, false), 0);
		assert_int_equal(store_truncate(s, 0), 0);
		assert_int_equal(store_write(s, bytes, all[i].size, 0), 0);
		assert_int_equal(store_commit(s, false), 0);
		store_free(s);
		expect_content(&env, bytes, all[i].size);
		assert_int_equal(store_open(&env, STORE_READ, NULL, &s), 0);
		store_get_info(s, &info);
		assert_true(info.is_inline && !info.fell_back && !info.spare_damaged);
		store_free(s);
		free(bytes);
		disk_free(disk);
	}
}

/* Authentic or not: what no store of this version has is damage, before anything is made for it. */
static void wild_metas(void **state)
{
	static const struct {
		unsigned at, bytes;
		uint64_t value;
	} changes[] = {
		{0, 8, 0}, {0, 8, UINT64_MAX}, {8, 8, UINT64_MAX}, {8, 8, 100}, {24, 4, 1000000000}, {28, 4, 1000000000},
		{40, 8, 1}, {40, 8, UINT64_C(1) << 50}, {48, 8, 1 << 20}, {56, 2, 8}, {56, 2, 2}, {58, 1, 9}, {58, 1, 8}, {59, 1, 1},
		{60, 2, 65}, {60, 2, 60000}, {62, 2, 57}, {62, 2, 65535}, {64, 4, 49}, {64, 4, UINT32_MAX}, {68, 4, 1}, {92, 4, 1},
		{96, 6, 1}, {96, 6, 40}, {102, 2, 65535},
	};
	struct meta m = {.sequence = 5, .size = 48 * 4096, .total_pages = 40, .used_pages = 20, .payload = 20}, back;
	uint8_t body[4096 - FORMAT_HEAD], wild[4096 - FORMAT_HEAD];
	const uint8_t *inline_bytes;

	(void)state;
	for (unsigned i = 0; i < 20; i++)
		m.root[i] = (struct entry){.page = 2 + i, .len = 4096};
	meta_encode(format_slot_find(12), &m, NULL, body);
	assert_int_equal(meta_decode(format_slot_find(12), 12, body, &back, &inline_bytes), 0);
	meta_encode(format_slot_find(12), &back, NULL, wild);
	assert_memory_equal(wild, body, sizeof(body));
	for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
		memcpy(wild, body, sizeof(wild));
		for (unsigned k = 0; k < changes[i].bytes; k++)
			wild[changes[i].at + k] = (uint8_t)(changes[i].value >> 8 * k);
		if (meta_decode(format_slot_find(12), 12, wild, &back, &inline_bytes) != -EBADMSG)
			fail_msg("change %zu: byte %u", i, changes[i].at);
	}
}

/* Content of a sealed file, and in its other slot what was sealed: that one is damaged now. */
static struct disk *with_damaged_spare(uint64_t seed, const uint8_t *content, size_t len, bool zeros)
{
	struct disk *disk = disk_new(seed);
	struct store_env env = env_of(disk);
	struct store_info info;
	struct store *s;
	uint8_t slot[4096];
	uint64_t at;

	assert_int_equal(store_open(&env, STORE_WRITE, NULL, &s), 0);
	assert_int_equal(store_write(s, "first", 5, 0), 0);
	assert_int_equal(store_commit(s, true), 0);
	assert_int_equal(store_write(s, content, len, 0), 0);
	assert_int_equal(store_commit(s, true), 0);
	assert_int_equal(store_seal(s), 0);
	store_get_info(s, &info);
	store_free(s);
	at = info.newest_slot ? 0 : sizeof(slot);
	assert_int_equal(disk_peek(disk, slot, sizeof(slot), at), sizeof(slot));
	slot[700] ^= 1;
	if (zeros)
		memset(slot, 0, sizeof(slot));
	assert_int_equal(disk_io.pwrite(disk, slot, sizeof(slot), at), sizeof(slot));
	assert_int_equal(disk_io.sync(disk), 0);
	return disk;
}

/*
 * The next version goes into the damaged slot: at whatever moment the power fails, the one that was sealed or the new
 * one is there.
 */
static void beside_a_damaged_slot(void **state)
{
	enum { LEN = 50000 };
	uint8_t *old = pattern(LEN, 1), *new = pattern(LEN, 2);
	unsigned found[2] = {0};

	(void)state;
	for (unsigned round = 0; round < 400; round++) {
		struct disk *disk = with_damaged_spare(round + 1, old, LEN, round % 2);
		struct store_env env = env_of(disk);
		struct store_info info;
		struct store *s;
		uint8_t byte;

		assert_int_equal(store_open(&env, STORE_READ, NULL, &s), 0);
		store_get_info(s, &info);
		assert_true(info.sealed && info.spare_damaged);
		store_free(s);
		assert_int_equal(store_open(&env, STORE_WRITE, NULL, &s), 0);
		disk_stop_after(disk, round / 8 % 12);
		if (store_write(s, new, LEN, 0) == 0 && store_commit(s, true) == 0)
			store_seal(s);
		store_free(s);
		disk_power(disk);
		assert_int_equal(store_open(&env, STORE_READ, NULL, &s), 0);
		assert_int_equal(store_read(s, &byte, 1, 0), 1);
		store_free(s);
		found[byte == new[0]]++;
		expect_content(&env, byte == new[0] ? new : old, LEN);
		disk_free(disk);
	}
	assert_true(found[0] > 50 && found[1] > 50);
	free(old);
	free(new);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(from_chunks_into_the_slot),
		cmocka_unit_test(wild_metas),
		cmocka_unit_test(beside_a_damaged_slot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
