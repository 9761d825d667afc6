/* SPDX-License-Identifier: Apache-2.0 */
/* What docs/FORMAT.md says of nonces, of what is authenticated, of wraps, and of what an operation reads, syncs and keeps. */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "crypt/crew.h"
#include "crypt/random.h"
#include "crypt/store/slot.h"
#include "disk.h"

static uint8_t keks[5][32] = {{1}, {2}, {3}, {4}, {5}};
static const struct store_key keys[] = {
	{{1}, keks[0]}, {{2}, keks[1]}, {{3}, keks[2]}, {{4}, keks[3]}, {{5}, keks[4]},
};

/* A provider that tells what was authenticated. */
static struct {
	unsigned seals, opens, slots_opened;
	struct {
		uint8_t aad[FORMAT_CLEAR + 1];
		size_t aad_len, len;
	} seen[256];
	unsigned count;
} told;

static int telling_make(void **ret_context)
{
	return aead_openssl.make(ret_context);
}

static void telling_drop(void *context)
{
	aead_openssl.drop(context);
}

static int telling_usable(const char **ret_why)
{
	return aead_openssl.usable(ret_why);
}

static int telling_seal(void *context, const uint8_t *key, const uint8_t *nonce, const struct aead_message *m)
{
	told.seals++;
	if (told.count < ARRAY_LEN(told.seen)) {
		assert_true(m->aad_len <= sizeof(told.seen[0].aad));
		memcpy(told.seen[told.count].aad, m->aad, m->aad_len);
		told.seen[told.count].aad_len = m->aad_len;
		told.seen[told.count++].len = m->len;
	}
	return aead_openssl.seal(context, key, nonce, m);
}

static int telling_open(void *context, const uint8_t *key, const uint8_t *nonce, const struct aead_message *m)
{
	told.opens++;
	told.slots_opened += m->aad_len == FORMAT_CLEAR + 1;
	return aead_openssl.open(context, key, nonce, m);
}

static const struct aead_provider telling = {
	.name = "telling",
	.usable = telling_usable,
	.make = telling_make,
	.drop = telling_drop,
	.seal = telling_seal,
	.open = telling_open,
};

/* Random numbers that can be counted, fail, and look at what happens meanwhile. */
static struct {
	unsigned calls, fail_at; /* from 1; 0: never */
	size_t most, total;
	uint8_t *overwrite;
	size_t overwrite_len;
} drawn;

static int drawing(void *bytes, size_t len)
{
	drawn.calls++;
	drawn.total += len;
	if (len > drawn.most)
		drawn.most = len;
	if (drawn.overwrite)
		memset(drawn.overwrite, 0xee, drawn.overwrite_len);
	return drawn.calls == drawn.fail_at ? -ENOSYS : random_bytes(bytes, len);
}

static struct store_env env_of(struct disk *disk)
{
	memset(&told, 0, sizeof(told));
	memset(&drawn, 0, sizeof(drawn));
	return (struct store_env){.io = &disk_io, .handle = disk, .provider = &telling, .random = drawing, .keys = keys, .key_count = 1};
}

static uint8_t *pattern(size_t len, uint8_t seed)
{
	uint8_t *bytes = malloc(len);

	assert_non_null(bytes);
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)(i * 7 + i / 255 + seed);
	return bytes;
}

static void expect_content(const struct store_env *env, const uint8_t *want, size_t len)
{
	uint8_t *got = malloc(len + 1);
	struct store *s;

	assert_non_null(got);
	assert_int_equal(store_open(env, STORE_READ, NULL, &s), 0);
	assert_int_equal(store_size(s), len);
	assert_int_equal(store_read(s, got, len, 0), (ssize_t)len);
	assert_memory_equal(got, want, len);
	store_free(s);
	free(got);
}

