/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AES-256-GCM by the kernel, through AF_ALG: a third opinion on the same bytes, and slow. A key is set on the socket that was
 * bound, and that is refused (EBUSY, crypto/af_alg.c) while an accepted one is open; XAES has another key for each message, so
 * that each message accepts one. (libkcapi has a handle for both, so that it would open, bind and ask by netlink for each
 * message.) What the kernel does not do, for whatever reason, OpenSSL does: nobody's data waits for AF_ALG.
 */
#include <errno.h>
#include <linux/if_alg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "crypt/alg_socket.h"
#include "crypt/provider.h"
#include "crypt/secret.h"

#define AAD_MOST 1024 /* the store's is 465 at most */

struct afalg {
	int fd;	       /* bound to gcm(aes) */
	void *openssl; /* a context of aead_openssl; made when first needed */
	uint8_t aad[AAD_MOST];
};

static atomic_ullong by_kernel, by_openssl;

void aead_afalg_counts(uint64_t *ret_by_kernel, uint64_t *ret_by_openssl)
{
	*ret_by_kernel = atomic_load(&by_kernel);
	*ret_by_openssl = atomic_load(&by_openssl);
}

static int open_gcm(int *ret_fd, const char **ret_why)
{
	_cleanup_close_ int fd = -EBADF;
	enum alg_lack lack = ALG_NO_REQUEST;
	int r = alg_open("aead", "gcm(aes)", &fd, &lack);

	if (r == 0 && setsockopt(fd, SOL_ALG, ALG_SET_AEAD_AUTHSIZE, NULL, AEAD_TAG_SIZE) < 0)
		r = -errno;
	if (r < 0) {
		*ret_why = alg_lack_text(lack);
		return -EOPNOTSUPP;
	}
	*ret_fd = steal_fd(&fd);
	return 0;
}

static int afalg_usable(const char **ret_why)
{
	_cleanup_close_ int fd = -EBADF;
	/* Who stands in, and whose AES the derivation of XAES needs: loaded now, and not in the middle of a run. */
	int r = aead_openssl.usable(ret_why);

	return r < 0 ? r : open_gcm(&fd, ret_why);
}

static int afalg_make(void **ret_context)
{
	struct afalg *a = malloc(sizeof(*a));
	const char *why;
	int r;

	if (!a)
		return -ENOMEM;
	a->openssl = NULL;
	r = open_gcm(&a->fd, &why);
	if (r < 0) {
		free(a);
		return r;
	}
	*ret_context = a;
	return 0;
}

static void afalg_drop(void *context)
{
	struct afalg *a = context;

	safe_close(a->fd);
	if (a->openssl)
		aead_openssl.drop(a->openssl);
	free(a);
}

/* As alg_ask(); what is authenticated comes back in front of the result. */
static ssize_t ask(struct afalg *a, uint32_t op, const uint8_t *key, const uint8_t *nonce, const struct aead_message *m)
{
	uint8_t nothing;
	bool seal = op == ALG_OP_ENCRYPT;
	struct iovec in[] = {{(void *)(uintptr_t)m->aad, m->aad_len}, {(void *)(uintptr_t)m->in, m->len}, {m->tag, AEAD_TAG_SIZE}};
	/* Nothing to be written is refused; one byte of room is not. */
	struct iovec out[] = {{a->aad, m->aad_len}, {m->out, m->len}, {seal ? m->tag : &nothing, seal ? AEAD_TAG_SIZE : 1}};
	bool spare = !seal && m->aad_len + m->len == 0;
	const struct alg_request request = {
		.op = op, .iv = nonce, .iv_len = AEAD_NONCE_SIZE, .assoc_len = (uint32_t)m->aad_len,
		.in = in, .in_count = seal ? 2 : 3, .in_len = m->aad_len + m->len + (seal ? 0 : AEAD_TAG_SIZE),
		.out = out, .out_count = seal || spare ? 3 : 2,
	};

	if (m->aad_len > AAD_MOST)
		return -EMSGSIZE;
	if (setsockopt(a->fd, SOL_ALG, ALG_SET_KEY, key, AEAD_KEY_SIZE) < 0)
		return -errno;
	ssize_t n = alg_ask(a->fd, &request);
	if (n >= 0 && n != (ssize_t)(m->aad_len + m->len + (seal ? AEAD_TAG_SIZE : 0)))
		return -EIO;
	if (n >= 0)
		atomic_fetch_add_explicit(&by_kernel, 1, memory_order_relaxed);
	return n;
}

/* The kernel has not done it, or is not to: OpenSSL does. */
static int instead(struct afalg *a)
{
	return a->openssl ? 0 : aead_openssl.make(&a->openssl);
}

/* A file's key, unwrapped into secret memory, which the kernel cannot write to (memfd_secret(2)): not what it is for. */
static bool is_key(const struct aead_message *m)
{
	return secret_size(m->out) > 0;
}

static int afalg_seal(void *context, const uint8_t *key, const uint8_t *nonce, const struct aead_message *m)
{
	struct afalg *a = context;

	if (!is_key(m)) {
		if (ask(a, ALG_OP_ENCRYPT, key, nonce, m) >= 0)
			return 0;
		atomic_fetch_add_explicit(&by_openssl, 1, memory_order_relaxed);
	}
	int r = instead(a);
	return r < 0 ? r : aead_openssl.seal(a->openssl, key, nonce, m);
}

static int afalg_open(void *context, const uint8_t *key, const uint8_t *nonce, const struct aead_message *m)
{
	struct afalg *a = context;
	if (!is_key(m)) {
		ssize_t n = ask(a, ALG_OP_DECRYPT, key, nonce, m);

		if (n >= 0)
			return 0;
		if (n == -EBADMSG) {
			if (m->len > 0)
				memset(m->out, 0, m->len);
			return -EBADMSG;
		}
		atomic_fetch_add_explicit(&by_openssl, 1, memory_order_relaxed);
	}
	int r = instead(a);
	return r < 0 ? r : aead_openssl.open(a->openssl, key, nonce, m);
}

const struct aead_provider aead_afalg = {
	.name = "afalg",
	.usable = afalg_usable,
	.make = afalg_make,
	.drop = afalg_drop,
	.seal = afalg_seal,
	.open = afalg_open,
};
