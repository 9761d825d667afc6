/* SPDX-License-Identifier: Apache-2.0 */
/* The tree of entries, and the nodes of it that are in memory. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crypt/store/internal.h"

#define BUCKETS 2048
#define FANOUT  FORMAT_NODE_ENTRIES

uint64_t tree_span(unsigned level)
{
	uint64_t span = 1;

	while (level-- > 0)
		if (__builtin_mul_overflow(span, (uint64_t)FANOUT, &span))
			return UINT64_MAX;
	return span;
}

static struct node **bucket(struct store *s, uint8_t level, uint64_t index)
{
	return &s->buckets[(index * 0x9E3779B97F4A7C15 + level) >> 53 & (BUCKETS - 1)];
}

static struct node *find(struct store *s, uint8_t level, uint64_t index)
{
	struct node *n = s->buckets ? *bucket(s, level, index) : NULL;

	while (n && (n->index != index || n->level != level))
		n = n->next;
	return n;
}

static void unlink_use(struct store *s, struct node *n)
{
	*(n->newer ? &n->newer->older : &s->newest) = n->older;
	*(n->older ? &n->older->newer : &s->oldest) = n->newer;
}

static void link_use(struct store *s, struct node *n)
{
	n->newer = NULL;
	n->older = s->newest;
	*(s->newest ? &s->newest->newer : &s->oldest) = n;
	s->newest = n;
}

/* What is above will be written anew with it. */
static void make_dirty(struct store *s, struct node *n)
{
	s->changed = true;
	for (; n && !n->dirty; n = n->parent) {
		n->dirty = true;
		n->next_dirty = s->dirty;
		n->dirty_at = &s->dirty;
		if (s->dirty)
			s->dirty->dirty_at = &n->next_dirty;
		s->dirty = n;
		s->dirty_nodes++;
	}
}

static void make_clean(struct store *s, struct node *n)
{
	if (!n->dirty)
		return;
	*n->dirty_at = n->next_dirty;
	if (n->next_dirty)
		n->next_dirty->dirty_at = n->dirty_at;
	n->dirty = false;
	s->dirty_nodes--;
}

static void forget(struct store *s, struct node *n)
{
	struct node **at = bucket(s, n->level, n->index);

	make_clean(s, n);
	while (*at != n)
		at = &(*at)->next;
	*at = n->next;
	unlink_use(s, n);
	if (n->parent)
		n->parent->children--;
	s->node_count--;
	free(s->spare);
	s->spare = n;
}

void tree_forget(struct store *s)
{
	while (s->newest) {
		struct node *n = s->newest;

		s->newest = n->older;
		free(n);
	}
	free(TAKE_PTR(s->spare));
	s->oldest = s->dirty = NULL;
	s->node_count = s->dirty_nodes = 0;
	if (s->buckets)
		memset(s->buckets, 0, BUCKETS * sizeof(struct node *));
}

/* Where the entry of (level, index) stands in memory: in PARENT, or in the root when that is NULL. */
static void entry_load(const struct store *s, const struct node *parent, uint64_t index, struct entry *ret_entry)
{
	if (parent)
		entry_decode(parent->bytes + index % FANOUT * FORMAT_ENTRY, ret_entry);
	else
		*ret_entry = s->meta.root[index];
}

static void entry_store(struct store *s, struct node *parent, uint64_t index, const struct entry *e)
{
	struct entry old;

	entry_load(s, parent, index, &old);
	if (old.page)
		space_drop(s, parent ? parent->level - 1 : s->meta.height, old.page, pages_of(old.len));
	make_dirty(s, parent);
	if (parent)
		entry_encode(e, parent->bytes + index % FANOUT * FORMAT_ENTRY);
	else
		s->meta.root[index] = *e;
}

/*
 * Encrypt the nodes and write them side by side to new pages. The entries come first, since a parent among them is to be
 * encrypted with those of its children; after an error these nodes are dirty still, and nothing follows such an entry while
 * the node is in memory.
 */
