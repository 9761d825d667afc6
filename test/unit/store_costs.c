/* SPDX-License-Identifier: Apache-2.0 */
/* What an operation reads, writes, syncs, and keeps in memory and on the disk. */
#include <errno.h>
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
#include "store_help.h"

/* Opening reads the slots, and of the tree what leads to the named pages; a change reads what leads to it. One sync,
 * 28 KiB. */
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
	assert_int_equal(disk_reads(disk) - reads, 1); /* both slots at once */
	reads = disk_reads(disk);
	assert_int_equal(store_write(s, "changed", 7, 50 << 20), 0);
	assert_int_equal(disk_reads(disk) - reads, info.height + 1);
	assert_int_equal(store_commit(s, true),
			 0); /* the first one: both slots again, after the sync, and before each of two writes */
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
	assert_true(disk_reads(disk) - reads <= 2 + 2 * (info.height + 1));
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
		assert_int_equal(store_verify(s, no_damage, NULL), 0);
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
	assert_int_equal(store_verify(s, no_damage, NULL), 0);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(depth_not_size),
		cmocka_unit_test(small_memory),
		cmocka_unit_test(space_on_the_disk),
		cmocka_unit_test(where_nothing_is_punched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
