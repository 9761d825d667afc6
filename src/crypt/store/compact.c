/* SPDX-License-Identifier: Apache-2.0 */
/* Space back to the file system: what stands at the end moves into free pages before it, then the end is cut. */
#include <errno.h>

#include "crypt/store/internal.h"

#define PASSES 4 /* free pages that are too few for a chunk in one place may be enough after a pass */

struct moving {
	uint64_t limit; /* what stands at or behind this page moves */
	uint64_t end;   /* behind the last page in use */
	uint64_t moved;
};

static int find_end(struct store *s, void *data, uint8_t level, uint64_t index, const struct entry *e, int read_error)
{
	struct moving *m = data;

	(void)s, (void)level, (void)index;
	if (read_error)
		return read_error;
	if (e->page + pages_of(e->len) > m->end)
		m->end = e->page + pages_of(e->len);
	return 0;
}

static int move(struct store *s, void *data, uint8_t level, uint64_t index, const struct entry *e, int read_error)
{
	struct moving *m = data;

	if (read_error)
		return read_error;
	if (e->page + pages_of(e->len) <= m->limit || !space_fits(s, pages_of(e->len), m->limit))
		return 0;
	m->moved++;
	if (level > 0) {
		tree_touch(s, level, index);
		return 0;
	}
	return chunk_renew(s, index);
}

/* One pass. 1: something moved. */
static int move_down(struct store *s)
{
	struct moving m = {.limit = first_page(s) + s->meta.used_pages};
	int r = space_scan(s);

	if (r == 0)
		r = tree_walk(s, move, &m);
	if (r < 0 || m.moved == 0)
		return r;
	r = store_commit(s, true);
	return r < 0 ? r : 1;
}

static int cut_end(struct store *s)
{
	struct moving m = {.end = first_page(s)};
	int r = tree_walk(s, find_end, &m);

	if (r < 0 || m.end >= s->meta.total_pages)
		return r;
	s->meta.total_pages = m.end;
	space_cut(s, m.end);
	s->changed = true;
	r = store_commit(s, true);
	if (r == 0 && space_is_held(s))
		r = -EBUSY;
	if (r == 0)
		r = s->env.io->resize(s->env.handle, m.end << FORMAT_PAGE_SHIFT);
	return r;
}

int store_compact(struct store *s)
{
	int r = 0;

	if (s->mode != STORE_WRITE)
		return -EBADF;
	if (store_is_dirty(s) || !s->durable || s->failed || s->is_new)
		return s->is_new ? 0 : -EBUSY;
	for (int pass = 0; pass < PASSES; pass++) {
		r = move_down(s);
		if (r <= 0)
			break;
	}
	if (r >= 0)
		r = space_scan(s);
	if (r == 0)
		r = cut_end(s);
	if (r == 0)
		r = space_punch(s);
	return r;
}
