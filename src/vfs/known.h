/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths that led to a regular file a moment ago. Opening such a path is worth a try without asking first what is there:
 * a FIFO's or a device's open can be noticed, a regular file's cannot. A hint and no more: who opens still looks at what
 * it got. What a view's own calls change is forgotten with known_forget(), what others change within a second.
 *
 * A table of hashes that are seeded by chance, of constant size. Any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct known;

/* Returns 0 or a negative errno. */
int known_new(struct known **ret);
struct known *known_free(struct known *known);

/* To be taken before looking at what is then noted: what was forgotten in between is not remembered. */
uint64_t known_moment(const struct known *known);
void known_note(struct known *known, uint64_t moment, const char *path, size_t len);
bool known_regular(const struct known *known, const char *path, size_t len);

/* It did not lead to one. */
void known_drop(struct known *known, const char *path, size_t len);

/* Something that is no regular file got a name, or names beneath a directory changed. After the change was made. */
void known_forget(struct known *known);
