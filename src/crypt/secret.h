/* SPDX-License-Identifier: Apache-2.0 */
/* Memory for keys: locked, in no core dump, between guard pages, wiped when released. */
#pragma once

#include <stddef.h>

/*
 * SIZE bytes (at most 3072) of secret memory, content undefined, or NULL. Many small pieces share a few locked pages,
 * since RLIMIT_MEMLOCK is small. Thread safe.
 */
void *secret_alloc(size_t size);

/* Wipe and give back what secret_alloc(SIZE) returned; POINTER may be NULL. Thread safe. */
void secret_free(void *pointer, size_t size);

/* Overwrite with zeros, also where a compiler sees no use of it. */
void secret_wipe(void *pointer, size_t size);
