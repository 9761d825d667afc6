/* SPDX-License-Identifier: Apache-2.0 */
#include "crypt/store/extents.h"

#include <stdlib.h>
#include <string.h>

#define SEARCH 64 /* extents of a ring that are looked at for one that fits */
#define MERGE  64 /* ... and when none does, all are put in order, if so many have come since */

void ring_add(struct extent_ring *r, uint32_t size, uint64_t page, uint64_t n)
{
	struct extent *last;

	if (n == 0)
		return;
	if (!r->items) {
		r->items = calloc(size, sizeof(*r->items));
		if (!r->items)
			return;
		r->size = size;
	}
	last = r->count > 0 ? ring_at(r, r->count - 1) : NULL;
	if (last && last->page + last->count == page)
		last->count += n;
	else if (last && page + n == last->page)
		last->page = page, last->count += n;
	else if (r->count < r->size)
		*ring_at(r, r->count++) = (struct extent){page, n};
	else
		return;
	r->pages += n;
	r->added++;
}

static void ring_remove(struct extent_ring *r, uint32_t i)
{
	/* The holes are at the front mostly: move what stands before. */
	for (; i > 0; i--)
		*ring_at(r, i) = *ring_at(r, i - 1);
	r->first = (r->first + 1) % r->size;
	r->count--;
}

static int by_page(const void *a, const void *b)
{
	const struct extent *x = a, *y = b;

	return (x->page > y->page) - (x->page < y->page);
}

/* Join what touches, so that a larger piece may be found. False: not worth the time since the last time, or none is. */
static bool ring_merge(struct extent_ring *r, uint64_t n)
{
	struct extent *sorted;
	uint32_t count = r->count, kept = 0;

	if (r->added < MERGE || r->pages < 2 * n)
		return false;
	r->added = 0;
	sorted = malloc(count * sizeof(*sorted));
	if (!sorted)
		return false;
	for (uint32_t i = 0; i < count; i++)
		sorted[i] = *ring_at(r, i);
	qsort(sorted, count, sizeof(*sorted), by_page);
	for (uint32_t i = 0; i < count; i++)
		if (kept > 0 && r->items[kept - 1].page + r->items[kept - 1].count == sorted[i].page)
			r->items[kept - 1].count += sorted[i].count;
		else
			r->items[kept++] = sorted[i];
	free(sorted);
	r->first = 0;
	r->count = kept;
	return true;
}

void ring_clear(struct extent_ring *r)
{
	r->first = r->count = 0;
	r->pages = 0;
}

static bool take(struct extent_ring *r, uint64_t n, uint32_t search, uint64_t *ret_page)
{
	uint32_t best = UINT32_MAX;
	struct extent *e;

	for (uint32_t i = 0; i < r->count && i < search; i++) {
		uint64_t has = ring_at(r, i)->count;

		if (has < n || (has > n && best != UINT32_MAX))
			continue;
		best = i;
		if (has == n)
			break;
	}
	if (best == UINT32_MAX)
		return false;
	e = ring_at(r, best);
	*ret_page = e->page;
	e->page += n;
	e->count -= n;
	r->pages -= n;
	if (e->count == 0)
		ring_remove(r, best);
	return true;
}

bool ring_take(struct extent_ring *r, uint64_t n, uint64_t *ret_page)
{
	return take(r, n, SEARCH, ret_page) || (ring_merge(r, n) && take(r, n, UINT32_MAX, ret_page));
}

bool ring_fits(const struct extent_ring *r, uint64_t n)
{
	for (uint32_t i = 0; i < r->count && i < SEARCH; i++)
		if (ring_at(r, i)->count >= n)
			return true;
	return false;
}

void ring_cut(struct extent_ring *r, uint64_t end)
{
	for (uint32_t i = r->count; i-- > 0;) {
		struct extent *e = ring_at(r, i);
		uint64_t keep = e->page >= end ? 0 : e->count < end - e->page ? e->count : end - e->page;

		r->pages -= e->count - keep;
		e->count = keep;
		if (keep == 0)
			ring_remove(r, i);
	}
}

