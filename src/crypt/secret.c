/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A slab of locked pages. Each slab is one piece of sodium_malloc(3) (mlock, MADV_DONTDUMP, guard pages, canary), cut
 * into units of 64 bytes that a bitmap gives out; a key needs one or two of them.
 */
#include "crypt/secret.h"

#include <pthread.h>
#include <sodium.h>
#include <stdint.h>
#include <stdlib.h>

#define UNIT       64
#define SLAB_UNITS 48 /* 3072 bytes: with sodium's canary still one page */

struct slab {
	struct slab *next;
	uint8_t *bytes;
	uint64_t used; /* bit i: unit i is given out */
};

static struct slab *slabs;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static uint64_t units_mask(size_t size)
{
	size_t units = (size + UNIT - 1) / UNIT;

	return units >= 64 ? UINT64_MAX : (UINT64_C(1) << units) - 1;
}

static void *take(struct slab *slab, uint64_t mask)
{
	for (unsigned i = 0; i < SLAB_UNITS && mask << i >> i == mask && (mask << i) < UINT64_C(1) << SLAB_UNITS; i++) {
		if (slab->used & mask << i)
			continue;
		slab->used |= mask << i;
		return slab->bytes + (size_t)i * UNIT;
	}
	return NULL;
}

static struct slab *make_slab(void)
{
	struct slab *slab;

	if (sodium_init() < 0)
		return NULL;
	slab = calloc(1, sizeof(*slab));
	if (!slab)
		return NULL;
	slab->bytes = sodium_malloc(UNIT * SLAB_UNITS);
	if (!slab->bytes) {
		free(slab);
		return NULL;
	}
	slab->next = slabs;
	slabs = slab;
	return slab;
}

void *secret_alloc(size_t size)
{
	uint64_t mask;
	void *found = NULL;

	if (size == 0 || size > UNIT * SLAB_UNITS)
		return NULL;
	mask = units_mask(size);
	pthread_mutex_lock(&lock);
	for (struct slab *slab = slabs; slab && !found; slab = slab->next)
		found = take(slab, mask);
	if (!found) {
		struct slab *slab = make_slab();

		if (slab)
			found = take(slab, mask);
	}
	pthread_mutex_unlock(&lock);
	return found;
}

void secret_free(void *pointer, size_t size)
{
	uint8_t *p = pointer;

	if (!p)
		return;
	sodium_memzero(p, size);
	pthread_mutex_lock(&lock);
	for (struct slab *slab = slabs; slab; slab = slab->next)
		if (p >= slab->bytes && p < slab->bytes + (size_t)UNIT * SLAB_UNITS)
			slab->used &= ~(units_mask(size) << (size_t)(p - slab->bytes) / UNIT);
	pthread_mutex_unlock(&lock);
}

void secret_wipe(void *pointer, size_t size)
{
	sodium_memzero(pointer, size);
}
