/* SPDX-License-Identifier: Apache-2.0 */
/* What docs/FORMAT.md says of nonces, of what is authenticated, of wraps, and of later versions. */
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

/*
 * What the caller's memory holds when nonces are drawn has no influence any more, whether the chunks waited in memory
 * for the commit or pass by at once; several nonces come with one call.
 */
static void nonces_come_last(void **state)
{
	enum { SMALL = 60 * 4096, BULK = 30 * 4096, LEN = SMALL + BULK };
	struct disk *disk = disk_new(1);
	struct store_env env = env_of(disk);
	uint8_t *want = pattern(LEN, 3), *bytes = pattern(LEN, 3);
	struct store *s;
	unsigned before;

	(void)state;
	assert_int_equal(store_open(&env, STORE_WRITE, &(struct store_layout){.chunk_shift = 12}, &s), 0);
	drawn.overwrite = bytes;
	drawn.overwrite_len = SMALL;
	before = drawn.calls;
	for (size_t at = 0; at < SMALL; at += 8192)
		assert_int_equal(store_write(s, bytes + at, 8192, at), 0);
	assert_int_equal(drawn.calls, before); /* all of it in memory until the commit */
	assert_int_equal(store_commit(s, true), 0);
	drawn.overwrite = bytes + SMALL;
	drawn.overwrite_len = BULK;
	assert_int_equal(store_write(s, bytes + SMALL, BULK, SMALL), 0);
	assert_int_equal(store_commit(s, true), 0);
	drawn.overwrite = NULL;
	assert_int_equal(bytes[0], 0xee);
	assert_int_equal(bytes[LEN - 1], 0xee);
	assert_true(drawn.calls - before <= 20); /* of 90 chunks, nodes and slots */
	store_free(s);
	expect_content(&env, want, LEN);
	free(want);
	free(bytes);
	disk_free(disk);
}

/* Whichever call for random numbers fails, the operation fails, and the file is a committed version. */
static void no_random_no_encryption(void **state)
{
	enum { LEN = 300 * 1024 };
	uint8_t *old = pattern(LEN, 1), *new = pattern(LEN, 2);
	bool all = false;

	(void)state;
	for (unsigned k = 1; !all; k++) {
		struct disk *disk = disk_new(k);
		struct store_env env = env_of(disk);
		struct store *s;
		int r, refused = 0;

		assert_int_equal(store_open(&env, STORE_WRITE, NULL, &s), 0);
		assert_int_equal(store_write(s, old, LEN, 0), 0);
		assert_int_equal(store_commit(s, true), 0);
		drawn.calls = 0;
		drawn.fail_at = k;
		for (size_t at = 0; at < LEN && !refused; at += 20000)
			refused = store_write(s, new + at, LEN - at < 20000 ? LEN - at : 20000, at);
		r = refused ? refused : store_commit(s, true);
		if (r == 0)
			r = store_seal(s);
		all = r == 0;
		assert_true(r == 0 || r == -ENOSYS);
		assert_true(all == (drawn.calls < k));
		store_free(s);
		drawn.fail_at = 0;
		/* When the seal failed the version was committed. */
		assert_int_equal(store_open(&env, STORE_READ, NULL, &s), 0);
		uint8_t first;
		assert_int_equal(store_read(s, &first, 1, 0), 1);
		store_free(s);
		expect_content(&env, first == old[0] ? old : new, LEN);
		assert_true(!all || first == new[0]);
		assert_true(k < 100);
		disk_free(disk);
	}
	free(old);
	free(new);
}

/* Version 2, kind 1, level 1, length 4, index 8, file id 16; of a slot its clear bytes and its number; of a wrap id
 * and salt too. */
static void what_is_authenticated(void **state)
{
	struct disk *disk = disk_new(1);
	struct store_env env = env_of(disk);
	unsigned slots = 0, nodes = 0, chunks = 0, wraps = 0;
	uint64_t size;
	struct store *s;

	(void)state;
	assert_int_equal(store_open(&env, STORE_WRITE, &(struct store_layout){.chunk_shift = 12}, &s), 0);
	assert_int_equal(store_write(s, "far", 3, 200 * 4096), 0);
	assert_int_equal(store_commit(s, true), 0);
	const uint8_t *image = disk_bytes(disk, &size);
	for (unsigned i = 0; i < told.count; i++) {
		const uint8_t *aad = told.seen[i].aad;
		static const uint8_t version[2] = {1, 0};
		uint8_t want[16] = {0};

		if (told.seen[i].aad_len == FORMAT_CLEAR + 1) {
			slots++;
			assert_memory_equal(aad, image, FORMAT_CLEAR);
			assert_int_equal(aad[FORMAT_CLEAR], 0);
			continue;
		}
		assert_memory_equal(aad, version, 2);
		assert_memory_equal(aad + 16, image + 16, 16); /* the file id */
		want[4] = (uint8_t)told.seen[i].len;
		want[5] = (uint8_t)(told.seen[i].len >> 8);
		memcpy(want, version, 2);
		want[2] = aad[2];
		switch (aad[2]) {
		case KIND_NODE:
			nodes++;
			want[3] = 1;
			want[8] = 200 / 85;
			break;
		case KIND_CHUNK:
			chunks++;
			want[8] = 200;
			break;
		case KIND_WRAP:
			wraps++;
			want[3] = WRAP_KEK;
			assert_int_equal(told.seen[i].aad_len, 64);
			assert_memory_equal(aad + 32, keys[0].id, 16);
			assert_memory_equal(aad + 48, image + 64, 16); /* the salt */
			break;
		default:
			fail();
		}
		assert_memory_equal(aad, want, 16);
		assert_int_equal(told.seen[i].aad_len, aad[2] == KIND_WRAP ? 64 : 32);
	}
	assert_int_equal(slots, 1);
	assert_int_equal(nodes, 1);
	assert_int_equal(chunks, 1);
	assert_int_equal(wraps, 1);
	store_free(s);
	disk_free(disk);
}

