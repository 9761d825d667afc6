/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of bench_store share. */
#pragma once

#include <stdint.h>

#include "crypt/store/store.h"

struct bench {
	const char *dir;
	const char *plain; /* the large file, when it is not DIR/plain */
	uint64_t size;   /* of the large file */
	uint64_t count;  /* reads, commits or files in a sample */
	uint64_t bytes;  /* of a small file */
	uint64_t rng;
	struct store_layout layout;
	struct crew *crews[CREW_MAX + 1]; /* by threads; made when first needed */
};

/* A file that is written to, and what was. */
struct counted {
	int fd;
	uint64_t written, writes, syncs;
};

/* Say what failed and end: a benchmark has nobody to return to. */
_Noreturn void fail(const char *what, int error);
/* R when it is no error. */
int64_t must(int64_t r, const char *what);
/* As must(), of calls that set errno. */
int64_t must_call(int64_t r, const char *what);

double now(void); /* nanoseconds */
uint64_t chance(struct bench *b);

/* DIR/NAME, valid until the next but three calls. */
const char *path_of(const struct bench *b, const char *name);
/* The large plain file, made when it is not there. Returns a descriptor. */
int plain_file(struct bench *b);
int new_file(const struct bench *b, const char *name);
struct store *open_store(struct bench *b, struct counted *file, enum store_mode mode, unsigned threads);
/* A store of the plain file under NAME, durable and sealed. */
void make_store(struct bench *b, const char *name);

/* One sample of a column: nanoseconds, of one turn where it takes several. */
typedef double (*sample)(struct bench *b);

double encrypt_bare(struct bench *b);
double encrypt_bare_2(struct bench *b);
double encrypt_store(struct bench *b);
double encrypt_store_2(struct bench *b);
double decrypt_bare(struct bench *b);
double decrypt_bare_2(struct bench *b);
double decrypt_store(struct bench *b);
double decrypt_store_2(struct bench *b);
double copy_plain(struct bench *b);

double read_plain(struct bench *b);
double read_store(struct bench *b);
double commit_plain(struct bench *b);
double commit_places(struct bench *b);
double commit_store(struct bench *b);
double create_plain(struct bench *b);
double create_store(struct bench *b);

/* What commits wrote so far. */
void commit_counts(uint64_t *ret_commits, uint64_t *ret_bytes, uint64_t *ret_syncs);
/* Bytes on the disk of a store of SIZE bytes. */
uint64_t usage(struct bench *b, uint64_t size);
