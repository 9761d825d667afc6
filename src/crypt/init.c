/* SPDX-License-Identifier: Apache-2.0 */
#include "crypt/init.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "crypt/secret.h"

#define MOST 16384 /* no context with a key is so large */

/* From when on keys are in use. Before, tables and algorithms are set up that live as long as the process: some hundred KiB. */
static bool armed;
static int result;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void *take(size_t size, const char *file, int line)
{
	(void)file, (void)line;
	return __atomic_load_n(&armed, __ATOMIC_ACQUIRE) && size <= MOST ? secret_alloc(size) : malloc(size);
}

static void give(void *pointer, const char *file, int line)
{
	(void)file, (void)line;
	if (secret_size(pointer) > 0)
		secret_free(pointer, 0);
	else
		free(pointer);
}

/* Secret memory stays secret when it grows beyond what a piece of it can be: refused rather than moved out. */
static void *resize(void *pointer, size_t size, const char *file, int line)
{
	size_t has = pointer ? secret_size(pointer) : 0;
	void *more;

	if (!pointer)
		return take(size, file, line);
	if (size == 0) {
		give(pointer, file, line);
		return NULL;
	}
	if (has == 0)
		return realloc(pointer, size);
	if (size <= has)
		return pointer;
	more = secret_alloc(size);
	if (!more)
		return NULL;
	memcpy(more, pointer, has);
	secret_free(pointer, has);
	return more;
}

/* What is looked up or made once, so that it is not in secret memory later. */
static int warm_up(void)
{
	static const char *const ciphers[] = {"AES-256-GCM", "AES-256-ECB", "AES-256-XTS"};
	static const uint8_t key[64] = {1};
	uint8_t out[32];
	int r = 0, n;

	for (size_t i = 0; r == 0 && i < sizeof(ciphers) / sizeof(ciphers[0]); i++) {
		EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, ciphers[i], NULL);
		EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();

		if (!cipher || !context || EVP_EncryptInit_ex2(context, cipher, key, key, NULL) != 1 ||
		    EVP_EncryptUpdate(context, out, &n, key, 16) != 1)
			r = -EOPNOTSUPP;
		EVP_CIPHER_CTX_free(context);
		EVP_CIPHER_free(cipher);
	}
	EVP_MD_free(EVP_MD_fetch(NULL, "SHA256", NULL));
	/* Of this thread: what is told of errors. */
	ERR_clear_error();
	return r;
}

static void init(void)
{
	if (CRYPTO_set_mem_functions(take, resize, give) != 1) {
		result = -EBUSY;
		return;
	}
	/* No cleaning at exit: in the child of a fork the secret memory is not there. */
	if (OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT | OPENSSL_INIT_LOAD_CONFIG, NULL) != 1) {
		result = -EIO;
		return;
	}
	result = warm_up();
	__atomic_store_n(&armed, true, __ATOMIC_RELEASE);
}

int crypt_init(void)
{
	pthread_once(&once, init);
	return result;
}
