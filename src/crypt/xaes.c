/* SPDX-License-Identifier: Apache-2.0 */
#include "crypt/xaes.h"

#include <errno.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "crypt/init.h"
#include "crypt/secret.h"

#define BLOCK 16

struct xaes {
	const struct aead_provider *provider;
	void *context;        /* the provider's */
	EVP_CIPHER_CTX *aes;  /* AES-256-ECB under the key, kept keyed */
	uint8_t k1[BLOCK];    /* CMAC's first subkey */
	uint8_t derived[2 * BLOCK];
};

/* Fetched once: to look it up for each key takes longer than to expand the key. */
static EVP_CIPHER *ecb;
static pthread_once_t ecb_once = PTHREAD_ONCE_INIT;

static void fetch_ecb(void)
{
	if (crypt_init() == 0)
		ecb = EVP_CIPHER_fetch(NULL, "AES-256-ECB", NULL);
}

/* One or two blocks under the key. */
static int encrypt_blocks(EVP_CIPHER_CTX *aes, const uint8_t *in, int len, uint8_t *out)
{
	int n;

	return EVP_EncryptUpdate(aes, out, &n, in, len) == 1 && n == len ? 0 : -EIO;
}

/* CMAC's subkey K1: the encrypted zero block doubled in GF(2^128) (NIST SP 800-38B, 6.1). */
static int subkey(struct xaes *x)
{
	static const uint8_t zero[BLOCK];
	uint8_t l[BLOCK], carry;
	int r = encrypt_blocks(x->aes, zero, BLOCK, l);

	if (r < 0)
		return r;
	carry = l[0] >> 7;
	for (int i = 0; i < BLOCK; i++)
		x->k1[i] = (uint8_t)(l[i] << 1 | (i + 1 < BLOCK ? l[i + 1] >> 7 : 0));
	x->k1[BLOCK - 1] ^= (uint8_t)(carry * 0x87);
	secret_wipe(l, sizeof(l));
	return 0;
}

/* With the contexts, not keyed yet. */
static int make(const struct aead_provider *provider, struct xaes **ret_xaes)
{
	struct xaes *x = secret_alloc(sizeof(*x));
	int r;

	if (!x)
		return -ENOMEM;
	memset(x, 0, sizeof(*x));
	x->provider = provider;
	r = provider->make(&x->context);
	if (r < 0) {
		secret_free(x, sizeof(*x));
		return r;
	}
	pthread_once(&ecb_once, fetch_ecb);
	x->aes = ecb ? EVP_CIPHER_CTX_new() : NULL;
	if (!x->aes) {
		xaes_free(x);
		return -ENOMEM;
	}
	*ret_xaes = x;
	return 0;
}

int xaes_new(const struct aead_provider *provider, const uint8_t *key, struct xaes **ret_xaes)
{
	struct xaes *x;
	int r = make(provider, &x);

	if (r < 0)
		return r;
	/* Padding would come with the end only, which there is none. */
	if (EVP_EncryptInit_ex2(x->aes, ecb, key, NULL, NULL) != 1)
		r = -EIO;
	else
		r = subkey(x);
	if (r < 0) {
		xaes_free(x);
		return r;
	}
	*ret_xaes = x;
	return 0;
}

int xaes_copy(const struct xaes *from, struct xaes **ret_copy)
{
	struct xaes *x;
	int r = make(from->provider, &x);

	if (r < 0)
		return r;
	if (EVP_CIPHER_CTX_copy(x->aes, from->aes) != 1) {
		xaes_free(x);
		return -ENOMEM;
	}
	memcpy(x->k1, from->k1, sizeof(x->k1));
	*ret_copy = x;
	return 0;
}

void xaes_free(struct xaes *x)
{
	if (!x)
		return;
	EVP_CIPHER_CTX_free(x->aes);
	x->provider->drop(x->context);
	secret_free(x, sizeof(*x));
}

/* The key of this nonce's first 12 bytes, into x->derived. */
static int derive(struct xaes *x, const uint8_t *nonce)
{
	uint8_t m[2 * BLOCK] = {0x00, 0x01, 'X', 0x00};

	m[BLOCK + 1] = 0x02;
	m[BLOCK + 2] = 'X';
	memcpy(m + 4, nonce, 12);
	memcpy(m + BLOCK + 4, nonce, 12);
	for (int i = 0; i < BLOCK; i++) {
		m[i] ^= x->k1[i];
		m[BLOCK + i] ^= x->k1[i];
	}
	return encrypt_blocks(x->aes, m, sizeof(m), x->derived);
}

int xaes_seal(struct xaes *x, const uint8_t *nonce, const struct aead_message *m)
{
	int r = derive(x, nonce);

	return r < 0 ? r : x->provider->seal(x->context, x->derived, nonce + 12, m);
}

int xaes_open(struct xaes *x, const uint8_t *nonce, const struct aead_message *m)
{
	int r = derive(x, nonce);

	return r < 0 ? r : x->provider->open(x->context, x->derived, nonce + 12, m);
}
