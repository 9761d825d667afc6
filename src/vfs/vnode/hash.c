/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a chunk has changed is told by GMAC (NIST SP 800-38D) under a key that only this run knows. The nonce is always the
 * same, which a MAC that others see could not bear: these never leave the process.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crypt/random.h"
#include "crypt/secret.h"
#include "vfs/vnode/internal.h"

#define KEPT 8 /* contexts */

struct vnode_hasher {
	const struct aead_provider *provider;
	uint8_t *key; /* secret memory */
	pthread_mutex_t lock;
	void *contexts[KEPT];
	unsigned count;
};

int hasher_new(struct vnode_hasher **ret)
{
	struct vnode_hasher *h = calloc(1, sizeof(*h));
	int error;

	if (!h)
		return -ENOMEM;
	pthread_mutex_init(&h->lock, NULL);
	h->provider = aead_provider_find(NULL);
	h->key = secret_alloc(AEAD_KEY_SIZE);
	error = h->key ? random_bytes(h->key, AEAD_KEY_SIZE) : -ENOMEM;
	if (error < 0) {
		hasher_free(h);
		return error;
	}
	*ret = h;
	return 0;
}

struct vnode_hasher *hasher_free(struct vnode_hasher *h)
{
	if (!h)
		return NULL;
	while (h->count)
		h->provider->drop(h->contexts[--h->count]);
	secret_free(h->key, AEAD_KEY_SIZE);
	pthread_mutex_destroy(&h->lock);
	free(h);
	return NULL;
}

static int take(struct vnode_hasher *h, void **ret)
{
	*ret = NULL;
	pthread_mutex_lock(&h->lock);
	if (h->count)
		*ret = h->contexts[--h->count];
	pthread_mutex_unlock(&h->lock);
	return *ret ? 0 : h->provider->make(ret);
}

static void give_back(struct vnode_hasher *h, void *context)
{
	pthread_mutex_lock(&h->lock);
	if (h->count < KEPT) {
		h->contexts[h->count++] = context;
		context = NULL;
	}
	pthread_mutex_unlock(&h->lock);
	if (context)
		h->provider->drop(context);
}

int hasher_hash(struct vnode_hasher *h, const void *bytes, size_t len, struct vnode_hash *ret)
{
	static const uint8_t nonce[AEAD_NONCE_SIZE];
	struct aead_message m = {.aad = bytes, .aad_len = len, .tag = ret->bytes};
	void *context;
	int error = take(h, &context);

	if (error < 0)
		return error;
	error = h->provider->seal(context, h->key, nonce, &m);
	give_back(h, context);
	return error;
}
