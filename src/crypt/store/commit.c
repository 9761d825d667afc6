/* SPDX-License-Identifier: Apache-2.0 */
/* From what is in memory to a version on the disk: the nine rules of docs/FORMAT.md. */
#include <errno.h>
#include <string.h>

#include "crypt/store/slot.h"

#define BODY_LISTS 96 /* bytes of a body before its lists */
#define EXTENT     12
#define WASTE_MIN  256 /* pages, 1 MiB: less is not looked for */

/* All that was written since the durable version is encrypted afresh, into other pages (rule 5). */
static int renew(struct store *s, void *data, uint8_t level, uint64_t index, const struct entry *e, int read_error)
{
	(void)data;
	if (!space_is_fresh(s, e->page))
		return 1;
	if (read_error)
		return read_error;
	if (level > 0) {
		tree_touch(s, level, index);
		return 0;
	}
	return chunk_renew(s, index);
}

static int write_afresh(struct store *s)
{
	int r;

	s->named_count = 0;
	s->named_overflow = false;
	r = chunk_flush(s);
	if (r == 0)
		r = tree_flush(s); /* so that each node's entry says whether it is fresh */
	if (r == 0)
		r = tree_walk(s, renew, NULL);
	if (r == 0)
		s->failed = false;
	return r;
}

static int sync_disk(struct store *s)
{
	int r = s->env.io->sync(s->env.handle);

	if (r < 0) {
		s->failed = RULE(5);
		s->durable = false;
		return r;
	}
	s->named_count = 0;
	s->named_overflow = false;
	return 0;
}

/* Does the content belong into the slot? Not if that would need a read of a chunk that has not changed. */
static bool is_for_slot(struct store *s)
{
	struct chunk *c = s->chunks ? chunk_find(s, 0) : NULL;

	return s->meta.size <= store_inline_max(s) &&
	       (s->meta.flags & META_INLINE || (c && c->dirty) || s->meta.used_pages == 0);
}

static int put_inline(struct store *s)
{
	struct chunk *c = s->chunks ? chunk_find(s, 0) : NULL;
	int r;

	if (c && c->dirty) {
		memcpy(s->inline_bytes, c->bytes, c->len);
		s->meta.payload = c->len;
	} else if (!(s->meta.flags & META_INLINE)) {
		s->meta.payload = 0;
	}
	r = tree_cut(s, 0, UINT64_MAX);
	if (r < 0)
		return r;
	tree_forget(s);
	s->meta.height = 0;
	s->meta.flags |= META_INLINE;
	if (c)
		chunk_clean(s, c);
	return 0;
}

/*
 * Everything dirty to the disk, in no order. SOON: it will be synced, and while the disk writes the chunks the nodes and the
 * slot are made.
 */
static int write_pages(struct store *s, bool soon)
{
	bool chunks = s->dirty_chunks > 0;
	int r;

	if (is_for_slot(s))
		return put_inline(s);
	r = chunk_flush(s);
	/* Without nodes there is only the slot to be made: less than it costs to let the disk begin. */
	if (r == 0 && soon && chunks && s->meta.height > 0 && s->env.io->begin)
		s->env.io->begin(s->env.handle);
	return r < 0 ? r : tree_flush(s);
}

/* The lists of the meta, which are made for each version. */
static void fill_meta(struct store *s)
{
	struct meta *m = &s->meta;
	size_t room;

	if (!(m->flags & META_INLINE)) {
		m->payload = s->slot->root_entries;
		while (m->payload > 0 && m->root[m->payload - 1].page == 0)
			m->payload--;
	}
	m->named_count = 0;
	/* Content in the slot refers to no pages; and there would be no room for names beside it. */
	for (unsigned i = 0; i < s->named_count && !(m->flags & META_INLINE); i++)
		if (s->named[i].level <= m->height) /* a tree that was cut has lost levels */
			m->named[m->named_count++] = s->named[i];
	room = slot_size(s) - FORMAT_HEAD - BODY_LISTS - m->named_count * (size_t)8 -
	       (m->flags & META_INLINE ? m->payload : m->payload * (size_t)FORMAT_ENTRY);
	m->extent_count =
		space_note(s, m->extents, room / EXTENT < s->slot->extents ? (unsigned)(room / EXTENT) : s->slot->extents);
}

/* Nothing changed since the last version, but it may not be on the disk yet. */
static int make_durable(struct store *s)
{
	int r;

	/* A file without a byte is an empty one; zeros could be somebody's plain file. */
	if (s->is_new && !s->synced)
		return s->env.io->sync(s->env.handle);
	if (!s->synced || s->is_new)
		return page_prepare(s);
	r = s->env.io->sync(s->env.handle);
	if (r < 0) {
		s->failed = true;
		return r;
	}
	s->named_count = 0;
	s->named_overflow = false;
	s->durable = true;
	s->durable_slot = s->newest_slot;
	space_durable(s);
	return 0;
}

