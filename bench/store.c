/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the encrypted file costs, beside what the same work costs without it.
 *
 *     bench_store ROW DIR [--size N] [--count N] [--bytes N] [--chunk LOG2] [--slot LOG2] [--rounds N] [--plain FILE]
 *
 * All columns of a row are asked in turn, ROUNDS times; their samples come as one line of JSON (nanoseconds, of a turn).
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "crypt/init.h"
#include "crypt/random.h"
#include "crypt/secret.h"
#include "store_bench.h"

#define COLUMNS 4
#define ROUNDS  1000

struct column {
	const char *name;
	sample take;
};

static const struct row {
	const char *name;
	struct column columns[COLUMNS];
} rows[] = {
	{"encrypt", {{"bare", encrypt_bare}, {"store", encrypt_store}, {"store 2 threads", encrypt_store_2},
		     {"bare 2 threads", encrypt_bare_2}}},
	{"decrypt", {{"bare", decrypt_bare}, {"store", decrypt_store}, {"store 2 threads", decrypt_store_2},
		     {"bare 2 threads", decrypt_bare_2}}},
	{"read", {{"plain", read_plain}, {"store", read_store}}},
	{"commit", {{"plain", commit_plain}, {"store", commit_store}, {"plain, as many places", commit_places}}},
	{"create", {{"plain", create_plain}, {"store", create_store}}},
	/* For directories of other programs. */
	{"copy_plain", {{"plain", copy_plain}}},
	{"create_plain", {{"plain", create_plain}}},
	{"encrypt_store", {{"store", encrypt_store}, {"store 2 threads", encrypt_store_2}}},
	{"create_store", {{"store", create_store}}},
};

void fail(const char *what, int error)
{
	fprintf(stderr, "bench_store: %s: %s\n", what, strerror(error));
	exit(1);
}

int64_t must(int64_t r, const char *what)
{
	if (r < 0)
		fail(what, (int)-r);
	return r;
}

int64_t must_call(int64_t r, const char *what)
{
	if (r < 0)
		fail(what, errno);
	return r;
}

double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

uint64_t chance(struct bench *b)
{
	b->rng ^= b->rng << 13;
	b->rng ^= b->rng >> 7;
	b->rng ^= b->rng << 17;
	return b->rng * 0x2545F4914F6CDD1D >> 16;
}

const char *path_of(const struct bench *b, const char *name)
{
	static char paths[4][4096];
	static unsigned turn;
	char *path = paths[turn++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", b->dir, name);
	return path;
}

int plain_file(struct bench *b)
{
	static uint8_t bytes[1 << 20];
	int fd = (int)must_call(open(b->plain ? b->plain : path_of(b, "plain"), O_RDWR | O_CREAT | O_CLOEXEC, 0600), "plain");
	struct stat st;

	must_call(fstat(fd, &st), "plain");
	if ((uint64_t)st.st_size == b->size)
		return fd;
	must_call(ftruncate(fd, 0), "plain");
	must(random_bytes(bytes, sizeof(bytes)), "random numbers");
	for (uint64_t at = 0; at < b->size; at += sizeof(bytes)) {
		memcpy(bytes, &at, sizeof(at));
		must_call(pwrite(fd, bytes, b->size - at < sizeof(bytes) ? b->size - at : sizeof(bytes), (off_t)at), "plain");
	}
	must_call(fdatasync(fd), "plain");
	return fd;
}

int new_file(const struct bench *b, const char *name)
{
	const char *path = path_of(b, name);

	unlink(path);
	return (int)must_call(open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600), name);
}

static ssize_t counted_pwrite(void *handle, const void *bytes, size_t len, uint64_t offset)
{
	struct counted *c = handle;
	ssize_t n = store_io_file.pwrite(handle, bytes, len, offset);

	if (n > 0) {
		__atomic_add_fetch(&c->written, (uint64_t)n, __ATOMIC_RELAXED);
		__atomic_add_fetch(&c->writes, 1, __ATOMIC_RELAXED);
	}
	return n;
}

static int counted_sync(void *handle)
{
	((struct counted *)handle)->syncs++;
	return store_io_file.sync(handle);
}

/* The descriptor stands first in what they are given. */
static const struct store_io *counted_io(void)
{
	static struct store_io io;

	io = store_io_file;
	io.pwrite = counted_pwrite;
	io.sync = counted_sync;
	return &io;
}

struct store *open_store(struct bench *b, struct counted *file, enum store_mode mode, unsigned threads)
{
	static struct store_key key = {.id = {1}};
	struct store_env env = {.io = counted_io(), .handle = file, .provider = aead_provider_find(NULL), .keys = &key, .key_count = 1};
	struct store *s;