/* A wrap that is right and holds another file key: nothing is opened with that. */
static void commitment_comes_first(void **state)
{
	struct disk *disk = disk_new(1);
	struct store_env env = env_of(disk);
	uint8_t bytes[4096], aad[64], other[32] = {77};
	struct store *s;
	struct head head;
	struct xaes *kek;

	(void)state;
	assert_int_equal(store_open(&env, STORE_WRITE, NULL, &s), 0);
	assert_int_equal(store_write(s, "x", 1, 0), 0);
	assert_int_equal(store_commit(s, true), 0);
	store_free(s);
	assert_int_equal(disk_peek(disk, bytes, sizeof(bytes), 0), sizeof(bytes));
	assert_int_equal(head_decode(bytes, &head), 0);
	format_aad(KIND_WRAP, head.file_id, WRAP_KEK, 0, 32, aad);
	memcpy(aad + 32, head.wraps[0].key_id, 16);
	memcpy(aad + 48, head.salt, 16);
	assert_int_equal(xaes_new(&aead_openssl, keys[0].kek, &kek), 0);
	assert_int_equal(xaes_seal(kek, head.wraps[0].nonce,
				   &(struct aead_message){.aad = aad, .aad_len = 64, .in = other, .len = 32,
							  .out = head.wraps[0].cipher, .tag = head.wraps[0].tag}), 0);
	xaes_free(kek);
	head_encode(&head, bytes);
	assert_int_equal(disk_io.pwrite(disk, bytes, sizeof(bytes), 0), sizeof(bytes));
	told.opens = told.slots_opened = 0;
	assert_int_equal(store_open(&env, STORE_READ, NULL, &s), -EBADMSG);
	assert_true(told.opens > 0); /* the wrap */
	assert_int_equal(told.slots_opened, 0);
	/* A key that is not the file's is a wrong key, whatever else is damaged. */
	env.keys = &keys[1];
	assert_int_equal(store_open(&env, STORE_READ, NULL, &s), -ENOKEY);
	disk_free(disk);
}

static void four_wraps(void **state)
{
	struct disk *disk = disk_new(1);
	struct store_env env = env_of(disk);
	uint8_t before[FORMAT_HEAD], after[FORMAT_HEAD];
	struct store *s;

	(void)state;
	assert_int_equal(store_open(&env, STORE_WRITE, NULL, &s), 0);
	assert_int_equal(store_write(s, "x", 1, 0), 0);
	for (int i = 1; i < 4; i++)
		assert_int_equal(store_rekey(s, &keys[i], NULL), 0);
	assert_int_equal(store_rekey(s, &keys[4], NULL), -ENOSPC);
	assert_int_equal(store_rekey(s, &keys[2], NULL), 0); /* again under the same: no place more */
	assert_int_equal(store_commit(s, true), 0);
	store_free(s);
	for (int i = 0; i < 5; i++) {
		env.keys = &keys[i];
		assert_int_equal(store_open(&env, STORE_READ, NULL, &s), i < 4 ? 0 : -ENOKEY);
		if (i < 4)
			store_free(s);
	}
	/* A commit copies the wraps as they are, and needs none of their keys but the one that opened the file. */
	assert_int_equal(disk_peek(disk, before, sizeof(before), 0), sizeof(before));
	env.keys = &keys[3];
	assert_int_equal(store_open(&env, STORE_WRITE, NULL, &s), 0);
	env.key_count = 0;
	told.seals = 0;
	assert_int_equal(store_write(s, "y", 1, 0), 0);
	assert_int_equal(store_commit(s, true), 0);
	assert_int_equal(told.seals, 1);
	store_free(s);
	assert_int_equal(disk_peek(disk, after, sizeof(after), 4096), sizeof(after));
	assert_memory_equal(before, after, FORMAT_CLEAR);
	disk_free(disk);
}

/* Later versions and other algorithms are told from damage. */
static void later_versions(void **state)
{
	static const struct {
		unsigned at;
		int error;
	} changes[] = {{8, -EPROTONOSUPPORT}, {9, -EPROTONOSUPPORT}, {10, -EPROTONOSUPPORT}, {11, -EPROTONOSUPPORT},
		       {12, -EBADMSG}, {13, -EBADMSG}, {14, -EBADMSG}, {15, -EBADMSG}, {80 + 17, -EBADMSG}, {504, -EBADMSG}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
		struct disk *disk = disk_new(1);
		struct store_env env = env_of(disk);
		struct store *s;
		uint8_t byte = 0xaa;

		assert_int_equal(store_open(&env, STORE_WRITE, NULL, &s), 0);
		assert_int_equal(store_write(s, "x", 1, 0), 0);
		assert_int_equal(store_commit(s, true), 0);
		store_free(s);
		disk_io.pwrite(disk, &byte, 1, changes[i].at);
		assert_int_equal(store_open(&env, STORE_WRITE, NULL, &s), changes[i].error);
		disk_free(disk);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nonces_come_last),
		cmocka_unit_test(no_random_no_encryption),
		cmocka_unit_test(what_is_authenticated),
		cmocka_unit_test(commitment_comes_first),
		cmocka_unit_test(four_wraps),
		cmocka_unit_test(later_versions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
