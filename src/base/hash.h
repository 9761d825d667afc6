/* SPDX-License-Identifier: Apache-2.0 */
/* Hashes of texts. For tables that bear collisions. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define HASH_START 0xcbf29ce484222325u

/* FNV-1a, with which the hash of a path goes on from that of its directory: the hash of what HASH stands for and then LEN more BYTES; HASH_START stands for nothing. */
static inline uint64_t hash_more(uint64_t hash, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)bytes[i]) * 0x100000001b3u;
	return hash;
}

static inline uint64_t hash_mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)(a ^ 0x9e3779b97f4a7c15u) * (b ^ 0xe7037ed1a0b428dbu);

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* The hash of LEN BYTES, eight at a time: for what every call asks. Begun with SEED, which may be another such hash. */
static inline uint64_t hash_text(uint64_t seed, const char *bytes, size_t len)
{
	uint64_t hash = seed ^ len, word = 0;

	if (len >= sizeof(word)) {
		const char *last = bytes + len - sizeof(word);

		for (; bytes < last; bytes += sizeof(word)) {
			memcpy(&word, bytes, sizeof(word));
			hash = hash_mix(hash, word);
		}
		memcpy(&word, last, sizeof(word));
	} else if (len >= 4) {
		uint32_t low, high;

		memcpy(&low, bytes, sizeof(low));
		memcpy(&high, bytes + len - sizeof(high), sizeof(high));
		word = (uint64_t)high << 32 | low;
	} else if (len) {
		/* Of one to three bytes: the first, the middle one, the last. */
		word = (uint64_t)(unsigned char)bytes[0] << 16 | (uint64_t)(unsigned char)bytes[len / 2] << 8 |
		       (unsigned char)bytes[len - 1];
	}
	return hash_mix(hash, word);
}
