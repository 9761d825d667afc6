/* SPDX-License-Identifier: Apache-2.0 */
/* Which version of the file stands. */
#include <errno.h>
#include <string.h>

#include "crypt/random.h"
#include "crypt/store/slot.h"

#define DEFAULT_SLOT  12
#define DEFAULT_CHUNK 14

/* More versions than are written without a sync. */
#define SKIP (UINT64_C(1) << 32)

/* One of the two slots as it was found. */
struct candidate {
	int error;         /* 0: it authenticates */
	struct head head;
	struct xaes *xaes;
	struct meta meta;
	uint8_t inline_bytes[FORMAT_MAX_SLOT];
};

struct opening {
	struct candidate slots[2]; /* all but `error` and `xaes` is set where `error` is 0 alone */
	const uint8_t *at[2];
	uint8_t bytes[2 * FORMAT_MAX_SLOT];
};

/* Not zeros: that would take as long as to look at what is there. */
static struct opening *opening_new(void)
{
	struct opening *o = malloc(sizeof(*o));

	for (int i = 0; o && i < 2; i++) {
		o->slots[i].error = -EBADMSG;
		o->slots[i].xaes = NULL;
	}
	return o;
}

static void adopt(struct store *s, const struct candidate *c, int which)
{
	s->head = c->head;
	s->slot = format_slot_find(c->head.slot_shift);
	s->chunk_size = UINT64_C(1) << c->head.chunk_shift;
	s->meta = c->meta;
	s->meta.flags &= (uint16_t)~META_FIRST;
	s->is_first = c->meta.flags & META_FIRST;
	s->newest_slot = which;
	memcpy(s->inline_bytes, c->inline_bytes, sizeof(s->inline_bytes));
}

/* Where slot 1 starts depends on the slots' size, which both heads tell; each is tried with its own. */
static void decode_head(struct opening *o, int which, unsigned shift)
{
	struct candidate *c = &o->slots[which];

	o->at[which] = o->bytes + ((size_t)which << shift);
	xaes_free(TAKE_PTR(c->xaes));
	c->error = head_decode(o->at[which], &c->head);
	if (c->error == 0 && c->head.slot_shift != shift)
		c->error = -EBADMSG;
}

static int open_slot(struct store *s, struct opening *o, int which)
{
	struct candidate *c = &o->slots[which], *other = &o->slots[!which];

	if (c->error < 0)
		return 0;
	if (other->xaes && memcmp(o->at[0], o->at[1], FORMAT_CLEAR) == 0) {
		c->error = slot_open(other->xaes, &c->head, which, o->at[which], &c->meta, c->inline_bytes);
	} else {
		c->error = keys_open(&s->env, &c->head, &c->xaes);
		if (c->error == 0)
			c->error = slot_open(c->xaes, &c->head, which, o->at[which], &c->meta, c->inline_bytes);
	}
	/* What the machine lacks says nothing about the file. */
	return c->error == -ENOMEM || c->error == -EIO ? c->error : 0;
}

/* Both slots, if they are of this size. *RET_ANY: one of them says so. */
static int read_slots_of(struct store *s, struct opening *o, unsigned shift, bool *ret_any)
{
	int read = store_read_zeroed(s->env.io, s->env.handle, o->bytes, (size_t)2 << shift, 0);

	if (read < 0)
		return read;
	decode_head(o, 0, shift);
	decode_head(o, 1, shift);
	s->slot = format_slot_find(shift);
	*ret_any = o->slots[0].error == 0 || o->slots[1].error == 0;
	for (int which = 0; which < 2; which++) {
		int r = open_slot(s, o, which);

		if (r < 0)
			return r;
	}
	return 0;
}

/* Of the size that the first says it has, or the second; where none can be opened, what the first attempt found. */
static int read_slots(struct store *s, struct opening *o)
{
	static const unsigned shifts[] = {12, 13};
	unsigned likely = 0;

	for (size_t i = 0; i < ARRAY_LEN(shifts); i++) {
		bool any;
		int r = read_slots_of(s, o, shifts[i], &any);

		if (r < 0 || o->slots[0].error == 0 || o->slots[1].error == 0)
			return r;
		if (any && !likely)
			likely = shifts[i];
	}
	return likely && likely != s->slot->shift ? read_slots_of(s, o, likely, &(bool){false}) : 0;
}

/* Do the pages authenticate that may not have reached the disk (rule 6)? */
static int named_are_whole(struct store *s, const struct candidate *c, int which)
{
	uint8_t *bytes;
	int r = 0;

	if (c->meta.flags & META_SEALED || s->mode == STORE_SALVAGE || !RULE(6))
		return 0;
	adopt(s, c, which);
	bytes = malloc(s->chunk_size);
	if (!bytes)
		return -ENOMEM;
	for (unsigned i = 0; r == 0 && i < c->meta.named_count; i++) {
		const struct named *n = &c->meta.named[i];
		struct entry e;

		r = tree_get(s, n->level, n->index, &e);
		if (r == 0 && e.page)
			r = page_read(s, n->level ? KIND_NODE : KIND_CHUNK, n->level, n->index, &e, bytes);
	}
	free(bytes);
	tree_forget(s);
	return r;
}

