/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who computes AES-256-GCM: one table a library, all with the same bytes. The XAES derivation (xaes.h) stands once
 * above them, so that a provider needs nothing but a 32-byte key, a 12-byte nonce and a 16-byte tag.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define AEAD_KEY_SIZE   32
#define AEAD_NONCE_SIZE 12
#define AEAD_TAG_SIZE   16

/* What is authenticated and encrypted, or authenticated and decrypted, in one call. IN and OUT may be the same. */
struct aead_message {
	const void *aad;
	size_t aad_len;
	const void *in;
	size_t len; /* of IN and of OUT */
	void *out;
	uint8_t *tag; /* AEAD_TAG_SIZE bytes: written by seal, compared by open */
};

struct aead_provider {
	const char *name;
	/* Can it be used on this machine? 0, or a negative errno and in *RET_WHY a text that lives for ever. */
	int (*usable)(const char **ret_why);
	/* A context of its own, for one thread at a time. 0 or a negative errno. */
	int (*make)(void **ret_context);
	void (*drop)(void *context);
	/* 0 or a negative errno. */
	int (*seal)(void *context, const uint8_t *key, const uint8_t *nonce, const struct aead_message *m);
	/* 0; -EBADMSG when the tag is another one, and then OUT holds zeros; or a negative errno. */
	int (*open)(void *context, const uint8_t *key, const uint8_t *nonce, const struct aead_message *m);
};

extern const struct aead_provider aead_openssl;
extern const struct aead_provider aead_sodium;
extern const struct aead_provider aead_afalg;

/* How many messages the kernel has computed for aead_afalg in this process, and how many OpenSSL in its stead. */
void aead_afalg_counts(uint64_t *ret_by_kernel, uint64_t *ret_by_openssl);

/* The provider called NAME, or NULL. NAME NULL: the default one. */
const struct aead_provider *aead_provider_find(const char *name);

/*
 * The provider to be used where P is asked for: P, or, since all make the same bytes and nobody's data is to wait for AF_ALG,
 * OpenSSL where P is afalg and cannot be used. *RET_WHY then says why; else it is NULL. NULL: P cannot be used, and why.
 */
const struct aead_provider *aead_provider_or_instead(const struct aead_provider *p, const char **ret_why);

/* The Ith provider of the table, in the order of preference, or NULL behind the last. */
const struct aead_provider *aead_provider_at(size_t i);
