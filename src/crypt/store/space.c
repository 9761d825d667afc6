/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which pages are free. The lists are bounded: what does not fit is forgotten, not lost, since the tree says what is used:
 * space_scan() finds it again.
 */
#include <errno.h>
#include <string.h>

#include "crypt/store/internal.h"

#define SCAN_BITS   (UINT64_C(1) << 24) /* pages in one pass of a scan: 2 MiB of memory */
#define WASTE       256 /* pages, 1 MiB */
#define ZONE        256 /* pages for nodes that are taken at once, at most */

/*
 * Nodes stand among themselves. One commit's nodes are written side by side, and so are few requests for the disk; soon all
 * but the lowest of them are replaced, and when the lowest is, its place and theirs are one again. Between chunks, which
 * live long, what is left would stay in pieces. So there are always some pages to spare, one of 64.
 */
static uint64_t spare_pages(const struct store *s)
{
	return s->meta.used_pages / 64 + 4;
}

static uint64_t chunk_pages(const struct store *s)
{
	return s->chunk_size >> FORMAT_PAGE_SHIFT;
}

/* Pages of which nobody knows what they held. */
static void add_free(struct store *s, uint64_t page, uint64_t n)
{
	if (n < chunk_pages(s))
		set_add(&s->free_nodes, STORE_FREE, page, n);
	else
		ring_add(&s->free, STORE_FREE, page, n);
}

bool space_is_fresh(const struct store *s, uint64_t page)
{
	return s->fresh_overflow || set_holds(&s->fresh, page);
}

static void taken(struct store *s, uint64_t page, uint64_t n)
{
	s->meta.used_pages += n;
	if (!s->fresh_overflow && !set_add(&s->fresh, STORE_FRESH, page, n))
		s->fresh_overflow = true;
}

static int extend(struct store *s, uint64_t n, uint64_t *ret_page)
{
	uint64_t page = s->meta.total_pages;

	if (page + n >= UINT64_C(1) << 48)
		return -EFBIG;
	s->meta.total_pages += n;
	*ret_page = page;
	return 0;
}

int space_take(struct store *s, uint64_t n, uint64_t *ret_page)
{
	bool found = ring_take(&s->free, n, ret_page);
	int r = 0;

	if (!found && n < chunk_pages(s) && (s->packing || s->free_nodes.pages > spare_pages(s)))
		found = set_take(&s->free_nodes, n, ret_page);
	if (!found)
		r = extend(s, n, ret_page);
	if (r == 0)
		taken(s, *ret_page, n);
	return r;
}

/* Pages for nodes, more than are needed now, where there is a larger free place or at the end of the file. */
static int take_zone(struct store *s, uint64_t n, uint64_t *ret_page)
{
	uint64_t zone = spare_pages(s) < ZONE ? spare_pages(s) : ZONE;
	int r;

	zone = zone > n ? zone : n;
	r = ring_take(&s->free, zone, ret_page) ? 0 : extend(s, zone, ret_page);
	if (r == 0)
		set_add(&s->free_nodes, STORE_FREE, *ret_page + n, zone - n);
	return r;
}

int space_take_nodes(struct store *s, uint64_t n, uint64_t *ret_page, uint64_t *ret_n)
{
	uint64_t got = 0;
	int r = 0;

	if (set_take(&s->free_nodes, n, ret_page))
		got = n;
	else if (s->packing || s->free_nodes.pages > spare_pages(s))
		got = set_take_some(&s->free_nodes, n, ret_page);
	if (got == 0 && s->packing && ring_take(&s->free, 1, ret_page))
		got = 1;
	if (got == 0) {
		got = n;
		r = take_zone(s, n, ret_page);
	}
	if (r < 0)
		return r;
	taken(s, *ret_page, got);
	*ret_n = got;
	return 0;
}

void space_drop(struct store *s, uint8_t level, uint64_t page, uint64_t n)
{
	if (level > 0)
		set_add(RULE(4) ? &s->quarantine_nodes : &s->free_nodes, RULE(4) ? STORE_QUARANTINE : STORE_FREE, page, n);
	else if (RULE(4))
		ring_add(&s->quarantine, STORE_QUARANTINE, page, n);
	else
		ring_add(&s->free, STORE_FREE, page, n);
	s->meta.used_pages -= n;
}

bool space_is_held(const struct store *s)
{
	return s->env.io->held && s->env.io->held(s->env.handle);
}

static void forget_fresh(struct store *s)
{
	set_clear(&s->fresh);
	s->fresh_overflow = false;
}