/*
 * What the caller's memory holds when nonces are drawn has no influence any more, whether the chunks waited in memory for the
 * commit or pass by at once; several nonces come with one call.
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

/* Version 2, kind 1, level 1, length 4, index 8, file id 16; of a slot its clear bytes and its number; of a wrap id and salt too. */
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

/* Opening reads the slots, and of the tree what leads to the named pages; a change reads what leads to it. One sync, 28 KiB. */
static void depth_not_size(void **state)
{
	struct disk *disk = disk_new(1);
	struct store_env env = env_of(disk);
	uint8_t *bytes = pattern(1 << 20, 1);
	uint64_t reads, syncs, written;
	struct store_info info;
	struct store *s;

	(void)state;
	assert_int_equal(store_open(&env, STORE_WRITE, NULL, &s), 0);
	for (unsigned i = 0; i < 100; i++) /* 6400 chunks in 76 nodes, and one far away */
		assert_int_equal(store_write(s, bytes, 1 << 20, (uint64_t)i << 20), 0);
	assert_int_equal(store_write(s, bytes, 4096, UINT64_C(1) << 30), 0);
	assert_int_equal(store_commit(s, true), 0);
	assert_int_equal(store_seal(s), 0);
	store_get_info(s, &info);
	assert_int_equal(info.height, 2);
	assert_true(info.used_pages > 6400 * 4);
	store_free(s);
	reads = disk_reads(disk);
	assert_int_equal(store_open(&env, STORE_WRITE, NULL, &s), 0);
	assert_int_equal(disk_reads(disk) - reads, 2);
	reads = disk_reads(disk);
	assert_int_equal(store_write(s, "changed", 7, 50 << 20), 0);
	assert_int_equal(disk_reads(disk) - reads, info.height + 1);
	assert_int_equal(store_commit(s, true), 0); /* the first one: both slots again, after the sync, and before each of two writes */
	assert_true(disk_reads(disk) - reads <= info.height + 1 + 3 * 2);
	for (unsigned i = 0; i < 10; i++) {
		reads = disk_reads(disk), syncs = disk_syncs(disk), written = disk_written_bytes(disk);
		assert_int_equal(store_write(s, bytes, 4096, (uint64_t)i * 7000000 / 4096 * 4096), 0);
		assert_int_equal(store_commit(s, true), 0);
		assert_true(disk_reads(disk) - reads <= info.height + 1 + 2 * 2);
		assert_int_equal(disk_syncs(disk) - syncs, 1);
		assert_true(disk_written_bytes(disk) - written <= 28 << 10);
	}
	/* Killed: the next one looks at what the slot names. */
	assert_int_equal(store_write(s, bytes, 4096, 5 << 20), 0);
	assert_int_equal(store_commit(s, false), 0);
	store_free(s);
	reads = disk_reads(disk);
	assert_int_equal(store_open(&env, STORE_WRITE, NULL, &s), 0);
	assert_true(disk_reads(disk) - reads <= 2 * 2 + 2 * (info.height + 1));
	/* More pages than a slot names: two syncs. */
	assert_int_equal(store_write(s, bytes, 100, 0), 0);
	assert_int_equal(store_commit(s, true), 0);
	syncs = disk_syncs(disk);
	assert_int_equal(store_write(s, bytes, 1 << 20, 0), 0);
	assert_int_equal(store_write(s, bytes, 1 << 20, 20 << 20), 0);
	assert_int_equal(store_commit(s, true), 0);
	assert_int_equal(disk_syncs(disk) - syncs, 2);
	store_free(s);
	free(bytes);
	disk_free(disk);
}

/* Files: the table of functions, with a look at how much memory is in use. */
static size_t base_memory, peak_memory;

static void look_at_memory(void)
{
	static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

	pthread_mutex_lock(&mutex);
	struct mallinfo2 m = mallinfo2();
	size_t used = m.uordblks + m.hblkhd;

	if (used > base_memory && used - base_memory > peak_memory)
		peak_memory = used - base_memory;
	pthread_mutex_unlock(&mutex);
}

