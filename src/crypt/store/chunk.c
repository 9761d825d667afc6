/* SPDX-License-Identifier: Apache-2.0 */
/* The chunks that are in memory, and what reads and writes them. */
#include <errno.h>
#include <string.h>

#include "crypt/store/internal.h"

#define MIN_SLOTS 12
#define MAX_SLOTS 64
#define ONCE      8 /* clean chunks that were used once are kept: few, so that the processor has their memory at hand */
#define RENEWED   10 /* chunks that are written anew together */

struct chunk *chunk_find(struct store *s, uint64_t index)
{
	for (uint32_t i = 0; i < s->chunk_slots; i++)
		if (s->chunks[i].index == index && s->chunks[i].used)
			return &s->chunks[i];
	return NULL;
}

void chunk_touch(struct store *s, struct chunk *c)
{
	if (!c->dirty)
		s->dirty_chunks++;
	c->dirty = true;
	s->changed = true;
}

void chunk_clean(struct store *s, struct chunk *c)
{
	if (c->dirty)
		s->dirty_chunks--;
	c->dirty = false;
}

void chunk_forget(struct store *s, uint64_t first, uint64_t last)
{
	for (uint32_t i = 0; i < s->chunk_slots; i++) {
		struct chunk *c = &s->chunks[i];

		if (!c->used || c->index < first || c->index > last)
			continue;
		chunk_clean(s, c);
		c->used = false;
	}
}

static int make_slots(struct store *s)
{
	uint64_t n = STORE_MAX_CACHE / s->chunk_size;

	n = n < MIN_SLOTS ? MIN_SLOTS : n > MAX_SLOTS ? MAX_SLOTS : n;
	s->chunks = calloc(n, sizeof(*s->chunks));
	if (!s->chunks)
		return -ENOMEM;
	s->chunk_slots = (uint32_t)n;
	return 0;
}

/* Where one more may stand: in the place of one that was used once, in a free one, or of the one not used for longest. */
static struct chunk *choose_place(const struct store *s)
{
	struct chunk *unused = NULL, *once = NULL, *oldest = NULL;
	unsigned count = 0;

	for (uint32_t i = 0; i < s->chunk_slots; i++) {
		struct chunk *c = &s->chunks[i];

		if (!c->used) {
			unused = unused ? unused : c;
			continue;
		}
		if (c->dirty)
			continue;
		if (!oldest || c->stamp < oldest->stamp)
			oldest = c;
		if (c->again)
			continue;
		count++;
		if (!once || c->stamp < once->stamp)
			once = c;
	}
	return count >= ONCE ? once : unused ? unused : oldest;
}

/* A place for one more. */
static int find_place(struct store *s, struct chunk **ret_chunk)
{
	for (int attempt = 0; attempt < 2; attempt++) {
		struct chunk *best = choose_place(s);
		int r;

		if (best) {
			if (!best->bytes)
				best->bytes = malloc(s->chunk_size);
			if (!best->bytes)
				return -ENOMEM;
			best->used = false;
			*ret_chunk = best;
			return 0;
		}
		r = chunk_flush(s);
		if (r < 0)
			return r;
	}
	return -ENOMEM;
}

/* Fill C with what the file holds for it. */
static int fill(struct store *s, struct chunk *c, uint64_t index, const struct entry *e)
{
	uint32_t len = 0;

	if (s->meta.flags & META_INLINE) {
		len = index == 0 ? s->meta.payload : 0;
		memcpy(c->bytes, s->inline_bytes, len);
	} else if (e->page) {
		int r = page_read(s, KIND_CHUNK, 0, index, e, c->bytes);

		if (r < 0)
			return r;
		len = e->len;
	}
	memset(c->bytes + len, 0, s->chunk_size - len);
	*c = (struct chunk){.index = index, .len = len, .used = true, .bytes = c->bytes};
	return 0;
}