void space_durable(struct store *s)
{
	bool any = s->quarantine.count > 0 || s->quarantine_nodes.count > 0;

	forget_fresh(s);
	if (any && RULE(41) && space_is_held(s))
		return;
	for (uint32_t i = 0; i < s->quarantine.count; i++)
		ring_add(&s->free, STORE_FREE, ring_at(&s->quarantine, i)->page, ring_at(&s->quarantine, i)->count);
	for (uint32_t i = 0; i < s->quarantine_nodes.count; i++)
		set_add(&s->free_nodes, STORE_FREE, s->quarantine_nodes.items[i].page, s->quarantine_nodes.items[i].count);
	ring_clear(&s->quarantine);
	set_clear(&s->quarantine_nodes);
}

/* All that will be free when this version is the durable one: the quarantine too. */
uint16_t space_note(const struct store *s, struct extent *extents, unsigned max)
{
	const struct extent_ring *rings[] = {&s->free, &s->quarantine};
	const struct extent_set *sets[] = {&s->free_nodes, &s->quarantine_nodes};
	unsigned n = 0;

	for (size_t k = 0; k < ARRAY_LEN(rings); k++)
		for (uint32_t i = 0; i < rings[k]->count && n < max; i++)
			extents[n++] = *ring_at(rings[k], i);
	for (size_t k = 0; k < ARRAY_LEN(sets); k++)
		for (uint32_t i = 0; i < sets[k]->count && n < max; i++)
			extents[n++] = sets[k]->items[i];
	return (uint16_t)n;
}

int space_load(struct store *s, const struct extent *extents, unsigned n)
{
	if (RULE(41) && space_is_held(s))
		return 0; /* they belonged to versions before this one; found again by a scan */
	for (unsigned i = 0; i < n; i++)
		add_free(s, extents[i].page, extents[i].count);
	return 0;
}

static void forget_free(struct store *s)
{
	ring_clear(&s->free);
	set_clear(&s->free_nodes);
}

void space_forget(struct store *s)
{
	forget_free(s);
	ring_clear(&s->quarantine);
	set_clear(&s->quarantine_nodes);
	forget_fresh(s);
}

uint64_t space_known_free(const struct store *s)
{
	return s->free.pages + s->free_nodes.pages;
}

uint64_t space_lost(const struct store *s)
{
	uint64_t known = first_page(s) + s->meta.used_pages + space_known_free(s) + s->quarantine.pages +
			 s->quarantine_nodes.pages;

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
		add_free(s, scan->base + start, i - start);
		start = i + 1;
	}
	if (left > SCAN_BITS)
		add_free(s, scan->base + SCAN_BITS, scan->next - scan->base - SCAN_BITS);
}

int space_scan(struct store *s)
{
	struct scan scan = {.base = first_page(s)};
	uint64_t size;
	int r;

	if (s->quarantine.count > 0 || s->quarantine_nodes.count > 0 || s->changed || !s->durable || space_is_held(s))
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
	forget_free(s);
	for (; r == 0 && scan.base < s->meta.total_pages; scan.base = scan.next) {
		memset(scan.bits, 0, SCAN_BITS / 8);
		scan.next = s->meta.total_pages;
		r = tree_walk(s, mark, &scan);
		if (r == 0)
			collect(s, &scan);
	}
	if (r < 0)
		forget_free(s);
	s->node_limit = STORE_MAX_NODES;
	free(scan.bits);
	return r;
}

bool space_fits(const struct store *s, uint64_t n)
{
	return ring_fits(&s->free, n) || (n < chunk_pages(s) && set_fits(&s->free_nodes, n));
}

void space_cut(struct store *s, uint64_t end)
{
	ring_cut(&s->free, end);
	set_cut(&s->free_nodes, end);
}

static int punch(struct store *s, const struct extent *e)
{
	return s->env.io->punch(s->env.handle, e->page << FORMAT_PAGE_SHIFT, e->count << FORMAT_PAGE_SHIFT);
}

int space_punch(struct store *s)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < s->free.count; i++)
		r = punch(s, ring_at(&s->free, i));
	for (uint32_t i = 0; r == 0 && i < s->free_nodes.count; i++)
		r = punch(s, &s->free_nodes.items[i]);
	return r == -EOPNOTSUPP || r == -ENOSYS ? 0 : r; /* a file system that cannot is no error */
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
	free(s->free_nodes.items);
	free(s->quarantine_nodes.items);
	free(s->fresh.items);
}
