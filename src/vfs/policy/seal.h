/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one piece of memory a policy lives in: it grows while rules are read, pointers into it stay where they are, and
 * at the end all of it becomes read-only at once.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct arena {
	char *base;
	size_t reserved;  /* address space held */
	size_t committed; /* of it, writable */
	size_t used;
};

/* Reserve address space for an arena. Returns 0 or a negative errno. */
int arena_new(struct arena *ret);

/* Give an arena back. One that was mseal'ed stays mapped until the process ends: that is what sealing means. */
void arena_free(struct arena *arena);

/* SIZE zeroed bytes, aligned for any type, or NULL. */
void *arena_alloc(struct arena *arena, size_t size);

/* COUNT zeroed elements of SIZE bytes, or NULL. */
void *arena_array(struct arena *arena, size_t count, size_t size);

/* A NUL-terminated copy of LEN bytes, or NULL. */
char *arena_strndup(struct arena *arena, const char *text, size_t len);

/*
 * Make everything allocated so far read-only, and with WITH_MSEAL mseal it where the kernel has that call. The rest of
 * the address space is given back. ARENA itself may lie in the arena. Returns 0 or a negative errno.
 */
int arena_seal(struct arena *arena, bool with_mseal);
