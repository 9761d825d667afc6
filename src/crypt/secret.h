/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory for keys: out of the kernel's own map (memfd_secret(2)) where that can be had, else locked and in no core dump;
 * wiped when released. It belongs to the process that allocated it: the child of a fork has none of it and may not touch
 * what its parent had, but releasing it there is allowed and does nothing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * SIZE bytes (at most 16384) of secret memory at a multiple of 64, content undefined, or NULL: then RLIMIT_MEMLOCK is too
 * small, mostly (secret_was_refused()). Many small pieces share a few locked pages. Thread safe.
 */
void *secret_alloc(size_t size);

/* Wipe and give back what secret_alloc(SIZE) returned; POINTER may be NULL. Thread safe. */
void secret_free(void *pointer, size_t size);

/*
 * The same for one larger piece: pages of its own, zeros, between pages without access. Released by secret_unmap() with the
 * same SIZE.
 */
void *secret_map(size_t size);
void secret_unmap(void *pointer, size_t size);

/* Has the kernel refused to lock memory for us? Then the limit (RLIMIT_MEMLOCK, ulimit -l) is why something had no memory. */
bool secret_was_refused(void);

/* How long the piece at POINTER is, which is the caller's; 0: it is not one of secret memory. Thread safe. */
size_t secret_size(const void *pointer);

/* Overwrite with zeros, also where a compiler sees no use of it. */
void secret_wipe(void *pointer, size_t size);