/* The version in memory into the slot that does not hold the last durable one (rule 3). */
static int write_version(struct store *s, uint16_t extra_flags)
{
	int which = !RULE(3) ? (int)((s->highest + 1) % 2) : s->durable_slot >= 0 ? !s->durable_slot : 0;
	uint16_t flags = s->meta.flags;
	int r = s->just_made ? 0 : slots_compare(s);

	if (r == 0 && s->highest >= FORMAT_MAX_SEQUENCE)
		r = -EOVERFLOW;
	if (r < 0)
		return r;
	s->meta.sequence = ++s->highest;
	s->meta.flags = (uint16_t)((flags & ~META_SEALED) | extra_flags);
	r = slot_write(s, which, s->inline_bytes);
	if (r < 0) {
		s->meta.flags = flags;
		return r;
	}
	/* A second version falls back to this one, on the disk or not: the first is never overwritten by it. */
	if (s->durable_slot < 0)
		s->durable_slot = which;
	s->newest_slot = which;
	s->is_new = s->just_made = s->changed = s->durable = false;
	s->meta.flags &= (uint16_t)~META_FIRST;
	s->is_first = false;
	return 0;
}

/*
 * Data is about to be synced before there is a version: were the slot still zeros after a power loss, nobody could tell the
 * file from a plain one that begins with zeros. So the empty version goes to the disk with the data.
 */
static int write_empty_version(struct store *s)
{
	struct meta *kept = malloc(sizeof(*kept));
	int r;

	if (!kept)
		return -ENOMEM;
	*kept = s->meta;
	memset(&s->meta, 0, sizeof(s->meta));
	s->meta.total_pages = first_page(s);
	s->meta.flags = META_INLINE;
	r = write_version(s, META_FIRST | META_SEALED);
	kept->sequence = s->meta.sequence;
	s->meta = *kept;
	s->changed = true;
	free(kept);
	return r;
}

/* A first version that is small, and without nodes: it and its pages can be one write. */
static bool can_gather(struct store *s)
{
	return s->is_new && !s->failed && s->meta.used_pages == 0 && s->meta.total_pages == first_page(s) && s->dirty_chunks > 0 &&
	       s->dirty_chunks <= STORE_GATHER && s->meta.size <= s->slot->root_entries * s->chunk_size && !is_for_slot(s);
}

static int gather(struct store *s, struct chunk *dirty[STORE_GATHER])
{
	size_t n = 0;

	memset(dirty, 0, STORE_GATHER * sizeof(*dirty));
	if (!can_gather(s))
		return 0;
	for (uint32_t i = 0; i < s->chunk_slots; i++)
		if (s->chunks[i].used && s->chunks[i].dirty)
			dirty[n++] = &s->chunks[i];
	s->gathered_len = (size_t)(2 * slot_size(s));
	s->gathered = calloc(1, s->gathered_len + n * s->chunk_size);
	return s->gathered ? 0 : -ENOMEM;
}

/* What did not reach the disk is in memory still. */
static void ungather(struct store *s, struct chunk *dirty[STORE_GATHER], int error)
{
	if (!s->gathered)
		return;
	free(TAKE_PTR(s->gathered));
	for (size_t i = 0; error < 0 && i < STORE_GATHER && dirty[i]; i++)
		chunk_touch(s, dirty[i]);
}

static int write_commit(struct store *s, bool durable)
{
	struct chunk *dirty[STORE_GATHER];
	bool first;
	int r = gather(s, dirty);

	if (r == 0)
		r = write_pages(s, durable && !s->gathered);
	if (r == 0 && s->named_overflow && s->is_new)
		r = write_empty_version(s);
	if (r == 0 && s->named_overflow && RULE(21))
		r = sync_disk(s);
	if (r == 0) {
		fill_meta(s);
		first = s->is_new || (s->is_first && s->durable_slot < 0);
		/* A first version within its slot refers to nothing that could be missing. */
		r = write_version(s, first ? META_FIRST | (s->meta.flags & META_INLINE ? META_SEALED : 0) : 0);
	}
	ungather(s, dirty, r);
	return r;
}

int store_commit(struct store *s, bool durable)
{
	int r;

	if (s->mode != STORE_WRITE)
		return -EBADF;
	if (s->broken)
		return s->broken;
	if (!store_is_dirty(s) && !s->failed)
		return !durable || s->durable ? 0 : make_durable(s);
	if (s->synced)
		s->just_made = false; /* some time has passed since it was empty */
	s->gathers = can_gather(s);
	r = page_prepare(s);
	s->gathers = false;
	if (r == 0 && !s->is_new)
		r = slots_compare(s); /* another writer's pages may stand where ours would go */
	if (r == 0 && s->failed)
		r = write_afresh(s);
	if (r == 0)
		r = write_commit(s, durable);
	if (!RULE(2))
		s->named_count = 0;
	if (r < 0 || !durable)
		return r;
	r = sync_disk(s);
	if (r < 0)
		return r;
	s->durable_slot = s->newest_slot;
	s->durable = true;
	space_durable(s);
	if (space_lost(s) > WASTE_MIN && space_lost(s) > s->meta.used_pages / 4)
		space_scan(s); /* what cannot be had now is looked for another time */
	return 0;
}

int store_seal(struct store *s)
{
	uint8_t old_slot;
	int r;

	if (s->mode != STORE_WRITE || s->is_new || s->broken || s->failed || (!s->durable && RULE(81)) || store_is_dirty(s) ||
	    s->meta.flags & META_SEALED)
		return 0;
	fill_meta(s);
	old_slot = (uint8_t)s->durable_slot;
	r = write_version(s, META_SEALED);
	if (r < 0)
		return r;
	/* The same version: what the next one must not overwrite is the slot that has been synced. */
	s->durable = true;
	s->durable_slot = old_slot;
	space_tidy(s);
	return 0;
}

bool store_is_dirty(const struct store *s)
{
	return s->changed || s->dirty_chunks > 0;
}
