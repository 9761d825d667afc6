/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes an encrypted file in a loop, as a view would: for tests of what is done with a file in use.
 *   store_writer FILE KEY-FILE SECONDS|0|-N|holes     (0: hold it open until standard input ends; -N: so many commits, no
 *                                                      seal; holes: one commit that makes every second chunk a hole)
 * Prints "ready" when it has the file and at the end how many commits there were. Each byte of a chunk has the same value,
 * so that a mixture of versions shows.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "crypt/keys/kek.h"
#include "crypt/keys/material.h"
#include "crypt/store/lock.h"
#include "crypt/store/store.h"

#define CHUNK 16384

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int fail(const char *what, int r)
{
	fprintf(stderr, "store_writer: %s: %s\n", what, strerror(-r));
	return 1;
}

static int change(struct store *s, unsigned round, bool seals)
{
	static uint8_t bytes[CHUNK];
	uint64_t chunks = store_size(s) / CHUNK;
	int r = 0;

	memset(bytes, (int)(round % 255 + 1), sizeof(bytes));
	for (int i = 0; r == 0 && i < 3; i++)
		r = store_write(s, bytes, sizeof(bytes), ((uint64_t)rand() % chunks) * CHUNK);
	if (r == 0)
		r = store_commit(s, rand() % 4 != 0);
	if (r == 0 && seals && rand() % 8 == 0)
		r = store_seal(s);
	return r;
}

/* So that what stands behind can move into free pages before it. */
static int make_holes(struct store *s)
{
	int r = 0;

	for (uint64_t at = 0; r == 0 && at < store_size(s); at += 2 * CHUNK)
		r = store_punch(s, at, CHUNK);
	return r == 0 ? store_commit(s, true) : r;
}

int main(int argc, char **argv)
{
	struct store_env env = {.io = &store_io_file, .provider = aead_provider_find(NULL), .key_count = 1};
	struct process_name holder;
	struct store_key key;
	struct kek *kek = NULL;
	struct store *s;
	uint8_t bytes[32];
	char byte;
	unsigned rounds = 0;
	double end, span;
	int fd, r;

	if (argc != 4)
		return 2;
	fd = open(argv[2], O_RDONLY);
	if (read(fd, bytes, sizeof(bytes)) != sizeof(bytes))
		return 2;
	close(fd);
	r = kek_new(bytes, &kek);
	if (r < 0)
		return fail("key", r);
	key = kek_store_key(kek);
	env.keys = &key;
	fd = open(argv[1], O_RDWR);
	env.handle = &fd;
	r = fd < 0 ? -1 : store_lock(fd, true, &holder);
	if (r == 0)
		r = store_open(&env, STORE_WRITE, NULL, &s);
	if (r < 0)
		return fail("open", r);
	puts("ready");
	fflush(stdout);
	if (strcmp(argv[3], "holes") == 0) {
		r = make_holes(s);
		store_free(s);
		kek_free(kek);
		return r < 0 ? fail("holes", r) : 0;
	}
	span = atof(argv[3]);
	end = now() + span;
	srand((unsigned)getpid());
	if (span == 0)
		while (read(STDIN_FILENO, &byte, 1) > 0)
			;
	for (; span < 0 ? rounds < -span : now() < end; rounds++) {
		r = change(s, rounds, span > 0);
		if (r < 0)
			return fail("commit", r);
	}
	printf("%u\n", rounds);
	store_free(s);
	kek_free(kek);
	return 0;
}
