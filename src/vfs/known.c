/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/known.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "base/hash.h"

#define SLOTS 4096u

struct known {
	uint64_t seed;
	_Atomic uint64_t changes; /* counts known_forget() */
	_Atomic uint64_t slot[SLOTS];
};

int known_new(struct known **ret)
{
	struct known *known = calloc(1, sizeof(*known));

	if (!known)
		return -ENOMEM;
	if (getrandom(&known->seed, sizeof(known->seed), GRND_INSECURE) != (ssize_t)sizeof(known->seed))
		known->seed = (uint64_t)(uintptr_t)known * 0x9e3779b97f4a7c15u;
	*ret = known;
	return 0;
}

struct known *known_free(struct known *known)
{
	free(known);
	return NULL;
}

uint64_t known_moment(const struct known *known)
{
	struct timespec now;

	/* Read from memory that the kernel shows: no system call. */
	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return hash_mix(known->seed + atomic_load_explicit(&known->changes, memory_order_acquire), (uint64_t)now.tv_sec);
}

static uint64_t hash(uint64_t moment, const char *path, size_t len)
{
	uint64_t value = hash_text(moment, path, len);

	return value ? value : 1; /* 0 is a free slot */
}

void known_note(struct known *known, uint64_t moment, const char *path, size_t len)
{
	uint64_t value = hash(moment, path, len);

	atomic_store_explicit(&known->slot[value % SLOTS], value, memory_order_relaxed);
}

bool known_regular(const struct known *known, const char *path, size_t len)
{
	uint64_t value = hash(known_moment(known), path, len);

	return atomic_load_explicit(&known->slot[value % SLOTS], memory_order_relaxed) == value;
}

void known_drop(struct known *known, const char *path, size_t len)
{
	uint64_t value = hash(known_moment(known), path, len);

	atomic_compare_exchange_strong(&known->slot[value % SLOTS], &value, 0);
}

void known_forget(struct known *known)
{
	atomic_fetch_add_explicit(&known->changes, 1, memory_order_release);
}