static int write_in_row(struct store *s, struct node *const *nodes, uint64_t n, uint64_t page)
{
	uint8_t nonces[STORE_NODE_BATCH][XAES_NONCE_SIZE];
	int r = s->env.random(nonces, n * sizeof(nonces[0]));

	for (uint64_t i = 0; i < n; i++) {
		struct entry e = {.page = page + i, .len = FORMAT_PAGE};

		memcpy(e.nonce, nonces[i], sizeof(e.nonce));
		if (r == 0)
			r = page_seal(s, s->xaes, KIND_NODE, nodes[i]->level, nodes[i]->index, nodes[i]->bytes, &e,
				      s->node_room + i * FORMAT_PAGE);
		if (r == 0)
			entry_store(s, nodes[i]->parent, nodes[i]->index, &e);
		else
			space_drop(s, nodes[i]->level, e.page, 1);
	}
	if (r == 0)
		r = store_write_all(s->env.io, s->env.handle, s->node_room, n * FORMAT_PAGE, page << FORMAT_PAGE_SHIFT);
	for (uint64_t i = 0; r == 0 && i < n; i++) {
		make_clean(s, nodes[i]);
		page_name(s, nodes[i]->level, nodes[i]->index);
	}
	return r;
}

/* The nodes, those of lower levels first. */
static int write_nodes(struct store *s, struct node *const *nodes, unsigned count)
{
	int r = page_prepare(s);

	if (r == 0 && !s->node_room)
		s->node_room = malloc((size_t)STORE_NODE_BATCH * FORMAT_PAGE);
	if (r == 0 && !s->node_room)
		r = -ENOMEM;
	while (r == 0 && count > 0) {
		uint64_t page, n;

		r = space_take_nodes(s, count < STORE_NODE_BATCH ? count : STORE_NODE_BATCH, &page, &n);
		if (r < 0)
			break;
		r = write_in_row(s, nodes, n, page);
		nodes += n;
		count -= (unsigned)n;
	}
	return r;
}

/*
 * Make room for one more: the oldest that has not been used since it was spared. Only nodes without children in memory can
 * go; there always are some, since the height is small.
 */
static int evict(struct store *s)
{
	struct node *n = s->oldest;

	for (struct node *newer; n && (n->used || n->children > 0); n = newer) {
		newer = n->newer;
		if (!n->used)
			continue;
		n->used = false;
		unlink_use(s, n);
		link_use(s, n);
		newer = newer ? newer : n;
	}
	if (!n)
		return -ENOMEM;
	if (n->dirty) {
		int r = write_nodes(s, &n, 1);

		if (r < 0)
			return r;
	}
	forget(s, n);
	return 0;
}

static struct node *insert(struct store *s, struct node *parent, uint8_t level, uint64_t index)
{
	struct node *n, **at;

	if (!s->buckets)
		s->buckets = calloc(BUCKETS, sizeof(struct node *));
	n = !s->buckets ? NULL : s->spare ? TAKE_PTR(s->spare) : malloc(sizeof(*n));
	if (!n)
		return NULL;
	memset(n, 0, offsetof(struct node, bytes));
	n->level = level;
	n->index = index;
	n->parent = parent;
	if (parent)
		parent->children++;
	at = bucket(s, level, index);
	n->next = *at;
	*at = n;
	link_use(s, n);
	s->node_count++;
	return n;
}

/*
 * The node (level, index). *RET_NODE NULL: there is none, unless MAKE. One step down from PARENT, which holds its entry.
 */
static int node_below(struct store *s, struct node *parent, uint8_t level, uint64_t index, bool make,
		      struct node **ret_node)
{
	struct node *n = find(s, level, index);
	struct entry e;
	int r;

	if (n) {
		n->used = true;
		*ret_node = n;
		return 0;
	}
	entry_load(s, parent, index, &e);
	if (e.page == 0 && !make) {
		*ret_node = NULL;
		return 0;
	}
	if (parent)
		parent->children++; /* it must not be the one that makes room */
	r = s->node_count >= s->node_limit ? evict(s) : 0;
	if (parent)
		parent->children--;
	if (r < 0)
		return r;
	n = insert(s, parent, level, index);
	if (!n)
		return -ENOMEM;
	if (e.page == 0) {
		memset(n->bytes, 0, sizeof(n->bytes));
		make_dirty(s, n);
	} else {
		r = e.len == FORMAT_PAGE ? page_read(s, KIND_NODE, level, index, &e, n->bytes) : -EBADMSG;
	}
	if (r < 0) {
		forget(s, n);
		return r;
	}
	*ret_node = n;
	return 0;
}

/*
 * The parent of (level, index) in *RET_PARENT, NULL being the root. *RET_THERE false: no such parent, so no such piece.
 */