	if (!key.kek) {
		uint8_t *kek = secret_alloc(AEAD_KEY_SIZE);

		if (!kek)
			fail("memory for keys", ENOMEM);
		must(random_bytes(kek, AEAD_KEY_SIZE), "random numbers");
		key.kek = kek;
	}
	if (threads > 1 && !b->crews[threads])
		must(crew_new(threads, &b->crews[threads]), "threads");
	env.crew = b->crews[threads];
	must(store_open(&env, mode, &b->layout, &s), "open a store");
	return s;
}

void make_store(struct bench *b, const char *name)
{
	struct counted file = {.fd = new_file(b, name)};
	struct store *s = open_store(b, &file, STORE_WRITE, 1);
	int plain = plain_file(b);

	must(store_copy_in(s, plain, 0, b->size, 0), "encrypt");
	must(store_commit(s, true), "commit");
	must(store_seal(s), "seal");
	store_free(s);
	close(plain);
	close(file.fd);
}

static void print_counts(void)
{
	uint64_t commits, bytes, syncs;

	commit_counts(&commits, &bytes, &syncs);
	if (commits > 0)
		printf(", \"commits\": %llu, \"bytes_each\": %.1f, \"syncs_each\": %.4f", (unsigned long long)commits,
		       (double)bytes / (double)commits, (double)syncs / (double)commits);
}

static void measure(struct bench *b, const struct row *row, unsigned rounds)
{
	static double samples[COLUMNS][ROUNDS];
	unsigned columns = 0;

	while (columns < COLUMNS && row->columns[columns].name)
		columns++;
	/* One column after the other, each round another one first. */
	for (unsigned i = 0; i < rounds; i++)
		for (unsigned k = 0; k < columns; k++) {
			unsigned c = (i + k) % columns;

			samples[c][i] = row->columns[c].take(b);
		}
	printf("{\"row\": \"%s\", \"columns\": {", row->name);
	for (unsigned c = 0; c < columns; c++) {
		printf("%s\"%s\": [", c ? ", " : "", row->columns[c].name);
		for (unsigned i = 0; i < rounds; i++)
			printf("%s%.1f", i ? ", " : "", samples[c][i]);
		printf("]");
	}
	printf("}");
	print_counts();
	printf("}\n");
}

static void measure_usage(struct bench *b)
{
	static const uint64_t sizes[] = {0, 1, 1000, 3000, 3500, 4000, 7000, 8000, 10000, 20000, 50000, 100000, 1000000};

	printf("{\"row\": \"usage\", \"bytes\": {");
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
		printf("%s\"%llu\": %llu", i ? ", " : "", (unsigned long long)sizes[i], (unsigned long long)usage(b, sizes[i]));
	printf("}}\n");
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"size", required_argument, NULL, 's'},  {"count", required_argument, NULL, 'n'},
		{"bytes", required_argument, NULL, 'b'}, {"chunk", required_argument, NULL, 'c'},
		{"slot", required_argument, NULL, 'l'},  {"rounds", required_argument, NULL, 'r'},
		{"plain", required_argument, NULL, 'p'},
		{0},
	};
	struct bench b = {.size = UINT64_C(1) << 30, .count = 1000, .bytes = 4000, .rng = 88172645463325252};
	unsigned long rounds = 5;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		uint64_t value = optarg ? strtoull(optarg, NULL, 0) : 0;

		switch (option) {
		case 's': b.size = value; break;
		case 'n': b.count = value; break;
		case 'b': b.bytes = value; break;
		case 'c': b.layout.chunk_shift = (uint8_t)value; break;
		case 'l': b.layout.slot_shift = (uint8_t)value; break;
		case 'r': rounds = value; break;
		case 'p': b.plain = optarg; break;
		default: return 2;
		}
	}
	must(crypt_init(), "memory for keys"); /* before the bare loop */
	if (optind + 2 != argc || rounds < 1 || rounds > ROUNDS || b.count < 1 || b.size < 1 << 20) {
		fprintf(stderr, "usage: bench_store ROW DIR [OPTION]...\n");
		return 2;
	}
	b.dir = argv[optind + 1];
	if (strcmp(argv[optind], "usage") == 0) {
		measure_usage(&b);
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (strcmp(rows[i].name, argv[optind]) == 0) {
			measure(&b, &rows[i], (unsigned)rounds);
			return 0;
		}
	fprintf(stderr, "bench_store: no row %s\n", argv[optind]);
	return 2;
}
