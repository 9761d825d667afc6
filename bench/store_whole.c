/* SPDX-License-Identifier: Apache-2.0 */
/* Whole files: encrypted and decrypted, by the store and by a bare loop of read, AES-256-GCM and write. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store_bench.h"

#define TAG 16

/* A piece of the bare loop's work: the chunks from BEGIN to END. */
struct bare {
	int from, to, encrypt;
	uint64_t begin, end, chunk;
	uint8_t *tags;
};

static uint64_t chunk_size(const struct bench *b)
{
	return UINT64_C(1) << (b->layout.chunk_shift ? b->layout.chunk_shift : 14);
}

/* One context, keyed once, a counter as nonce: nobody could read with less. */
static void *bare_loop(void *data)
{
	static const uint8_t key[32] = {1};
	const struct bare *w = data;
	EVP_CIPHER *gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	uint8_t *bytes = malloc(w->chunk), nonce[12] = {0};
	int n, ok = gcm && c && bytes && EVP_CipherInit_ex2(c, gcm, key, nonce, w->encrypt, NULL) == 1;

	for (uint64_t i = w->begin; ok && i < w->end; i++) {
		ssize_t got = must_call(pread(w->from, bytes, w->chunk, (off_t)(i * w->chunk)), "read");

		memcpy(nonce, &i, sizeof(i));
		ok = EVP_CipherInit_ex2(c, NULL, NULL, nonce, w->encrypt, NULL) == 1 &&
		     (w->encrypt || EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, TAG, w->tags + i * TAG) == 1) &&
		     EVP_CipherUpdate(c, bytes, &n, bytes, (int)got) == 1 && EVP_CipherFinal_ex(c, bytes + got, &n) == 1 &&
		     (!w->encrypt || EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, TAG, w->tags + i * TAG) == 1);
		must_call(pwrite(w->to, bytes, (size_t)got, (off_t)(i * w->chunk)), "write");
	}
	if (!ok)
		fail("AES-256-GCM", EIO);
	EVP_CIPHER_CTX_free(c);
	EVP_CIPHER_free(gcm);
	free(bytes);
	return NULL;
}

static double bare(struct bench *b, int from, int to, int encrypt, uint8_t *tags, unsigned threads)
{
	uint64_t chunk = chunk_size(b), chunks = (b->size + chunk - 1) / chunk;
	struct bare work[2];
	pthread_t other;
	double start = now();

	for (unsigned i = 0; i < threads; i++)
		work[i] = (struct bare){from, to, encrypt, chunks * i / threads, chunks * (i + 1) / threads, chunk, tags};
	if (threads > 1 && pthread_create(&other, NULL, bare_loop, &work[1]) != 0)
		fail("a thread", EAGAIN);
	bare_loop(&work[0]);
	if (threads > 1)
		pthread_join(other, NULL);
	if (encrypt)
		must_call(fdatasync(to), "fdatasync");
	return now() - start;
}

static uint8_t *tags_of(struct bench *b)
{
	static uint8_t *tags;

	if (!tags)
		tags = malloc((b->size / chunk_size(b) + 1) * TAG);
	if (!tags)
		fail("memory", ENOMEM);
	return tags;
}

static double bare_in(struct bench *b, unsigned threads)
{
	int from = plain_file(b), to = new_file(b, "bare");
	double took = bare(b, from, to, 1, tags_of(b), threads);

	close(from);
	close(to);
	return took;
}

static double bare_out(struct bench *b, unsigned threads)
{
	static int made;
	int from, to;
	double took;

	if (!made++)
		bare_in(b, 1);
	from = (int)must_call(open(path_of(b, "bare"), O_RDONLY | O_CLOEXEC), "bare");
	to = new_file(b, "out");
	took = bare(b, from, to, 0, tags_of(b), threads);
	close(from);
	close(to);
	return took;
}

double encrypt_bare(struct bench *b) { return bare_in(b, 1); }
double encrypt_bare_2(struct bench *b) { return bare_in(b, 2); }
double decrypt_bare(struct bench *b) { return bare_out(b, 1); }
double decrypt_bare_2(struct bench *b) { return bare_out(b, 2); }

static double store_in(struct bench *b, unsigned threads)
{
	int from = plain_file(b);
	struct counted file = {.fd = new_file(b, "store")};
	struct store *s;
	double start = now(), took;

	s = open_store(b, &file, STORE_WRITE, threads);
	must(store_copy_in(s, from, 0, b->size, 0), "encrypt");
	must(store_commit(s, true), "commit");
	must(store_seal(s), "seal");
	store_free(s);
	took = now() - start;
	close(file.fd);
	close(from);
	return took;
}

static double store_out(struct bench *b, unsigned threads)
{
	static int made;
	struct counted file;
	struct store *s;
	double start, took;
	int to;

	if (!made++)
		make_store(b, "store");
	file = (struct counted){.fd = (int)must_call(open(path_of(b, "store"), O_RDONLY | O_CLOEXEC), "store")};
	to = new_file(b, "out");
	start = now();
	s = open_store(b, &file, STORE_READ, threads);
	if (must(store_copy_out(s, to, 0, b->size, 0), "decrypt") != (int64_t)b->size)
		fail("decrypt", EIO);
	store_free(s);
	took = now() - start;
	close(file.fd);
	close(to);
	return took;
}

double encrypt_store(struct bench *b) { return store_in(b, 1); }
double encrypt_store_2(struct bench *b) { return store_in(b, 2); }
double decrypt_store(struct bench *b) { return store_out(b, 1); }
double decrypt_store_2(struct bench *b) { return store_out(b, 2); }

/* The file as it is to another place: through another program's file system that is encryption too. */
double copy_plain(struct bench *b)
{
	static uint8_t bytes[128 << 10];
	int from = plain_file(b), to = new_file(b, "copy");
	double start = now(), took;

	for (uint64_t at = 0; at < b->size;) {
		ssize_t n = must_call(pread(from, bytes, sizeof(bytes), (off_t)at), "read");

		must_call(pwrite(to, bytes, (size_t)n, (off_t)at), "write");
		at += (uint64_t)n;
	}
	must_call(fdatasync(to), "fdatasync");
	took = now() - start;
	close(from);
	close(to);
	return took;
}