/* The first extent that ends behind PAGE. */
static uint32_t find(const struct extent_set *set, uint64_t page)
{
	uint32_t low = 0, high = set->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (set->items[middle].page + set->items[middle].count <= page)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool make_room(struct extent_set *set, uint32_t limit)
{
	uint32_t room = set->room ? 2 * set->room : 32;
	struct extent *items;

	if (set->count < set->room)
		return true;
	if (set->count >= limit)
		return false;
	items = realloc(set->items, (room < limit ? room : limit) * sizeof(*items));
	if (!items)
		return false;
	set->items = items;
	set->room = room < limit ? room : limit;
	return true;
}

static void remove_items(struct extent_set *set, uint32_t at, uint32_t n)
{
	memmove(&set->items[at], &set->items[at + n], (set->count - at - n) * sizeof(*set->items));
	set->count -= n;
}

bool set_add(struct extent_set *set, uint32_t limit, uint64_t page, uint64_t n)
{
	uint32_t at = page > 0 ? find(set, page - 1) : 0, end = at;
	uint64_t stop = page + n;

	if (n == 0)
		return true;
	/* All that it touches becomes one. */
	for (; end < set->count && set->items[end].page <= stop; end++) {
		const struct extent *e = &set->items[end];

		page = e->page < page ? e->page : page;
		stop = e->page + e->count > stop ? e->page + e->count : stop;
		set->pages -= e->count;
	}
	if (end > at) {
		remove_items(set, at + 1, end - at - 1);
	} else {
		if (!make_room(set, limit))
			return false;
		memmove(&set->items[at + 1], &set->items[at], (set->count - at) * sizeof(*set->items));
		set->count++;
	}
	set->items[at] = (struct extent){page, stop - page};
	set->pages += stop - page;
	return true;
}

void set_clear(struct extent_set *set)
{
	set->count = set->cursor = 0;
	set->pages = 0;
}

bool set_holds(const struct extent_set *set, uint64_t page)
{
	uint32_t at = find(set, page);

	return at < set->count && set->items[at].page <= page;
}

static uint64_t take_from(struct extent_set *set, uint32_t at, uint64_t n, uint64_t *ret_page)
{
	struct extent *e = &set->items[at];

	if (n > e->count)
		n = e->count;
	*ret_page = e->page;
	e->page += n;
	e->count -= n;
	set->pages -= n;
	set->cursor = at;
	if (e->count == 0)
		remove_items(set, at, 1);
	return n;
}

bool set_take(struct extent_set *set, uint64_t n, uint64_t *ret_page)
{
	uint32_t at = set->cursor;

	if (set->pages < n)
		return false;
	for (uint32_t i = 0; i < set->count; i++, at++) {
		if (at >= set->count)
			at = 0;
		if (set->items[at].count >= n)
			return take_from(set, at, n, ret_page) == n;
	}
	return false;
}

bool set_fits(const struct extent_set *set, uint64_t n)
{
	for (uint32_t i = 0; i < set->count; i++)
		if (set->items[i].count >= n)
			return true;
	return false;
}

uint64_t set_take_some(struct extent_set *set, uint64_t n, uint64_t *ret_page)
{
	if (set_take(set, n, ret_page))
		return n;
	return set->count > 0 ? take_from(set, set->cursor < set->count ? set->cursor : 0, n, ret_page) : 0;
}

void set_cut(struct extent_set *set, uint64_t end)
{
	uint32_t at = find(set, end);

	for (uint32_t i = at; i < set->count; i++)
		set->pages -= set->items[i].count;
	if (at < set->count && set->items[at].page < end) {
		set->items[at].count = end - set->items[at].page;
		set->pages += set->items[at++].count;
	}
	set->count = at;
}
