/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes that write for ever and tell what of it was acknowledged.
 *
 * crypt_acks SEED TREE LOG WRITERS
 *
 * LOG is a descriptor to which records (struct record, native order) are written whole: BEFORE each operation, and DONE when
 * an fsync of the file has returned 0: then everything that was announced for this file before is acknowledged. Each writer has
 * two files of its own, file-W-0 and file-W-1. What version V of file F writes at offset O is the 16 bytes F, V (32 bits each),
 * O / 16 * 16 (64 bits), again and again: so every byte tells where it belongs.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define FILES 2
#define LARGEST (400u << 10)

enum what { BEFORE_WRITE = 1, BEFORE_TRUNCATE, BEFORE_REPLACE, DONE, FAILED };

struct record {
	uint32_t what, file, version, error;
	uint64_t offset, length;
};

static uint64_t state;
static int log_to;
static const char *tree;
static unsigned char data[LARGEST];

static unsigned below(unsigned limit)
{
	uint64_t z = state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return (unsigned)((z ^ (z >> 31)) % limit);
}

static void tell(enum what what, uint32_t file, uint32_t version, uint64_t offset, uint64_t length, int error)
{
	struct record record = {what, file, version, (uint32_t)error, offset, length};

	if (write(log_to, &record, sizeof(record)) != sizeof(record))
		_exit(1);
}

static void must(bool good, uint32_t file)
{
	if (good)
		return;
	tell(FAILED, file, 0, 0, 0, errno);
	_exit(1);
}

static void fill(uint32_t file, uint32_t version, uint64_t offset, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		struct {
			uint32_t file, version;
			uint64_t offset;
		} unit = {file, version, (offset + i) & ~15ull};

		data[i] = ((const unsigned char *)&unit)[(offset + i) & 15];
	}
}

static void path_of(uint32_t file, const char *suffix, char path[4096])
{
	snprintf(path, 4096, "%s/file-%u-%u%s", tree, file / FILES, file % FILES, suffix);
}

/* As editors save: a new file, synced, renamed over the old one. Returns it open. */
static int replace(uint32_t file, uint32_t version, size_t length)
{
	char path[4096], new_path[4096];
	int fd;

	path_of(file, "", path);
	path_of(file, ".new", new_path);
	tell(BEFORE_REPLACE, file, version, 0, length, 0);
	fill(file, version, 0, length);
	fd = open(new_path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	must(fd >= 0, file);
	must(write(fd, data, length) == (ssize_t)length, file);
	must(fsync(fd) == 0, file);
	must(rename(new_path, path) == 0, file);
	tell(DONE, file, version, 0, 0, 0);
	return fd;
}

static void write_some(int fd, uint32_t file, uint32_t version, uint64_t *size)
{
	uint64_t offset = below(3) ? *size : below((unsigned)*size + 1);
	size_t length = below(3) ? 1 + below(128) : 1 + below(40000);
	void *at;

	if (offset + length > LARGEST)
		offset = below(1000);
	tell(BEFORE_WRITE, file, version, offset, length, 0);
	fill(file, version, offset, length);
	if (offset + length <= *size && below(3) == 0) {
		at = mmap(NULL, offset + length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		must(at != MAP_FAILED, file);
		memcpy((char *)at + offset, data, length);
		munmap(at, offset + length);
	} else {
		must(pwrite(fd, data, length, (off_t)offset) == (ssize_t)length, file);
	}
	if (offset + length > *size)
		*size = offset + length;
}

static void writer(uint32_t number)
{
	int fds[FILES];
	uint64_t sizes[FILES];
	uint32_t version = 1;

	for (uint32_t i = 0; i < FILES; i++) {
		sizes[i] = 1 + below(20000);
		fds[i] = replace(number * FILES + i, version++, sizes[i]);
	}
	for (;;) {
		uint32_t i = below(FILES), file = number * FILES + i;
		unsigned kind = below(40);
		char path[4096];

		if (kind == 0) {
			close(fds[i]);
			sizes[i] = 1 + below(LARGEST / 4);
			fds[i] = replace(file, version++, sizes[i]);
		} else if (kind < 3) {
			uint64_t size = below((unsigned)sizes[i] + 1000);

			tell(BEFORE_TRUNCATE, file, version++, 0, size, 0);
			must(ftruncate(fds[i], (off_t)size) == 0, file);
			sizes[i] = size;
		} else if (kind < 6) {
			/* Closed and opened again: what was not synced is still there in the view. */
			close(fds[i]);
			path_of(file, "", path);
			fds[i] = open(path, O_RDWR | O_CLOEXEC);
			must(fds[i] >= 0, file);
		} else {
			write_some(fds[i], file, version++, &sizes[i]);
		}
		if (below(3) == 0) {
			must((below(2) ? fsync(fds[i]) : fdatasync(fds[i])) == 0, file);
			tell(DONE, file, version - 1, 0, 0, 0);
		}
	}
}

int main(int argc, char **argv)
{
	if (argc != 5)
		return 2;
	tree = argv[2];
	log_to = atoi(argv[3]);
	signal(SIGPIPE, SIG_DFL);
	for (uint32_t i = 0; i < (uint32_t)atoi(argv[4]); i++) {
		pid_t pid = fork();

		if (pid < 0)
			return 2;
		if (pid == 0) {
			state = strtoull(argv[1], NULL, 0) * 1000 + i;
			writer(i);
		}
	}
	while (wait(NULL) > 0)
		continue;
	return 1;
}
