/* SPDX-License-Identifier: Apache-2.0 */
/* A caller made of fuzzer input: its memory is one block at GUEST_BASE, its descriptors are a table. */
#pragma once

#include "vfs/caller.h"

#define GUEST_BASE ((uint64_t)0x10000)
#define GUEST_FDS 12

struct guest {
	struct caller caller; /* first */
	unsigned char *memory;
	size_t size;
	int fds[GUEST_FDS]; /* what its descriptors 0, 1... are here */
	int cwd_fd;
	mode_t mask;
	bool restless; /* its memory changes at each look */
	bool gone;     /* it does not wait any more */
	unsigned looks; /* how often its memory was looked at or written */
	const char *token; /* what it must never be told */
};

extern const struct caller_ops guest_ops;