static int parent_of(struct store *s, uint8_t level, uint64_t index, bool make, struct node **ret_parent, bool *ret_there)
{
	struct node *n = NULL;

	*ret_there = true;
	for (uint8_t at = s->meta.height; at > level; at--) {
		uint64_t at_index = index;
		int r;

		for (uint8_t k = at; k > level; k--)
			at_index /= FANOUT;
		r = node_below(s, n, at, at_index, make, &n);
		if (r < 0)
			return r;
		if (!n) {
			*ret_there = false;
			return 0;
		}
	}
	*ret_parent = n;
	return 0;
}

/* Is the piece within what the tree can hold now? */
static bool reaches(const struct store *s, uint8_t level, uint64_t index)
{
	uint64_t span = tree_span(s->meta.height - level);

	return level <= s->meta.height && index / span < s->slot->root_entries;
}

int tree_get(struct store *s, uint8_t level, uint64_t index, struct entry *ret_entry)
{
	struct node *parent = NULL;
	bool there;
	int r;

	*ret_entry = (struct entry){0};
	if (!reaches(s, level, index))
		return 0;
	r = parent_of(s, level, index, false, &parent, &there);
	if (r == 0 && there)
		entry_load(s, parent, index, ret_entry);
	return r;
}

/* The root's entries become those of one node: a level more. */
static int grow(struct store *s)
{
	bool empty = true;
	struct node *n;

	if (s->meta.height == FORMAT_MAX_HEIGHT)
		return -EFBIG;
	for (unsigned i = 0; i < s->slot->root_entries && empty; i++)
		empty = s->meta.root[i].page == 0 && !(s->meta.height > 0 && find(s, s->meta.height, i));
	if (empty) { /* nothing that a node would hold */
		s->meta.height++;
		s->changed = true;
		return 0;
	}
	if (s->node_count >= s->node_limit) {
		int r = evict(s);

		if (r < 0)
			return r;
	}
	n = insert(s, NULL, s->meta.height + 1, 0);
	if (!n)
		return -ENOMEM;
	memset(n->bytes, 0, sizeof(n->bytes));
	for (unsigned i = 0; i < s->slot->root_entries; i++) {
		struct node *child = s->meta.height > 0 ? find(s, s->meta.height, i) : NULL;

		entry_encode(&s->meta.root[i], n->bytes + (size_t)i * FORMAT_ENTRY);
		if (child) {
			child->parent = n;
			n->children++;
		}
	}
	memset(s->meta.root, 0, sizeof(s->meta.root));
	s->meta.height++;
	make_dirty(s, n);
	return 0;
}

int tree_set(struct store *s, uint8_t level, uint64_t index, const struct entry *e)
{
	static const struct entry none;
	struct node *parent = NULL;
	bool there;
	int r = 0;

	while (e && r == 0 && !reaches(s, level, index))
		r = grow(s);
	if (r < 0 || !reaches(s, level, index))
		return r;
	r = parent_of(s, level, index, e != NULL, &parent, &there);
	if (r == 0 && there)
		entry_store(s, parent, index, e ? e : &none);
	return r;
}

/* Drop the pages below the piece, and the nodes in memory. What cannot be read is left to a scan. */
static void drop_below(struct store *s, struct node *parent, uint8_t level, uint64_t index)
{
	struct node *n;

	if (level == 0 || node_below(s, parent, level, index, false, &n) < 0 || !n)
		return;
	for (unsigned i = 0; i < FANOUT; i++) {
		struct entry e;

		entry_decode(n->bytes + (size_t)i * FORMAT_ENTRY, &e);
		if (e.page == 0 && !find(s, level - 1, index * FANOUT + i))
			continue;
		n->children++; /* stays while its children are read */
		drop_below(s, n, level - 1, index * FANOUT + i);
		n->children--;
		if (e.page)
			space_drop(s, level - 1, e.page, pages_of(e.len));
	}
	forget(s, n);
}

