/* SPDX-License-Identifier: Apache-2.0 */
/* XAES-256-GCM against the vectors of its specification (C2SP, XAES-256-GCM.md), by every provider. */
#include <errno.h>
#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "crypt/secret.h"
#include "crypt/xaes.h"

static void seal_one(const struct aead_provider *p, const uint8_t *key, const char *nonce, const char *aad, const char *in,
		     uint8_t *out)
{
	struct aead_message m = {.aad = aad, .aad_len = strlen(aad), .in = in, .len = strlen(in), .out = out,
				 .tag = out + strlen(in)};
	struct xaes *x;
	uint8_t back[64];

	assert_int_equal(xaes_new(p, key, &x), 0);
	assert_int_equal(xaes_seal(x, (const uint8_t *)nonce, &m), 0);
	m.in = out;
	m.out = back;
	assert_int_equal(xaes_open(x, (const uint8_t *)nonce, &m), 0);
	assert_memory_equal(back, in, strlen(in));
	/* One bit anywhere: refused, and nothing is given out. */
	for (size_t bit = 0; bit < (strlen(in) + 16) * 8; bit++) {
		out[bit / 8] ^= (uint8_t)(1 << bit % 8);
		memset(back, 0xee, sizeof(back));
		assert_int_equal(xaes_open(x, (const uint8_t *)nonce, &m), -EBADMSG);
		for (size_t i = 0; i < strlen(in); i++)
			assert_int_equal(back[i], 0);
		out[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	xaes_free(x);
}

static void known_answers(void **state)
{
	static const uint8_t first[] = {0xce, 0x54, 0x6e, 0xf6, 0x3c, 0x9c, 0xc6, 0x07, 0x65, 0x92, 0x36, 0x09, 0xb3, 0x3a,
					0x9a, 0x19, 0x74, 0xe9, 0x6e, 0x52, 0xda, 0xf2, 0xfc, 0xf7, 0x07, 0x5e, 0x22, 0x71};
	static const uint8_t second[] = {0x98, 0x6e, 0xc1, 0x83, 0x25, 0x93, 0xdf, 0x54, 0x43, 0xa1, 0x79, 0x43, 0x7f, 0xd0,
					 0x83, 0xbf, 0x3f, 0xdb, 0x41, 0xab, 0xd7, 0x40, 0xa2, 0x1f, 0x71, 0xeb, 0x76, 0x9d};
	const struct aead_provider *p;
	uint8_t key[32], out[64];

	(void)state;
	for (size_t i = 0; (p = aead_provider_at(i)); i++) {
		const char *why = NULL;

		if (p->usable(&why) < 0) {
			assert_non_null(why);
			continue;
		}
		memset(key, 1, sizeof(key));
		seal_one(p, key, "ABCDEFGHIJKLMNOPQRSTUVWX", "", "XAES-256-GCM", out);
		assert_memory_equal(out, first, sizeof(first));
		memset(key, 3, sizeof(key));
		seal_one(p, key, "ABCDEFGHIJKLMNOPQRSTUVWX", "c2sp.org/XAES-256-GCM", "XAES-256-GCM", out);
		assert_memory_equal(out, second, sizeof(second));
	}
}

/* The specification's accumulated test: 10,000 random messages from SHAKE-128, all outputs hashed. */
static void accumulated(const struct aead_provider *p)
{
	static const uint8_t want[] = {0xe6, 0xb9, 0xed, 0xf2, 0xdf, 0x6c, 0xec, 0x60, 0xc8, 0xcb, 0xd8, 0x64, 0xe2, 0x21, 0x1b, 0x59,
				       0x7f, 0xb6, 0x9a, 0x52, 0x91, 0x60, 0xcd, 0x04, 0x0d, 0x56, 0xc0, 0xc2, 0x10, 0x08, 0x19, 0x39};
	enum { STREAM = 6 << 20 };
	uint8_t *stream = malloc(STREAM), *at = stream, out[256 + 16], back[256], got[32];
	EVP_MD_CTX *source = EVP_MD_CTX_new(), *sum = EVP_MD_CTX_new();

	assert_non_null(stream);
	assert_int_equal(EVP_DigestInit_ex(source, EVP_shake128(), NULL), 1);
	assert_int_equal(EVP_DigestFinalXOF(source, stream, STREAM), 1);
	assert_int_equal(EVP_DigestInit_ex(sum, EVP_shake128(), NULL), 1);
	for (int i = 0; i < 10000; i++) {
		struct aead_message m = {.out = out};
		const uint8_t *key = at, *nonce = at + 32;
		struct xaes *x;

		at += 32 + 24;
		m.len = *at++;
		m.in = at;
		at += m.len;
		m.aad_len = *at++;
		m.aad = at;
		at += m.aad_len;
		assert_true(at < stream + STREAM);
		m.tag = out + m.len;
		assert_int_equal(xaes_new(p, key, &x), 0);
		assert_int_equal(xaes_seal(x, nonce, &m), 0);
		EVP_DigestUpdate(sum, out, m.len + 16);
		m.in = out;
		m.out = back;
		assert_int_equal(xaes_open(x, nonce, &m), 0);
		xaes_free(x);
	}
	assert_int_equal(EVP_DigestFinalXOF(sum, got, sizeof(got)), 1);
	assert_memory_equal(got, want, sizeof(want));
	EVP_MD_CTX_free(source);
	EVP_MD_CTX_free(sum);
	free(stream);
}

static void accumulated_answers(void **state)
{
	const struct aead_provider *p;
	const char *why;

	(void)state;
	for (size_t i = 0; (p = aead_provider_at(i)); i++)
		if (p->usable(&why) == 0)
			accumulated(p);
}

static void secrets_are_apart(void **state)
{
	uint8_t *pieces[200];

	(void)state;
	for (size_t i = 0; i < 200; i++) {
		pieces[i] = secret_alloc(32 + i % 3 * 64);
		assert_non_null(pieces[i]);
		memset(pieces[i], (int)i, 32 + i % 3 * 64);
	}
	for (size_t i = 0; i < 200; i++)
		for (size_t k = 0; k < 32 + i % 3 * 64; k++)
			assert_int_equal(pieces[i][k], (uint8_t)i);
	for (size_t i = 0; i < 200; i++)
		secret_free(pieces[i], 32 + i % 3 * 64);
	assert_null(secret_alloc(0));
	assert_null(secret_alloc(1 << 20));
	/* What was given back is used again. */
	pieces[0] = secret_alloc(32);
	assert_non_null(pieces[0]);
	secret_free(pieces[0], 32);
}

/* A child has none of the parent's keys, may release them, and can make its own. */
static void children_make_their_own(void **state)
{
	const struct aead_provider *p;
	const char *why;
	int status;

	(void)state;
	for (size_t i = 0; (p = aead_provider_at(i)); i++) {
		uint8_t key[32] = {5}, out[64];
		struct xaes *x;
		pid_t pid;

		if (p->usable(&why) < 0)
			continue;
		assert_int_equal(xaes_new(p, key, &x), 0);
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			struct aead_message m = {.in = "text", .len = 4, .out = out, .tag = out + 4};
			struct xaes *own;
			int r = xaes_new(p, key, &own);

			if (r == 0)
				r = xaes_seal(own, (const uint8_t *)"ABCDEFGHIJKLMNOPQRSTUVWX", &m);
			if (r == 0)
				xaes_free(own);
			_exit(r == 0 ? 0 : 1);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
		seal_one(p, key, "ABCDEFGHIJKLMNOPQRSTUVWX", "", "as before", out);
		xaes_free(x);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_answers),
		cmocka_unit_test(accumulated_answers),
		cmocka_unit_test(secrets_are_apart),
		cmocka_unit_test(children_make_their_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