int chunk_load(struct store *s, uint64_t index, bool make, struct chunk **ret_chunk)
{
	struct chunk *c = s->chunks ? chunk_find(s, index) : NULL;
	struct entry e = {0};
	int r = 0;

	if (!c) {
		if (!(s->meta.flags & META_INLINE))
			r = tree_get(s, 0, index, &e);
		if (r == 0 && e.page == 0 && !make && !((s->meta.flags & META_INLINE) && index == 0)) {
			*ret_chunk = NULL;
			return 0;
		}
		if (r == 0 && !s->chunks)
			r = make_slots(s);
		if (r == 0)
			r = find_place(s, &c);
		/* Making room may write other chunks and nodes: where this one stands is as it was. */
		if (r == 0)
			r = fill(s, c, index, &e);
		if (r < 0)
			return r;
	} else {
		c->again = true;
	}
	c->stamp = ++s->clock;
	*ret_chunk = c;
	return 0;
}

/* A chunk of which nothing old will be left. */
static int chunk_new(struct store *s, uint64_t index, struct chunk **ret_chunk)
{
	struct chunk *c = s->chunks ? chunk_find(s, index) : NULL;
	int r = 0;

	if (!c) {
		if (!s->chunks)
			r = make_slots(s);
		if (r == 0)
			r = find_place(s, &c);
		if (r < 0)
			return r;
		*c = (struct chunk){.index = index, .used = true, .bytes = c->bytes};
	}
	c->stamp = ++s->clock;
	*ret_chunk = c;
	return 0;
}

/* The dirty chunks by index. */
static unsigned collect_dirty(struct store *s, struct chunk **ret_dirty)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < s->chunk_slots; i++) {
		struct chunk *c = &s->chunks[i];
		unsigned at;

		if (!c->used || !c->dirty)
			continue;
		for (at = n++; at > 0 && ret_dirty[at - 1]->index > c->index; at--)
			ret_dirty[at] = ret_dirty[at - 1];
		ret_dirty[at] = c;
	}
	return n;
}

int chunk_leave_slot(struct store *s)
{
	struct chunk *c;
	int r;

	if (!(s->meta.flags & META_INLINE))
		return 0;
	r = chunk_load(s, 0, true, &c);
	if (r < 0)
		return r;
	chunk_touch(s, c);
	s->meta.flags &= (uint16_t)~META_INLINE;
	return 0;
}

int chunk_flush(struct store *s)
{
	struct chunk *dirty[MAX_SLOTS];
	unsigned n = collect_dirty(s, dirty), filled = 0;

	for (unsigned i = 0; i < n; i++) {
		int r;

		if (dirty[i]->len > 0) {
			dirty[filled++] = dirty[i];
			continue;
		}
		r = tree_set(s, 0, dirty[i]->index, NULL);
		if (r < 0)
			return r;
		chunk_clean(s, dirty[i]);
	}
	return bulk_write_chunks(s, dirty, filled);
}

int chunk_renew(struct store *s, uint64_t index)
{
	struct chunk *c;
	int r = chunk_load(s, index, true, &c);

	if (r < 0)
		return r;
	chunk_touch(s, c);
	return s->dirty_chunks >= RENEWED ? chunk_flush(s) : 0;
}

unsigned chunk_run(struct store *s, uint64_t index, uint64_t limit)
{
	unsigned n = 0;

	if (s->meta.flags & META_INLINE)
		return 0;
	while (n < STORE_WINDOW && n < limit && !(s->chunks && chunk_find(s, index + n)))
		n++;
	return n;
}

/* LEFT bytes from AT of chunk INDEX on: as many of them as belong to it. */
static int read_within(struct store *s, uint64_t index, size_t at, size_t n, uint8_t *to)
{
	struct chunk *c = s->chunks ? chunk_find(s, index) : NULL;
	struct entry e;
	int r;

	if (!c && at == 0 && !(s->meta.flags & META_INLINE)) {
		r = tree_get(s, 0, index, &e);
		if (r < 0)
			return r;
		if (e.page && e.len <= n) {
			/* All of it is wanted: no copy. */
			r = page_read(s, KIND_CHUNK, 0, index, &e, to);
			memset(to + e.len, 0, n - e.len);
			return r;
		}
	}
	if (c)
		c->again = true;
	r = c ? 0 : chunk_load(s, index, false, &c);
	if (r < 0)
		return r;
	if (!c) {
		memset(to, 0, n);
		return 0;
	}
	memcpy(to, c->bytes + at, n);
	c->stamp = ++s->clock;
	return 0;
}

