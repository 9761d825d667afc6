/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Patterns of one component: `*`, `?`, `[...]` and a backslash before a character that means itself; bytewise, and a
 * leading dot is nothing special. Also `{a,b}`, which is expanded before anything is matched.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GLOB_EXPANSIONS_MAX 256
#define GLOB_NESTING_MAX 8

/* Does NAME match PATTERN? At most PLEN times NLEN steps. */
bool glob_match(const char *pattern, size_t plen, const char *name, size_t nlen);

/* NULL if PATTERN is well formed; else what is wrong with it, for a person, and its remedy in *ret_remedy. */
const char *glob_check(const char *pattern, size_t len, const char **ret_remedy);

/* Is there a wildcard in PATTERN? */
bool glob_is_wild(const char *pattern, size_t len);

/* The fewest bytes a name that matches must have. */
size_t glob_min_length(const char *pattern, size_t len);

/* Copy PATTERN without its backslashes to OUT (room for LEN bytes). Returns the length. */
size_t glob_unescape(const char *pattern, size_t len, char *out);

/* The index after the unit (a character, an escaped one, or a whole class) that starts at I. */
size_t glob_skip(const char *pattern, size_t len, size_t i);

/*
 * Write a name that matches PATTERN to OUT (room for LEN + 1 bytes): stars as nothing, if that leaves something.
 * Returns its length. For guesses about what a pattern reaches; never for judging.
 */
size_t glob_sample(const char *pattern, size_t len, char *out);

/*
 * Call EACH with every expansion of the braces of PATTERN, in order. Returns 0, what EACH returned if not 0, or
 * -EINVAL (unbalanced, without a comma, or holding a slash), -E2BIG (more than GLOB_EXPANSIONS_MAX, or nested deeper
 * than GLOB_NESTING_MAX), -ENOMEM.
 */
int glob_expand(const char *pattern, size_t len, int (*each)(const char *text, size_t len, void *userdata),
		void *userdata);