static int cut_below(struct store *s, struct node *parent, uint8_t level, uint64_t begin, uint64_t end, uint64_t first,
		     uint64_t last)
{
	static const struct entry none;
	uint64_t span = tree_span(level);

	/* BEGIN..END: indices of this level under PARENT; FIRST..LAST: the chunks to be removed. */
	for (uint64_t i = begin; i < end; i++) {
		uint64_t low, high;
		struct node *n = NULL;
		struct entry e;
		int r;

		if (__builtin_mul_overflow(i, span, &low) || low > last)
			break;
		if (__builtin_add_overflow(low, span - 1, &high))
			high = UINT64_MAX;
		if (high < first)
			continue;
		entry_load(s, parent, i, &e);
		if (e.page == 0 && (level == 0 || !find(s, level, i)))
			continue;
		if (parent)
			parent->children++;
		if (low >= first && high <= last) {
			drop_below(s, parent, level, i);
			entry_store(s, parent, i, &none);
			r = 0;
		} else {
			r = node_below(s, parent, level, i, false, &n);
			if (r == 0 && n)
				r = cut_below(s, n, level - 1, i * FANOUT, (i + 1) * FANOUT, first, last);
		}
		if (parent)
			parent->children--;
		if (r < 0)
			return r;
	}
	return 0;
}

int tree_cut(struct store *s, uint64_t first, uint64_t last)
{
	return cut_below(s, NULL, s->meta.height, 0, s->slot->root_entries, first, last);
}

static int by_level(const void *a, const void *b)
{
	const struct node *x = *(struct node *const *)a, *y = *(struct node *const *)b;

	if (x->level != y->level)
		return x->level < y->level ? -1 : 1;
	return (x->index > y->index) - (x->index < y->index);
}

int tree_flush(struct store *s)
{
	struct node *dirty[STORE_MAX_NODES];
	unsigned n = 0;

	for (struct node *at = s->dirty; at; at = at->next_dirty)
		dirty[n++] = at;
	qsort(dirty, n, sizeof(dirty[0]), by_level);
	return write_nodes(s, dirty, n);
}

static int seek_below(struct store *s, struct node *parent, uint8_t level, uint64_t begin, uint64_t end, uint64_t from,
		      uint64_t limit, bool wanted, uint64_t *ret_index)
{
	uint64_t span = tree_span(level);

	for (uint64_t i = begin; i < end; i++) {
		uint64_t low, high;
		struct node *n = NULL;
		struct entry e;
		int r;

		if (__builtin_mul_overflow(i, span, &low) || low >= limit)
			break;
		if (__builtin_add_overflow(low, span - 1, &high))
			high = UINT64_MAX;
		if (high < from)
			continue;
		entry_load(s, parent, i, &e);
		if (level == 0 || (e.page == 0 && !find(s, level, i))) {
			if ((level == 0 && e.page != 0) == wanted) {
				*ret_index = low > from ? low : from;
				return 1;
			}
			continue;
		}
		if (parent)
			parent->children++;
		r = node_below(s, parent, level, i, false, &n);
		if (r == 0 && n)
			r = seek_below(s, n, level - 1, i * FANOUT, (i + 1) * FANOUT, from, limit, wanted, ret_index);
		if (parent)
			parent->children--;
		if (r != 0)
			return r;
	}
	return 0;
}

int tree_seek(struct store *s, uint64_t from, uint64_t limit, bool wanted, uint64_t *ret_index)
{
	uint64_t reach;
	int r = seek_below(s, NULL, s->meta.height, 0, s->slot->root_entries, from, limit, wanted, ret_index);

	if (r != 0)
		return r < 0 ? r : 0;
	*ret_index = limit;
	/* Beyond what the tree can hold there are holes only. */
	if (!wanted && !__builtin_mul_overflow(tree_span(s->meta.height), (uint64_t)s->slot->root_entries, &reach) &&
	    reach < limit)
		*ret_index = reach > from ? reach : from;
	return 0;
}

static int walk_below(struct store *s, struct node *parent, uint8_t level, uint64_t begin, uint64_t end, tree_visit visit,
		      void *data)
{
	for (uint64_t i = begin; i < end; i++) {
		struct node *n = NULL;
		struct entry e;
		int r = 0, error;

		entry_load(s, parent, i, &e);
		if (e.page == 0)
			continue;
		if (parent)
			parent->children++;
		error = level > 0 ? node_below(s, parent, level, i, false, &n) : 0;
		r = visit(s, data, level, i, &e, error);
		if (r == 0 && n)
			r = walk_below(s, n, level - 1, i * FANOUT, (i + 1) * FANOUT, visit, data);
		if (parent)
			parent->children--;
		if (r < 0)
			return r;
	}
	return 0;
}

int tree_walk(struct store *s, tree_visit visit, void *data)
{
	return walk_below(s, NULL, s->meta.height, 0, s->slot->root_entries, visit, data);
}

void tree_touch(struct store *s, uint8_t level, uint64_t index)
{
	make_dirty(s, find(s, level, index));
}
