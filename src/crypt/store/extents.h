/* SPDX-License-Identifier: Apache-2.0 */
/* Two bounded lists of extents: one in the order in which they came, one in the order of the pages. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypt/store/format.h"

/* First in, first out. What does not fit is forgotten. */
struct extent_ring {
	struct extent *items; /* made when first needed */
	uint32_t first, count, size;
	uint32_t added; /* since what touches was joined */
	uint64_t pages;
};

/* Invariant: sorted by page, disjoint, and no two touch. */
struct extent_set {
	struct extent *items; /* made when first needed, grows */
	uint32_t count, room;
	uint32_t cursor; /* where the next search starts: so that pages are used in turns */
	uint64_t pages;
};

static inline struct extent *ring_at(const struct extent_ring *r, uint32_t i)
{
	return &r->items[(r->first + i) % r->size];
}

/* At the end; joined to the last one where they touch. At most SIZE extents. */
void ring_add(struct extent_ring *r, uint32_t size, uint64_t page, uint64_t n);
void ring_clear(struct extent_ring *r);
/* N pages in a row; an extent of just the size is preferred to cutting one. */
bool ring_take(struct extent_ring *r, uint64_t n, uint64_t *ret_page);
/* Does any of those that ring_take() looks at first hold N pages? */
bool ring_fits(const struct extent_ring *r, uint64_t n);
/* Forget what is at or behind page END. */
void ring_cut(struct extent_ring *r, uint64_t end);

/* False: it would take more than LIMIT extents, or memory is short; then it is forgotten. */
bool set_add(struct extent_set *set, uint32_t limit, uint64_t page, uint64_t n);
void set_clear(struct extent_set *set);
bool set_holds(const struct extent_set *set, uint64_t page);
/* N pages in a row. */
bool set_take(struct extent_set *set, uint64_t n, uint64_t *ret_page);
/* Are there N in a row? */
bool set_fits(const struct extent_set *set, uint64_t n);
/* As many as there are in a row somewhere, at most N. Returns how many, 0 when there are none. */
uint64_t set_take_some(struct extent_set *set, uint64_t n, uint64_t *ret_page);
void set_cut(struct extent_set *set, uint64_t end);