ssize_t store_read(struct store *s, void *bytes, size_t len, uint64_t offset)
{
	uint8_t *to = bytes;
	size_t left;

	if (offset >= s->meta.size || len == 0)
		return 0;
	if (len > s->meta.size - offset)
		len = (size_t)(s->meta.size - offset);
	for (left = len; left > 0;) {
		uint64_t index = offset / s->chunk_size;
		size_t at = (size_t)(offset % s->chunk_size);
		size_t n = s->chunk_size - at < left ? (size_t)(s->chunk_size - at) : left;
		unsigned run = at == 0 && left >= STORE_BULK * s->chunk_size ? chunk_run(s, index, left / s->chunk_size) : 0;
		int r;

		if (run >= STORE_BULK) {
			n = run * s->chunk_size;
			r = bulk_read(s, index, run, &(struct plain){.bytes = to});
		} else {
			r = read_within(s, index, at, n, to);
		}
		if (r < 0) {
			memset(bytes, 0, len);
			return r;
		}
		to += n;
		offset += n;
		left -= n;
	}
	return (ssize_t)len;
}

/* Whole chunks that come at once. Returns how many were taken. */
static int write_run(struct store *s, const uint8_t *from, size_t len, uint64_t index)
{
	uint64_t n = len / s->chunk_size < STORE_WINDOW ? len / s->chunk_size : STORE_WINDOW;
	struct plain plain = {.bytes = (uint8_t *)from}; /* not written to */
	unsigned done;
	int r = bulk_write(s, index, (unsigned)n, &plain, &done);

	return r < 0 ? r : (int)done;
}

/* The part of one chunk. */
static int write_within(struct store *s, const uint8_t *from, size_t n, uint64_t index, size_t at)
{
	struct chunk *c;
	int r = n == s->chunk_size ? chunk_new(s, index, &c) : chunk_load(s, index, true, &c);

	if (r < 0)
		return r;
	memcpy(c->bytes + at, from, n);
	if (at + n > c->len)
		c->len = (uint32_t)(at + n);
	chunk_touch(s, c);
	return 0;
}

int store_write(struct store *s, const void *bytes, size_t len, uint64_t offset)
{
	const uint8_t *from = bytes;

	if (s->mode != STORE_WRITE)
		return -EBADF;
	if (s->broken)
		return s->broken;
	if (offset > FORMAT_MAX_SIZE || len > FORMAT_MAX_SIZE - offset)
		return -EFBIG;
	if (offset + len > store_inline_max(s)) {
		int r = chunk_leave_slot(s);

		if (r < 0)
			return r;
	}
	while (len > 0) {
		uint64_t index = offset / s->chunk_size;
		size_t at = (size_t)(offset % s->chunk_size);
		size_t n = s->chunk_size - at < len ? (size_t)(s->chunk_size - at) : len;
		int r;

		if (at == 0 && len >= STORE_BULK * s->chunk_size) {
			r = write_run(s, from, len, index);
			n = r > 0 ? (size_t)r * s->chunk_size : 0;
		} else {
			r = write_within(s, from, n, index, at);
		}
		if (r < 0)
			return r;
		from += n;
		offset += n;
		len -= n;
		if (offset > s->meta.size)
			s->meta.size = offset;
	}
	return 0;
}

/* Zeros from AT to END of a chunk. */
static int zero_part(struct store *s, uint64_t index, uint64_t at, uint64_t end)
{
	struct chunk *c;
	int r = chunk_load(s, index, false, &c);

	if (r < 0 || !c || at >= c->len)
		return r;
	if (end >= c->len)
		c->len = (uint32_t)at;
	memset(c->bytes + at, 0, (size_t)(end - at));
	chunk_touch(s, c);
	return 0;
}

