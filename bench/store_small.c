/* SPDX-License-Identifier: Apache-2.0 */
/* Small things: reads of 4 KiB, changes of 4 KiB made durable one by one, small files. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store_bench.h"

#define PIECE 4096

static uint64_t place(struct bench *b)
{
	return chance(b) % (b->size / PIECE) * PIECE;
}

double read_plain(struct bench *b)
{
	static uint8_t bytes[PIECE];
	int fd = plain_file(b);
	double start = now(), took;

	for (uint64_t i = 0; i < b->count; i++)
		must_call(pread(fd, bytes, PIECE, (off_t)place(b)), "read");
	took = (now() - start) / (double)b->count;
	close(fd);
	return took;
}

/* Open throughout, and all nodes in memory: what a program that works with the file meets. */
double read_store(struct bench *b)
{
	static uint8_t bytes[PIECE];
	static struct counted file;
	static struct store *s;
	double start;

	if (!s) {
		make_store(b, "store");
		file.fd = (int)must_call(open(path_of(b, "store"), O_RDONLY | O_CLOEXEC), "store");
		s = open_store(b, &file, STORE_READ, 1);
		for (uint64_t at = 0; at < b->size; at += 64 << 10)
			must(store_read(s, bytes, PIECE, at), "read");
	}
	start = now();
	for (uint64_t i = 0; i < b->count; i++)
		must(store_read(s, bytes, PIECE, place(b)), "read");
	return (now() - start) / (double)b->count;
}

static uint64_t commits, commit_bytes, commit_syncs;

void commit_counts(uint64_t *ret_commits, uint64_t *ret_bytes, uint64_t *ret_syncs)
{
	*ret_commits = commits;
	*ret_bytes = commit_bytes;
	*ret_syncs = commit_syncs;
}

double commit_store(struct bench *b)
{
	static uint8_t bytes[PIECE];
	static struct counted file;
	static struct store *s;
	struct counted before;
	double start, took;

	if (!s) {
		make_store(b, "store");
		file.fd = (int)must_call(open(path_of(b, "store"), O_RDWR | O_CLOEXEC), "store");
		s = open_store(b, &file, STORE_WRITE, 1);
		/* The first writes make sure of the opened version and find no free pages: that is once, not each time. */
		for (int i = 0; i < 8; i++) {
			must(store_write(s, bytes, PIECE, place(b)), "write");
			must(store_commit(s, true), "commit");
		}
	}
	before = file;
	start = now();
	for (uint64_t i = 0; i < b->count; i++) {
		uint64_t at = place(b);

		memcpy(bytes, &i, sizeof(i));
		must(store_write(s, bytes, PIECE, at), "write");
		must(store_commit(s, true), "commit");
	}
	took = (now() - start) / (double)b->count;
	commits += b->count;
	commit_bytes += file.written - before.written;
	commit_syncs += file.syncs - before.syncs;
	return took;
}

static uint8_t overwritten[256 << 10];

/* A plain file of which as many bytes are overwritten as a commit writes. */
static int open_copy(struct bench *b, uint64_t *ret_len)
{
	static int fd = -1;
	uint64_t len = commits > 0 ? commit_bytes / commits : 28 << 10;

	if (fd < 0) {
		copy_plain(b);
		fd = (int)must_call(open(path_of(b, "copy"), O_RDWR | O_CLOEXEC), "copy");
	}
	*ret_len = len < sizeof(overwritten) ? len : sizeof(overwritten);
	return fd;
}

static void overwrite(struct bench *b, int fd, uint64_t len, uint64_t at)
{
	must_call(pwrite(fd, overwritten, len, (off_t)(at + len <= b->size ? at : 0)), "write");
}

/* In one piece at some place. */
double commit_plain(struct bench *b)
{
	uint64_t len;
	int fd = open_copy(b, &len);
	double start = now();

	for (uint64_t i = 0; i < b->count; i++) {
		memcpy(overwritten, &i, sizeof(i));
		overwrite(b, fd, len, place(b));
		must_call(fdatasync(fd), "fdatasync");
	}
	return (now() - start) / (double)b->count;
}

/* In as many places as a commit: a chunk somewhere, nodes among others, one of two slots. */
double commit_places(struct bench *b)
{
	uint64_t chunk = UINT64_C(1) << (b->layout.chunk_shift ? b->layout.chunk_shift : 14);
	uint64_t slot = UINT64_C(1) << (b->layout.slot_shift ? b->layout.slot_shift : 12), zone = b->size / 128, len;
	int fd = open_copy(b, &len);
	double start = now();

	for (uint64_t i = 0; i < b->count; i++) {
		memcpy(overwritten, &i, sizeof(i));
		overwrite(b, fd, chunk, place(b));
		if (len > chunk + slot)
			overwrite(b, fd, len - chunk - slot, 2 * slot + place(b) % zone);
		overwrite(b, fd, slot, i % 2 * slot);
		must_call(fdatasync(fd), "fdatasync");
	}
	return (now() - start) / (double)b->count;
}

/* Files with names of their own in a new directory; removed afterwards, which is not counted. */
static double create(struct bench *b, const char *name, void (*fill)(struct bench *b, int fd))
{
	char path[64];
	int dir;
	double start, took;

	must_call(mkdir(path_of(b, name), 0700), name);
	dir = (int)must_call(open(path_of(b, name), O_RDONLY | O_DIRECTORY | O_CLOEXEC), name);
	start = now();
	for (uint64_t i = 0; i < b->count; i++) {
		int fd;

		snprintf(path, sizeof(path), "file-%llu", (unsigned long long)i);
		fd = (int)must_call(openat(dir, path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600), path);
		fill(b, fd);
		close(fd);
	}
	took = (now() - start) / (double)b->count;
	for (uint64_t i = 0; i < b->count; i++) {
		snprintf(path, sizeof(path), "file-%llu", (unsigned long long)i);
		unlinkat(dir, path, 0);
	}
	close(dir);
	must_call(rmdir(path_of(b, name)), name);
	return took;
}

static uint8_t content[1 << 20];

static void fill_plain(struct bench *b, int fd)
{
	must_call(write(fd, content, b->bytes), "write");
}

static void fill_store(struct bench *b, int fd)
{
	struct counted file = {.fd = fd};
	struct store *s;

	b->layout.just_made = true;
	s = open_store(b, &file, STORE_WRITE, 1);
	b->layout.just_made = false;
	must(store_write(s, content, b->bytes, 0), "write");
	must(store_commit(s, false), "commit");
	store_free(s);
}

double create_plain(struct bench *b)
{
	return create(b, "plain_files", fill_plain);
}

double create_store(struct bench *b)
{
	return create(b, "store_files", fill_store);
}

uint64_t usage(struct bench *b, uint64_t size)
{
	struct counted file = {.fd = new_file(b, "small")};
	struct store *s = open_store(b, &file, STORE_WRITE, 1);
	struct stat st;

	memset(content, 1, size);
	must(store_write(s, content, size, 0), "write");
	must(store_commit(s, true), "commit");
	must(store_seal(s), "seal");
	store_free(s);
	must_call(fstat(file.fd, &st), "small");
	close(file.fd);
	return (uint64_t)st.st_blocks * 512;
}