static ssize_t looking_pread(void *handle, void *bytes, size_t len, uint64_t offset)
{
	look_at_memory();
	return store_io_file.pread(handle, bytes, len, offset);
}

static ssize_t looking_pwrite(void *handle, const void *bytes, size_t len, uint64_t offset)
{
	look_at_memory();
	return store_io_file.pwrite(handle, bytes, len, offset);
}

static int temporary(void)
{
	char name[] = "/tmp/scrim-promises-XXXXXX";
	int fd = mkstemp(name);

	assert_true(fd >= 0);
	unlink(name);
	return fd;
}

static void ignore(void *data, const struct store_damage *damage)
{
	(void)data, (void)damage;
	fail();
}

/* Many nodes, of which each holds one chunk: more than are ever in memory; all operations. */
static void small_memory(void **state)
{
	static const uint8_t chunks[] = {12, 14, 16};

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(chunks); k++) {
		struct store_io io = store_io_file;
		int fd = temporary();
		struct store_env env = env_of(NULL);
		const uint64_t stride = (UINT64_C(85) << chunks[k]) * 3;
		uint8_t text[64] = "text", *bulk = pattern(8 << 20, 1);
		struct crew *crew;
		struct store *s;
		enum { COUNT = 2500 };

		io.pread = looking_pread;
		io.pwrite = looking_pwrite;
		env.io = &io;
		env.handle = &fd;
		env.provider = &aead_openssl;
		env.random = NULL;
		assert_int_equal(crew_new(CREW_MAX, &crew), 0);
		env.crew = crew;
		base_memory = 0;
		peak_memory = 0;
		look_at_memory();
		base_memory = peak_memory;
		peak_memory = 0;
		assert_int_equal(store_open(&env, STORE_WRITE, &(struct store_layout){13, chunks[k]}, &s), 0);
		for (uint64_t i = 0; i < COUNT; i++)
			assert_int_equal(store_write(s, text, sizeof(text), i * stride), 0);
		assert_int_equal(store_commit(s, true), 0);
		for (uint64_t i = 0; i < COUNT; i += 3)
			assert_int_equal(store_write(s, text, sizeof(text), (i * 7919 % COUNT) * stride + 100), 0);
		assert_int_equal(store_commit(s, false), 0);
		assert_int_equal(store_commit(s, true), 0);
		store_free(s);
		assert_int_equal(store_open(&env, STORE_WRITE, NULL, &s), 0);
		for (uint64_t i = 0; i < COUNT; i++)
			assert_int_equal(store_read(s, text, sizeof(text), (i * 7919 % COUNT) * stride), sizeof(text));
		for (uint64_t i = 0; i < COUNT; i += 2)
			assert_int_equal(store_punch(s, i * stride, 1 << chunks[k]), 0);
		assert_int_equal(store_commit(s, true), 0);
		/* Many chunks at once, by all threads, while the nodes are in memory. */
		assert_int_equal(store_write(s, bulk, 8 << 20, 0), 0);
		assert_int_equal(store_commit(s, true), 0);
		assert_int_equal(store_read(s, bulk, 8 << 20, 0), 8 << 20);
		assert_int_equal(store_verify(s, ignore, NULL), 0);
		assert_int_equal(store_compact(s), 0);
		assert_int_equal(store_seal(s), 0);
		store_free(s);
		crew_free(crew);
		free(bulk);
#ifndef SCRIM_SANITIZED /* whose memory cannot be asked for */
		assert_true(peak_memory > 5 << 20); /* it was a test */
#endif
		assert_true(peak_memory < 8 << 20);
		close(fd);
	}
}

