/* SPDX-License-Identifier: Apache-2.0 */
/* AES-256-GCM by OpenSSL's libcrypto: EVP_EncryptInit(3). The cipher is fetched once, the context is reused. */
#include <errno.h>
#include <limits.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <string.h>

#include "crypt/init.h"
#include "crypt/provider.h"

static EVP_CIPHER *gcm;
static pthread_once_t gcm_once = PTHREAD_ONCE_INIT;

static void fetch_gcm(void)
{
	if (crypt_init() == 0)
		gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
}

static int openssl_usable(const char **ret_why)
{
	pthread_once(&gcm_once, fetch_gcm);
	if (gcm)
		return 0;
	*ret_why = crypt_init() == -EBUSY ? "libcrypto was in use before its memory could be made secret" :
					    "libcrypto offers no AES-256-GCM";
	return -EOPNOTSUPP;
}

static int openssl_make(void **ret_context)
{
	const char *why;
	EVP_CIPHER_CTX *context;
	int r = openssl_usable(&why);

	if (r < 0)
		return r;
	context = EVP_CIPHER_CTX_new();
	if (!context)
		return -ENOMEM;
	if (EVP_CipherInit_ex2(context, gcm, NULL, NULL, 1, NULL) != 1) {
		EVP_CIPHER_CTX_free(context);
		return -ENOMEM;
	}
	*ret_context = context;
	return 0;
}

static void openssl_drop(void *context)
{
	EVP_CIPHER_CTX_free(context);
}

static int run(EVP_CIPHER_CTX *context, const struct aead_message *m)
{
	int n;

	if (m->len > INT_MAX || m->aad_len > INT_MAX)
		return -EMSGSIZE;
	if (m->aad_len > 0 && EVP_CipherUpdate(context, NULL, &n, m->aad, (int)m->aad_len) != 1)
		return -EIO;
	if (m->len > 0 && EVP_CipherUpdate(context, m->out, &n, m->in, (int)m->len) != 1)
		return -EIO;
	return 0;
}

static int openssl_seal(void *context, const uint8_t *key, const uint8_t *nonce, const struct aead_message *m)
{
	uint8_t end[16];
	int n, r;

	if (EVP_CipherInit_ex2(context, NULL, key, nonce, 1, NULL) != 1)
		return -EIO;
	r = run(context, m);
	if (r < 0)
		return r;
	if (EVP_CipherFinal_ex(context, end, &n) != 1 ||
	    EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, AEAD_TAG_SIZE, m->tag) != 1)
		return -EIO;
	return 0;
}

static int openssl_open(void *context, const uint8_t *key, const uint8_t *nonce, const struct aead_message *m)
{
	uint8_t end[16];
	int n, r;

	if (EVP_CipherInit_ex2(context, NULL, key, nonce, 0, NULL) != 1 ||
	    EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, AEAD_TAG_SIZE, m->tag) != 1)
		return -EIO;
	r = run(context, m);
	if (r == 0 && EVP_CipherFinal_ex(context, end, &n) != 1)
		r = -EBADMSG;
	if (r < 0 && m->len > 0)
		memset(m->out, 0, m->len);
	return r;
}

const struct aead_provider aead_openssl = {
	.name = "openssl",
	.usable = openssl_usable,
	.make = openssl_make,
	.drop = openssl_drop,
	.seal = openssl_seal,
	.open = openssl_open,
};
