/* SPDX-License-Identifier: Apache-2.0 */
/* What tests of the store share: keys, a provider and a source of random numbers that can be looked at, files. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "crypt/store/slot.h"
#include "disk.h"

#define STORE_KEYS 5
extern const struct store_key keys[STORE_KEYS];

/* A provider that tells what was authenticated. */
extern struct told {
	unsigned seals, opens, slots_opened;
	struct {
		uint8_t aad[FORMAT_CLEAR + 1];
		size_t aad_len, len;
	} seen[256];
	unsigned count;
} told;

/* Random numbers that can be counted, fail, and look at what happens meanwhile. */
extern struct drawn {
	unsigned calls, fail_at; /* from 1; 0: never */
	size_t most, total;
	uint8_t *overwrite;
	size_t overwrite_len;
} drawn;

/* A store on DISK with that provider and these numbers, both as if new, and the first key. */
struct store_env env_of(struct disk *disk);

/* LEN bytes, to be freed. */
uint8_t *pattern(size_t len, uint8_t seed);

/* The store holds the LEN bytes WANT. */
void expect_content(const struct store_env *env, const uint8_t *want, size_t len);

/* For store_verify() where no damage is to be found. */
void no_damage(void *data, const struct store_damage *damage);
