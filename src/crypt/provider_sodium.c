/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AES-256-GCM by libsodium, which has it only where the CPU computes AES: a second opinion on the same bytes. The context is
 * where the key is expanded; by the calls that take a key it would be on the stack.
 */
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "crypt/provider.h"
#include "crypt/secret.h"

/* Round keys that do not fit into registers are put on the stack, and left there. */
#define STACK 4096

/* They stay in vector registers too, which a core file tells. */
static void forget(void)
{
	sodium_stackzero(STACK);
#ifdef __x86_64__
	__asm__ volatile("pxor %%xmm0, %%xmm0; pxor %%xmm1, %%xmm1; pxor %%xmm2, %%xmm2; pxor %%xmm3, %%xmm3;"
			 "pxor %%xmm4, %%xmm4; pxor %%xmm5, %%xmm5; pxor %%xmm6, %%xmm6; pxor %%xmm7, %%xmm7;"
			 "pxor %%xmm8, %%xmm8; pxor %%xmm9, %%xmm9; pxor %%xmm10, %%xmm10; pxor %%xmm11, %%xmm11;"
			 "pxor %%xmm12, %%xmm12; pxor %%xmm13, %%xmm13; pxor %%xmm14, %%xmm14; pxor %%xmm15, %%xmm15"
			 :
			 :
			 : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",
			   "xmm13", "xmm14", "xmm15");
#endif
}

static int sodium_usable(const char **ret_why)
{
	if (sodium_init() < 0) {
		*ret_why = "libsodium could not be initialised";
		return -EOPNOTSUPP;
	}
	if (!crypto_aead_aes256gcm_is_available()) {
		*ret_why = "libsodium has AES-256-GCM only on CPUs with AES and PCLMUL instructions";
		return -EOPNOTSUPP;
	}
	return 0;
}

static int sodium_make(void **ret_context)
{
	const char *why;
	int r = sodium_usable(&why);

	void *state;

	if (r < 0)
		return r;
	state = secret_alloc(sizeof(crypto_aead_aes256gcm_state));
	if (!state)
		return -ENOMEM;
	*ret_context = state;
	return 0;
}

static void sodium_drop(void *context)
{
	secret_free(context, sizeof(crypto_aead_aes256gcm_state));
}

static int sodium_seal(void *context, const uint8_t *key, const uint8_t *nonce, const struct aead_message *m)
{
	crypto_aead_aes256gcm_beforenm(context, key);
	crypto_aead_aes256gcm_encrypt_detached_afternm(m->out, m->tag, NULL, m->in, m->len, m->aad, m->aad_len, NULL, nonce, context);
	forget();
	return 0;
}

static int sodium_open(void *context, const uint8_t *key, const uint8_t *nonce, const struct aead_message *m)
{
	int r;

	crypto_aead_aes256gcm_beforenm(context, key);
	r = crypto_aead_aes256gcm_decrypt_detached_afternm(m->out, NULL, m->in, m->len, m->tag, m->aad, m->aad_len, nonce, context);
	forget();
	if (r == 0)
		return 0;
	if (m->len > 0)
		memset(m->out, 0, m->len);
	return -EBADMSG;
}

const struct aead_provider aead_sodium = {
	.name = "sodium",
	.usable = sodium_usable,
	.make = sodium_make,
	.drop = sodium_drop,
	.seal = sodium_seal,
	.open = sodium_open,
};
