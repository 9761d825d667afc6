/* SPDX-License-Identifier: Apache-2.0 */
/* Space back to the file system: what stands at the end moves into free pages before it, then the end is cut. */
#include <errno.h>

#include "crypt/store/internal.h"

struct moving {
	uint64_t limit; /* what stands at or behind this page moves */
	uint64_t moved;
};

static int find_end(struct store *s, void *data, uint8_t level, uint64_t index, const struct entry *e, int read_error)
{
	uint64_t *end = data;

	(void)s, (void)level, (void)index;
	if (read_error)
		return read_error;
	if (e->page + pages_of(e->len) > *end)
		*end = e->page + pages_of(e->len);
	return 0;
}

/*
 * The places are taken at once, or, by nodes, when they are written; each node that is dirty by then needs one page. What
 * would need more than there is stays where it is: so nothing is ever put behind the end.
 */
static int move(struct store *s, void *data, uint8_t level, uint64_t index, const struct entry *e, int read_error)
{
	struct moving *m = data;
	uint64_t needs = level > 0 ? 0 : pages_of(e->len);
	int r;

	if (read_error)
		return read_error;
	if (e->page + pages_of(e->len) <= m->limit || (level == 0 && !space_fits(s, needs)) ||
	    space_known_free(s) < needs + s->dirty_nodes + s->meta.height)
		return 0;
	m->moved++;
	if (level > 0) {
		tree_touch(s, level, index);
		return 0;
	}
	r = chunk_renew(s, index);
	return r < 0 ? r : chunk_flush(s);
}

/* One pass: what stands behind what is needed, and MORE pages, moves before that. */
static int move_down(struct store *s, uint64_t more)
{
	struct moving m = {.limit = first_page(s) + s->meta.used_pages + more};
	int r = space_scan(s);

	if (r < 0)
		return r;
	space_cut(s, m.limit);
	s->packing = true;
	r = tree_walk(s, move, &m);
	if (r == 0 && m.moved > 0)
		r = store_commit(s, true);
	s->packing = false;
	return r;
}

static int cut_end(struct store *s)
{
	uint64_t end = first_page(s);
	int r = tree_walk(s, find_end, &end);

	if (r < 0 || end >= s->meta.total_pages)
		return r;
	s->meta.total_pages = end;
	space_cut(s, end);
	s->changed = true;
	r = store_commit(s, true);
	if (r == 0 && space_is_held(s))
		r = -EBUSY;
	if (r == 0)
		r = s->env.io->resize(s->env.handle, end << FORMAT_PAGE_SHIFT);
	return r;
}

/*
 * What moves takes the nodes above it along, which also want places before the limit. So the first pass leaves room for all
 * of them; what is free then, in the place of those that were replaced, is enough for the few pieces that are left behind.
 */
static int move_all(struct store *s)
{
	uint64_t few = s->meta.height + (s->chunk_size >> FORMAT_PAGE_SHIFT), more[] = {s->meta.used_pages / 64 + few, few, few, 0};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(more); i++)
		r = move_down(s, more[i]);
	return r;
}

int store_compact(struct store *s)
{
	int r;

	if (s->mode != STORE_WRITE)
		return -EBADF;
	if (store_is_dirty(s) || !s->durable || s->failed || s->is_new)
		return s->is_new ? 0 : -EBUSY;
	r = move_all(s);
	if (r == 0)
		r = space_scan(s);
	if (r == 0)
		r = cut_end(s);
	if (r == 0)
		r = space_punch(s);
	return r;
}
