/* SPDX-License-Identifier: Apache-2.0 */
/* FNV-1a of texts, so that the hash of a path goes on from that of its directory. For tables that bear collisions. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define HASH_START 0xcbf29ce484222325u

/* The hash of what HASH stands for and then LEN more BYTES; HASH_START stands for nothing. */
static inline uint64_t hash_more(uint64_t hash, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)bytes[i]) * 0x100000001b3u;
	return hash;
}