/* The newest slot whose version is whole. */
static int choose(struct store *s, struct opening *o)
{
	int first = o->slots[0].error == 0 &&
				    (o->slots[1].error < 0 || o->slots[0].meta.sequence > o->slots[1].meta.sequence) ?
			    0 :
			    1;
	int last = -EBADMSG;

	for (int k = 0; k < 2; k++) {
		int which = k == 0 ? first : !first, r;
		struct candidate *c = &o->slots[which];

		if (c->error < 0)
			continue;
		if (c->meta.sequence > s->highest || !RULE(7))
			s->highest = c->meta.sequence;
		s->xaes = c->xaes ? c->xaes : o->slots[!which].xaes;
		r = named_are_whole(s, c, which);
		if (r == 0) {
			adopt(s, c, which);
			s->fell_back = k > 0;
			o->slots[0].xaes = o->slots[0].xaes == s->xaes ? NULL : o->slots[0].xaes;
			o->slots[1].xaes = o->slots[1].xaes == s->xaes ? NULL : o->slots[1].xaes;
			return 0;
		}
		if (r != -EBADMSG)
			return s->xaes = NULL, r;
		last = c->meta.flags & META_FIRST ? -ENOENT : -EBADMSG;
		s->fell_back = true;
	}
	s->xaes = NULL;
	return last;
}

/*
 * Rule 7, for versions that cannot be seen any more: there may have been some behind one that was not sealed, or in a slot that
 * was torn. At random, since it may happen again at this version.
 */
static int skip_sequences(struct store *s, const struct opening *o)
{
	bool torn = false;
	uint32_t more;
	int r;

	for (int i = 0; i < 2; i++)
		torn |= o->slots[i].error < 0 && !slot_is_zero(o->at[i], slot_size(s));
	if (s->mode != STORE_WRITE || !RULE(7) || (!torn && !s->fell_back && s->meta.flags & META_SEALED))
		return 0;
	r = s->env.random(&more, sizeof(more));
	if (r == 0)
		s->highest += SKIP + more;
	return r;
}

/* The errno of two slots of which none can be used. */
static int no_slot(const struct opening *o)
{
	static const int order[] = {-EBADMSG, -ENOKEY, -EPROTONOSUPPORT, -ENODATA};

	for (size_t i = 0; i < ARRAY_LEN(order); i++)
		if (o->slots[0].error == order[i] || o->slots[1].error == order[i])
			return order[i];
	return o->slots[0].error;
}

/* The file has no version yet. */
static int start_new(struct store *s, const struct store_layout *layout)
{
	unsigned slot = layout && layout->slot_shift ? layout->slot_shift : DEFAULT_SLOT;
	unsigned chunk = layout && layout->chunk_shift ? layout->chunk_shift : DEFAULT_CHUNK;

	s->slot = format_slot_find(slot);
	if (!s->slot || chunk < FORMAT_MIN_CHUNK || chunk > FORMAT_MAX_CHUNK)
		return -EINVAL;
	memset(&s->head, 0, sizeof(s->head));
	memset(&s->meta, 0, sizeof(s->meta));
	s->head.slot_shift = (uint8_t)slot;
	s->head.chunk_shift = (uint8_t)chunk;
	s->chunk_size = UINT64_C(1) << chunk;
	s->meta.total_pages = first_page(s);
	s->is_new = true;
	s->synced = false; /* what is left of a first version is to be removed first */
	s->newest_slot = s->durable_slot = -1;
	return s->mode == STORE_WRITE ? keys_make(s) : 0;
}

static int file_is_empty(struct store *s, const struct opening *o, uint64_t size, bool *ret_empty)
{
	*ret_empty = size == 0;
	if (size == 0 || !slot_is_zero(o->at[0], slot_size(s)) || !slot_is_zero(o->at[1], slot_size(s)))
		return 0;
	/* Zeros at the start: an empty one only if there is nothing else, else somebody overwrote the slots. */
	uint8_t bytes[FORMAT_PAGE];

	for (uint64_t at = 0; at < size; at += sizeof(bytes)) {
		int r = s->env.io->next_data ? s->env.io->next_data(s->env.handle, &at) : 0;

		if (r == -ENXIO)
			break;
		r = store_read_zeroed(s->env.io, s->env.handle, bytes, sizeof(bytes), at);

		if (r < 0)
			return r;
		if (!slot_is_zero(bytes, sizeof(bytes)))
			return 0;
	}
	*ret_empty = true;
	return 0;
}

