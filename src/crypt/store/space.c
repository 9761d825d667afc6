/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which pages are free. The lists are bounded: what does not fit is forgotten, not lost, since the tree says what is used:
 * space_scan() finds it again.
 */
#include <errno.h>
#include <string.h>

#include "crypt/store/internal.h"

#define SEARCH      64 /* extents looked at for one that fits */
#define MERGE       64 /* ... and when none does, all are put in order, if so many have come since */
#define SCAN_BITS   (UINT64_C(1) << 24) /* pages in one pass of a scan: 2 MiB of memory */
#define WASTE       256 /* pages, 1 MiB */

static struct extent *ring_at(const struct extent_ring *r, uint32_t i)
{
	return &r->items[(r->first + i) % r->size];
}

/* At the end; joined to the last one where they touch. What does not fit is forgotten. */
static void ring_add(struct extent_ring *r, uint32_t size, uint64_t page, uint64_t n)
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

static void ring_clear(struct extent_ring *r)
{
	r->first = r->count = 0;
	r->pages = 0;
}

/* First in, first out; an extent of just the size is preferred to cutting one. */
static bool ring_take(struct extent_ring *r, uint64_t n, uint32_t search, uint64_t *ret_page)
{
	uint32_t best = UINT32_MAX;

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
	struct extent *e = ring_at(r, best);

	*ret_page = e->page;
	e->page += n;
	e->count -= n;
	r->pages -= n;
	if (e->count == 0)
		ring_remove(r, best);
	return true;
}