/* Remove the chunks FIRST..LAST. */
static int remove_chunks(struct store *s, uint64_t first, uint64_t last)
{
	int r;

	chunk_forget(s, first, last);
	if (first == 0 && s->meta.flags & META_INLINE) {
		s->meta.payload = 0;
		s->changed = true;
	}
	r = tree_cut(s, first, last);
	if (r == 0 && first == 0 && last == UINT64_MAX) {
		tree_forget(s);
		s->meta.height = 0;
	}
	return r;
}

int store_truncate(struct store *s, uint64_t size)
{
	uint64_t index = size / s->chunk_size, at = size % s->chunk_size;
	int r = 0;

	if (s->mode != STORE_WRITE)
		return -EBADF;
	if (s->broken)
		return s->broken;
	if (size > FORMAT_MAX_SIZE)
		return -EFBIG;
	if (size == s->meta.size)
		return 0;
	if (size > store_inline_max(s))
		r = chunk_leave_slot(s);
	if (r < 0)
		return r;
	if (size < s->meta.size) {
		if (at > 0)
			r = zero_part(s, index, at, s->chunk_size);
		if (r == 0)
			r = remove_chunks(s, index + (at > 0), UINT64_MAX);
		if (r < 0)
			return r;
	}
	s->meta.size = size;
	s->changed = true;
	return 0;
}

int store_punch(struct store *s, uint64_t offset, uint64_t len)
{
	uint64_t end, first, last, at;
	int r = 0;

	if (s->mode != STORE_WRITE)
		return -EBADF;
	if (s->broken)
		return s->broken;
	if (offset >= s->meta.size || len == 0)
		return 0;
	end = len < s->meta.size - offset ? offset + len : s->meta.size;
	first = offset / s->chunk_size;
	last = (end - 1) / s->chunk_size;
	at = offset % s->chunk_size;
	if (first == last && (at > 0 || (end % s->chunk_size != 0 && end < s->meta.size)))
		return zero_part(s, first, at, end - first * s->chunk_size);
	if (at > 0)
		r = zero_part(s, first++, at, s->chunk_size);
	if (r == 0 && end % s->chunk_size != 0 && end < s->meta.size)
		r = zero_part(s, last--, 0, end % s->chunk_size);
	/* LAST may lie before 0 only when FIRST lies behind it. */
	if (r == 0 && first <= last && last != UINT64_MAX)
		r = remove_chunks(s, first, last);
	return r;
}

static int seek(struct store *s, uint64_t offset, bool data, uint64_t *ret_offset)
{
	uint64_t limit = s->meta.size / s->chunk_size + (s->meta.size % s->chunk_size != 0);
	uint64_t index = offset / s->chunk_size, found;
	int r;

	if (offset >= s->meta.size)
		return -ENXIO;
	for (;; index = found + 1) {
		struct chunk *c;

		if (index >= limit) {
			found = limit;
			break;
		}
		if (s->meta.flags & META_INLINE) {
			found = data ? index : limit;
			r = 0;
		} else {
			r = tree_seek(s, index, limit, data, &found);
		}
		if (r < 0)
			return r;
		/* Chunks in memory are not in the tree yet. */
		for (uint32_t i = 0; data && i < s->chunk_slots; i++)
			if (s->chunks[i].used && s->chunks[i].dirty && s->chunks[i].len > 0 && s->chunks[i].index >= index &&
			    s->chunks[i].index < found)
				found = s->chunks[i].index;
		c = s->chunks && found < limit ? chunk_find(s, found) : NULL;
		if (!c || !c->dirty || (c->len > 0) == data || found >= limit)
			break;
	}
	if (data && found >= limit)
		return -ENXIO;
	found = found >= limit ? s->meta.size : found * s->chunk_size;
	*ret_offset = found > offset ? found : offset;
	return 0;
}

int store_seek_data(struct store *s, uint64_t offset, uint64_t *ret_offset)
{
	return seek(s, offset, true, ret_offset);
}

int store_seek_hole(struct store *s, uint64_t offset, uint64_t *ret_offset)
{
	return seek(s, offset, false, ret_offset);
}