static int open_existing(struct store *s, struct opening *o, const struct store_layout *layout)
{
	uint64_t size;
	bool empty = false;
	int r, error;

	if (o->slots[0].error == 0 || o->slots[1].error == 0) {
		r = choose(s, o);
		if (r == 0)
			return skip_sequences(s, o);
	} else {
		r = no_slot(o);
	}
	/* Only what has no version that stands is looked at closer. */
	error = s->env.io->size(s->env.handle, &size);
	if (error == 0 && o->slots[0].error < 0 && o->slots[1].error < 0)
		error = file_is_empty(s, o, size, &empty);
	if (error < 0)
		return error;
	if (empty)
		return start_new(s, layout);
	if ((r == -EBADMSG || r == -ENOKEY) && size >= slot_size(s) && o->slots[0].error < 0 && slot_never_whole(o->at[0], slot_size(s))) {
		/* No version ever became durable: that would be in slot 0, whole. */
		s->fell_back = true;
		r = -ENOENT;
	}
	if (r == -ENOENT)
		return start_new(s, layout);
	return r;
}

/* Has a slot been written since the last sync, so that what is read may not be on the disk (rule 6)? */
static bool needs_check(const struct opening *o)
{
	const struct candidate *c = o->slots;
	int top = c[0].error == 0 && (c[1].error < 0 || c[0].meta.sequence > c[1].meta.sequence) ? 0 : 1;

	return (c[0].error == 0 || c[1].error == 0) && !(c[top].meta.flags & META_SEALED);
}

static int find_version(struct store *s, const struct store_layout *layout)
{
	struct opening *o = opening_new();
	int r;

	if (!o)
		return -ENOMEM;
	r = read_slots(s, o);
	/* Who only reads may see what a power loss would take, as of any file. */
	if (r == 0 && s->mode != STORE_READ && needs_check(o)) {
		/* What the disk has, not what the cache shows: then look again. Where nothing can be written nothing waits. */
		r = RULE(1) ? s->env.io->sync(s->env.handle) : 0;
		s->synced = r == 0;
		if ((r == 0 || r == -EROFS || r == -EINVAL) && RULE(61))
			r = s->env.io->drop_cache(s->env.handle, UINT64_MAX);
		for (int i = 0; i < 2; i++)
			xaes_free(TAKE_PTR(o->slots[i].xaes));
		memset(o, 0, sizeof(*o));
		if (r == 0)
			r = read_slots(s, o);
	}
	if (r == 0)
		r = open_existing(s, o, layout);
	if (r == 0 && !s->is_new) {
		int spare = !s->newest_slot, error = o->slots[spare].error;
		/* A seal is written beside the version that it seals. Only the first one may stand alone. */
		bool alone = s->is_first || !(s->meta.flags & META_SEALED);

		s->spare_damaged = error < 0 && error != -ENOKEY &&
				   !(alone && slot_is_zero(o->at[spare], slot_size(s)));
	}
	for (int i = 0; r == 0 && i < 2; i++) {
		s->seen[i] = malloc(slot_size(s));
		if (!s->seen[i])
			r = -ENOMEM;
		else if (s->is_new) /* the slots may get another size */
			r = store_read_zeroed(s->env.io, s->env.handle, s->seen[i], slot_size(s), (uint64_t)i * slot_size(s));
		else
			memcpy(s->seen[i], o->at[i], slot_size(s));
		s->seen_known[i] = true;
	}
	for (int i = 0; i < 2; i++)
		xaes_free(o->slots[i].xaes);
	free(o);
	return r;
}

/* A file without a byte that only we have. */
static int start_made(struct store *s, const struct store_layout *layout)
{
	int r = start_new(s, layout);

	for (int i = 0; r == 0 && i < 2; i++) {
		s->seen[i] = calloc(1, slot_size(s));
		if (!s->seen[i])
			return -ENOMEM;
		s->seen_known[i] = true;
	}
	s->just_made = true;
	return r;
}

int store_open(const struct store_env *env, enum store_mode mode, const struct store_layout *layout,
	       struct store **ret_store)
{
	struct store *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->env = *env;
	if (!s->env.random)
		s->env.random = random_bytes;
	s->mode = mode;
	s->node_limit = STORE_MAX_NODES;
	s->newest_slot = s->durable_slot = -1;
	r = layout && layout->just_made && mode == STORE_WRITE ? start_made(s, layout) : find_version(s, layout);
	if (r == 0 && !s->is_new) {
		if (s->synced) {
			s->durable_slot = s->newest_slot;
			s->durable = true;
		}
		if (mode == STORE_WRITE)
			r = space_load(s, s->meta.extents, s->meta.extent_count);
	}
	if (r < 0) {
		store_free(s);
		return r;
	}
	*ret_store = s;
	return 0;
}

void store_free(struct store *s)
{
	if (!s)
		return;
	tree_forget(s);
	free(s->buckets);
	free(s->node_room);
	for (uint32_t i = 0; i < s->chunk_slots; i++)
		free(s->chunks[i].bytes);
	free(s->chunks);
	space_free(s);
	bulk_free(s);
	free(s->seen[0]);
	free(s->seen[1]);
	xaes_free(s->xaes);
	free(s);
}