/* The first range of `fresh` that ends behind PAGE. */
static uint32_t fresh_find(const struct store *s, uint64_t page)
{
	uint32_t low = 0, high = s->fresh_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (s->fresh[middle].page + s->fresh[middle].count <= page)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void fresh_add(struct store *s, uint64_t page, uint64_t n)
{
	uint32_t at;

	if (s->fresh_overflow)
		return;
	if (!s->fresh)
		s->fresh = malloc(STORE_FRESH * sizeof(*s->fresh));
	if (!s->fresh) {
		s->fresh_overflow = true;
		return;
	}
	at = fresh_find(s, page);
	if (at < s->fresh_count && s->fresh[at].page <= page && page + n <= s->fresh[at].page + s->fresh[at].count)
		return; /* taken, dropped at once and taken again */
	if (at > 0 && s->fresh[at - 1].page + s->fresh[at - 1].count == page) {
		s->fresh[at - 1].count += n;
		return;
	}
	if (s->fresh_count == STORE_FRESH) {
		s->fresh_overflow = true;
		return;
	}
	memmove(&s->fresh[at + 1], &s->fresh[at], (s->fresh_count - at) * sizeof(*s->fresh));
	s->fresh[at] = (struct extent){page, n};
	s->fresh_count++;
}

bool space_is_fresh(const struct store *s, uint64_t page)
{
	uint32_t at;

	if (s->fresh_overflow)
		return true;
	at = fresh_find(s, page);
	return at < s->fresh_count && s->fresh[at].page <= page;
}

int space_take(struct store *s, uint64_t n, uint64_t *ret_page)
{
	uint64_t page;

	if (!ring_take(&s->free, n, SEARCH, &page) &&
	    !(ring_merge(&s->free, n) && ring_take(&s->free, n, UINT32_MAX, &page))) {
		page = s->meta.total_pages;
		if (page + n >= UINT64_C(1) << 48)
			return -EFBIG;
		s->meta.total_pages += n;
	}
	s->meta.used_pages += n;
	fresh_add(s, page, n);
	*ret_page = page;
	return 0;
}

void space_drop(struct store *s, uint64_t page, uint64_t n)
{
	if (RULE(4))
		ring_add(&s->quarantine, STORE_QUARANTINE, page, n);
	else
		ring_add(&s->free, STORE_FREE, page, n);
	s->meta.used_pages -= n;
}

bool space_is_held(const struct store *s)
{
	return s->env.io->held && s->env.io->held(s->env.handle);
}

void space_durable(struct store *s)
{
	bool held = s->quarantine.count > 0 && RULE(41) && space_is_held(s);

	for (uint32_t i = 0; i < s->quarantine.count && !held; i++) {
		struct extent *e = ring_at(&s->quarantine, i);

		ring_add(&s->free, STORE_FREE, e->page, e->count);
	}
	if (!held)
		ring_clear(&s->quarantine);
	s->fresh_count = 0;
	s->fresh_overflow = false;
}

/* All that will be free when this version is the durable one: the quarantine too. */
uint16_t space_note(const struct store *s, struct extent *extents, unsigned max)
{
	const struct extent_ring *rings[] = {&s->free, &s->quarantine};
	unsigned n = 0;

	for (size_t k = 0; k < ARRAY_LEN(rings); k++)
		for (uint32_t i = 0; i < rings[k]->count && n < max; i++)
			extents[n++] = *ring_at(rings[k], i);
	return (uint16_t)n;
}

int space_load(struct store *s, const struct extent *extents, unsigned n)
{
	if (RULE(41) && space_is_held(s))
		return 0; /* they belonged to versions before this one; found again by a scan */
	for (unsigned i = 0; i < n; i++)
		ring_add(&s->free, STORE_FREE, extents[i].page, extents[i].count);
	return 0;
}

void space_forget(struct store *s)
{
	ring_clear(&s->free);
	ring_clear(&s->quarantine);
	s->fresh_count = 0;
	s->fresh_overflow = false;
}

uint64_t space_lost(const struct store *s)
{
	uint64_t known = first_page(s) + s->meta.used_pages + s->free.pages + s->quarantine.pages;

	return s->meta.total_pages > known ? s->meta.total_pages - known : 0;
}

struct scan {
	uint64_t *bits;
	uint64_t base;  /* page of the first bit */
	uint64_t next;  /* the first page in use behind the last bit */
	uint64_t limit; /* pages that the file has */
};

static int mark(struct store *s, void *data, uint8_t level, uint64_t index, const struct entry *e, int read_error)
{
	struct scan *scan = data;
	uint64_t end = e->page + pages_of(e->len);

	(void)s, (void)level, (void)index;
	if (read_error)
		return read_error; /* what is below is not known: nothing may be called free */
	if (end > scan->limit)
		return -EBADMSG;
	for (uint64_t p = e->page; p < end; p++)
		if (p >= scan->base && p - scan->base < SCAN_BITS)
			scan->bits[(p - scan->base) / 64] |= UINT64_C(1) << (p - scan->base) % 64;
		else if (p >= scan->base && p < scan->next)
			scan->next = p;
	return 0;
}

/* What the pass says is free, and the pages up to where the next one starts. */
static void collect(struct store *s, const struct scan *scan)
{
	uint64_t left = s->meta.total_pages - scan->base, end = left < SCAN_BITS ? left : SCAN_BITS, start = 0;

	for (uint64_t i = 0; i <= end; i++) {
		if (i % 64 == 0 && i + 64 <= end && scan->bits[i / 64] == 0) {
			i += 63; /* all free: goes on */
			continue;
		}
		if (i < end && !(scan->bits[i / 64] & UINT64_C(1) << i % 64))
			continue;
		ring_add(&s->free, STORE_FREE, scan->base + start, i - start);
		start = i + 1;
	}
	if (left > SCAN_BITS)
		ring_add(&s->free, STORE_FREE, scan->base + SCAN_BITS, scan->next - scan->base - SCAN_BITS);
}

int space_scan(struct store *s)
{
	struct scan scan = {.base = first_page(s)};
	uint64_t size;
	int r;

	if (s->quarantine.count > 0 || s->changed || !s->durable || space_is_held(s))
		return -EBUSY;
	r = s->env.io->size(s->env.handle, &size);
	if (r < 0)
		return r;
	scan.limit = (size + FORMAT_PAGE - 1) >> FORMAT_PAGE_SHIFT;
	tree_forget(s); /* room for the bits; nothing is dirty */
	scan.bits = malloc(SCAN_BITS / 8);
	if (!scan.bits)
		return -ENOMEM;
	s->node_limit = STORE_SCAN_NODES;
	ring_clear(&s->free);
	for (; r == 0 && scan.base < s->meta.total_pages; scan.base = scan.next) {
		memset(scan.bits, 0, SCAN_BITS / 8);
		scan.next = s->meta.total_pages;
		r = tree_walk(s, mark, &scan);
		if (r == 0)
			collect(s, &scan);
	}
	if (r < 0)
		ring_clear(&s->free);
	s->node_limit = STORE_MAX_NODES;
	free(scan.bits);
	return r;
}

bool space_fits(const struct store *s, uint64_t n, uint64_t limit)
{
	for (uint32_t i = 0; i < s->free.count && i < SEARCH; i++)
		if (ring_at(&s->free, i)->count >= n && ring_at(&s->free, i)->page + n <= limit)
			return true;
	return false;
}

void space_cut(struct store *s, uint64_t end)
{
	struct extent_ring *r = &s->free;

	for (uint32_t i = r->count; i-- > 0;) {
		struct extent *e = ring_at(r, i);
		uint64_t keep = e->page >= end ? 0 : e->count < end - e->page ? e->count : end - e->page;

		r->pages -= e->count - keep;
		e->count = keep;
		if (keep == 0)
			ring_remove(r, i);
	}
}

int space_punch(struct store *s)
{
	for (uint32_t i = 0; i < s->free.count; i++) {
		const struct extent *e = ring_at(&s->free, i);
		int r = s->env.io->punch(s->env.handle, e->page << FORMAT_PAGE_SHIFT, e->count << FORMAT_PAGE_SHIFT);

		if (r < 0)
			return r == -EOPNOTSUPP || r == -ENOSYS ? 0 : r; /* a file system that cannot is no error */
	}
	return 0;
}

void space_tidy(struct store *s)
{
	uint64_t bytes, has, needs = first_page(s) + s->meta.used_pages, waste;

	if (!s->durable || s->failed || !s->env.io->allocated || s->env.io->allocated(s->env.handle, &bytes) < 0)
		return;
	has = bytes >> FORMAT_PAGE_SHIFT;
	waste = has > needs ? has - needs : 0;
	if (waste < WASTE && waste < (has + 3) / 4)
		return;
	if (space_lost(s) > 0)
		space_scan(s);
	space_punch(s);
}

void space_free(struct store *s)
{
	free(s->free.items);
	free(s->quarantine.items);
	free(s->fresh);
}