static uint64_t blocks(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

/* A small file that was written once takes 4 KiB; free pages go when they are a quarter or 1 MiB, and not before. */
static void space_on_the_disk(void **state)
{
	int fd = temporary();
	struct store_env env = env_of(NULL);
	uint8_t *bytes = pattern(8 << 20, 1);
	uint64_t before;
	struct store *s;

	(void)state;
	env.io = &store_io_file;
	env.handle = &fd;
	assert_int_equal(store_open(&env, STORE_WRITE, NULL, &s), 0);
	assert_int_equal(store_write(s, bytes, 3328, 0), 0);
	assert_int_equal(store_commit(s, true), 0);
	assert_int_equal(store_seal(s), 0);
	assert_int_equal(blocks(fd), 4096);
	assert_int_equal(store_write(s, bytes, 8 << 20, 0), 0);
	assert_int_equal(store_commit(s, true), 0);
	assert_int_equal(store_seal(s), 0);
	before = blocks(fd);
	assert_true(before >= 8 << 20);
	/* A little waste stays: it is used again soon. */
	assert_int_equal(store_punch(s, 0, 800 << 10), 0);
	assert_int_equal(store_commit(s, true), 0);
	assert_int_equal(store_seal(s), 0);
	assert_true(blocks(fd) >= before);
	assert_int_equal(store_punch(s, 0, 3 << 20), 0);
	assert_int_equal(store_commit(s, true), 0);
	assert_true(blocks(fd) >= before); /* a commit does not punch */
	assert_int_equal(store_seal(s), 0);
	assert_true(blocks(fd) <= before - (2 << 20));
	store_free(s);
	/* Also of what the meta could not note, and where 1 MiB is a small part. */
	assert_int_equal(store_open(&env, STORE_WRITE, NULL, &s), 0);
	for (uint64_t i = 0; i < 300; i += 3)
		assert_int_equal(store_punch(s, (3 << 20) + i * 16384, 16384), 0);
	before = blocks(fd);
	assert_int_equal(store_commit(s, true), 0);
	store_free(s);
	assert_int_equal(store_open(&env, STORE_WRITE, NULL, &s), 0);
	assert_int_equal(store_write(s, "x", 1, 0), 0);
	assert_int_equal(store_commit(s, true), 0);
	assert_int_equal(store_seal(s), 0);
	assert_true(blocks(fd) <= before - (1 << 20));
	assert_int_equal(store_verify(s, ignore, NULL), 0);
	store_free(s);
	free(bytes);
	close(fd);
}

static void where_nothing_is_punched(void **state)
{
	struct disk *disk = disk_new(1);
	struct store_env env = env_of(disk);
	uint8_t *bytes = pattern(4 << 20, 1);
	struct store *s;

	(void)state;
	disk_set_faults(disk, &(struct disk_faults){.cannot_punch = true});
	assert_int_equal(store_open(&env, STORE_WRITE, NULL, &s), 0);
	assert_int_equal(store_write(s, bytes, 4 << 20, 0), 0);
	assert_int_equal(store_commit(s, true), 0);
	assert_int_equal(store_punch(s, 0, 3 << 20), 0);
	assert_int_equal(store_commit(s, true), 0);
	assert_int_equal(store_seal(s), 0);
	assert_int_equal(store_compact(s), 0);
	memset(bytes, 0, 3 << 20);
	store_free(s);
	expect_content(&env, bytes, 4 << 20);
	free(bytes);
	disk_free(disk);
}

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

		assert_int_equal(store_open(&env, STORE_WRITE, &(struct store_layout){all[i].slot, all[i].chunk}, &s), 0);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nonces_come_last),      cmocka_unit_test(no_random_no_encryption),
		cmocka_unit_test(what_is_authenticated), cmocka_unit_test(commitment_comes_first),
		cmocka_unit_test(four_wraps),            cmocka_unit_test(later_versions),
		cmocka_unit_test(depth_not_size),        cmocka_unit_test(small_memory),
		cmocka_unit_test(space_on_the_disk),     cmocka_unit_test(where_nothing_is_punched),
		cmocka_unit_test(wild_metas),            cmocka_unit_test(from_chunks_into_the_slot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
