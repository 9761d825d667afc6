/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AES-256-GCM by the kernel, through libkcapi and AF_ALG sockets: a third opinion on the same bytes, and slow. A key is set on
 * the socket that was bound, and that is refused (EBUSY, crypto/af_alg.c) while an accepted one is open; XAES has another key
 * for each message, so that each message gets a handle of its own.
 */
#include <errno.h>
#include <string.h>

#include "crypt/provider.h"

#ifdef SCRIM_HAVE_KCAPI
#include <kcapi.h>
#include <linux/if_alg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"

/* What libkcapi takes at once: 16 pages (crypto/if_alg.h, ALG_MAX_PAGES), associated data and tag included. */
#define MOST (16 * 4096)

static int afalg_usable(const char **ret_why)
{
	static const struct sockaddr_alg gcm = {.salg_family = AF_ALG, .salg_type = "aead", .salg_name = "gcm(aes)"};
	_cleanup_close_ int fd = socket(AF_ALG, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct kcapi_handle *handle;

	if (fd < 0) {
		*ret_why = errno == EAFNOSUPPORT ? "the kernel has no AF_ALG (CONFIG_CRYPTO_USER_API_AEAD), or this process may not use it" :
						   "a socket of AF_ALG is refused";
		return -EOPNOTSUPP;
	}
	if (bind(fd, (const struct sockaddr *)&gcm, sizeof(gcm)) < 0) {
		*ret_why = "the kernel's AF_ALG offers no gcm(aes) to this process (CONFIG_CRYPTO_USER_API_AEAD, CONFIG_CRYPTO_GCM, "
			   "sysctl crypto.af_alg_restrict)";
		return -EOPNOTSUPP;
	}
	kcapi_set_verbosity(KCAPI_LOG_NONE);
	if (kcapi_aead_init(&handle, "gcm(aes)", 0) < 0) {
		*ret_why = "libkcapi cannot use the kernel's gcm(aes) (CONFIG_CRYPTO_USER)";
		return -EOPNOTSUPP;
	}
	kcapi_aead_destroy(handle);
	return 0;
}

/* Associated data, text and tag stand in one piece on either way. */
struct afalg {
	uint8_t in[MOST], out[MOST];
};

static int afalg_make(void **ret_context)
{
	const char *why;
	int r = afalg_usable(&why);
	struct afalg *a;

	if (r < 0)
		return r;
	a = malloc(sizeof(*a));
	if (!a)
		return -ENOMEM;
	*ret_context = a;
	return 0;
}

static void afalg_drop(void *context)
{
	free(context);
}

static int keyed(const uint8_t *key, size_t aad_len, struct kcapi_handle **ret_handle)
{
	struct kcapi_handle *handle;
	int r = kcapi_aead_init(&handle, "gcm(aes)", 0);

	if (r < 0)
		return r;
	r = kcapi_aead_setkey(handle, key, AEAD_KEY_SIZE);
	if (r == 0)
		r = kcapi_aead_settaglen(handle, AEAD_TAG_SIZE);
	if (r < 0) {
		kcapi_aead_destroy(handle);
		return r;
	}
	kcapi_aead_setassoclen(handle, aad_len);
	*ret_handle = handle;
	return 0;
}

/* What a message authenticates and what is computed on, one behind the other, and a handle with its key. */
static int take_in(struct afalg *a, const uint8_t *key, const struct aead_message *m, struct kcapi_handle **ret_handle)
{
	int r;

	if (m->len > MOST || m->aad_len > MOST || m->aad_len + m->len + AEAD_TAG_SIZE > MOST)
		return -EMSGSIZE;
	r = keyed(key, m->aad_len, ret_handle);
	if (r < 0)
		return r;
	memcpy(a->in, m->aad, m->aad_len);
	memcpy(a->in + m->aad_len, m->in, m->len);
	return 0;
}

static int afalg_seal(void *context, const uint8_t *key, const uint8_t *nonce, const struct aead_message *m)
{
	struct afalg *a = context;
	size_t head = m->aad_len, all = head + m->len;
	struct kcapi_handle *handle;
	ssize_t n;
	int r = take_in(a, key, m, &handle);

	if (r < 0)
		return r;
	n = kcapi_aead_encrypt(handle, a->in, all, nonce, a->out, all + AEAD_TAG_SIZE, KCAPI_ACCESS_SENDMSG);
	kcapi_aead_destroy(handle);
	if (n != (ssize_t)(all + AEAD_TAG_SIZE))
		return n < 0 ? (int)n : -EIO;
	memcpy(m->out, a->out + head, m->len);
	memcpy(m->tag, a->out + all, AEAD_TAG_SIZE);
	return 0;
}

static int afalg_open(void *context, const uint8_t *key, const uint8_t *nonce, const struct aead_message *m)
{
	struct afalg *a = context;
	size_t head = m->aad_len, all = head + m->len;
	struct kcapi_handle *handle;
	ssize_t n;
	int r = take_in(a, key, m, &handle);

	if (r < 0)
		return r;
	memcpy(a->in + all, m->tag, AEAD_TAG_SIZE);
	/* Nothing to be written is refused; one byte of room is not. */
	n = kcapi_aead_decrypt(handle, a->in, all + AEAD_TAG_SIZE, nonce, a->out, all > 0 ? all : 1, KCAPI_ACCESS_SENDMSG);
	kcapi_aead_destroy(handle);
	if (n < 0 || n > (ssize_t)all) {
		if (m->len > 0)
			memset(m->out, 0, m->len);
		return n < 0 ? (int)n : -EIO;
	}
	if (m->len > 0)
		memcpy(m->out, a->out + head, m->len);
	return 0;
}

#else

static int afalg_usable(const char **ret_why)
{
	*ret_why = "scrim was built without libkcapi";
	return -EOPNOTSUPP;
}

static int afalg_make(void **ret_context)
{
	(void)ret_context;
	return -EOPNOTSUPP;
}

static void afalg_drop(void *context)
{
	(void)context;
}

static int afalg_seal(void *context, const uint8_t *key, const uint8_t *nonce, const struct aead_message *m)
{
	(void)context, (void)key, (void)nonce, (void)m;
	return -EOPNOTSUPP;
}

static int afalg_open(void *context, const uint8_t *key, const uint8_t *nonce, const struct aead_message *m)
{
	return afalg_seal(context, key, nonce, m);
}

#endif

const struct aead_provider aead_afalg = {
	.name = "afalg",
	.usable = afalg_usable,
	.make = afalg_make,
	.drop = afalg_drop,
	.seal = afalg_seal,
	.open = afalg_open,
};
