/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many nodes can be active at once: those a component can lead on from; where a pattern ends nothing stays. Literal children of one node exclude each other, pattern children do not. A
 * node below a `**` may be entered again at every component, so that nodes at every depth below it are active
 * together, but of those at one depth that lead through literals of one parent only one.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "vfs/policy/trie.h"

/* Numbers by depth, the deepest first, so that putting a node above them is an append. */
struct levels {
	uint32_t *count;
	size_t len, room;
};

struct work {
	bool below_deep;
	struct levels literal, wild; /* of the children, by depth below this node */
	uint64_t once_literal, once_wild, once_deep;
	uint64_t nested; /* all that can stay active in the `**` below */
};

struct works {
	struct work *work;
	uint32_t count;
};

static void cleanup_works(struct works *works)
{
	for (uint32_t i = 0; works->work && i < works->count; i++) {
		free(works->work[i].literal.count);
		free(works->work[i].wild.count);
	}
	free(works->work);
}

/* Merge FROM into INTO, aligned at the shallow end, and empty it. */
static void merge(struct levels *into, struct levels *from, bool add)
{
	if (from->len > into->len) {
		struct levels swap = *into;
		*into = *from;
		*from = swap;
	}
	for (size_t i = 1; i <= from->len; i++) {
		uint32_t *to = &into->count[into->len - i], value = from->count[from->len - i];
		if (add)
			*to += value;
		else if (*to < value)
			*to = value;
	}
	free(from->count);
	*from = (struct levels){0};
}

static int append(struct levels *levels, uint32_t value)
{
	if (levels->len == levels->room) {
		size_t room = levels->room ? levels->room * 2 : 4;
		uint32_t *count = reallocarray(levels->count, room, sizeof(*count));
		if (!count)
			return -ENOMEM;
		levels->count = count;
		levels->room = room;
	}
	levels->count[levels->len++] = value;
	return 0;
}

/* Everything that can be active in the `**` node W, itself included. */
static uint64_t all_of_deep(const struct work *w)
{
	uint64_t all = 1 + w->nested;
	for (size_t i = 0; i < w->literal.len; i++)
		all += w->literal.count[i];
	return all;
}

/* Does the node itself stay active, for the sake of its children? Its `**` is a node of its own. */
static uint32_t self(const struct trie_node *node)
{
	return node->has_literal || node->wild != NODE_NONE;
}

/* Everything that can be active at and below a node that is entered once. */
static uint64_t once(const struct trie_node *node, const struct work *w)
{
	uint64_t below = w->once_literal + w->once_wild;
	return (below > self(node) ? below : self(node)) + w->once_deep;
}

int trie_bound(const struct trie *trie, uint64_t *ret)
{
	_cleanup_(cleanup_works) struct works works = {.count = trie->node_count};

	works.work = calloc(trie->node_count, sizeof(*works.work));
	if (!works.work)
		return -ENOMEM;
	for (uint32_t id = 1; id < trie->node_count; id++) {
		uint32_t parent = trie->nodes[id].parent;
		works.work[id].below_deep = works.work[parent].below_deep || trie->nodes[parent].kind == COMPONENT_DEEP;
	}
	for (uint32_t id = trie->node_count - 1; id != NODE_ROOT; id--) {
		const struct trie_node *node = &trie->nodes[id];
		struct work *w = &works.work[id], *above = &works.work[node->parent];
		bool literal = node->kind == COMPONENT_LITERAL;

		merge(&w->literal, &w->wild, true);
		if (node->kind == COMPONENT_DEEP) {
			uint64_t all = all_of_deep(w);
			above->nested += all;
			above->once_deep = all;
			continue;
		}
		above->nested += w->nested;
		if (!literal)
			above->once_wild += once(node, w);
		else if (above->once_literal < once(node, w))
			above->once_literal = once(node, w);
		if (!w->below_deep)
			continue;
		int r = append(&w->literal, self(node));
		if (r < 0)
			return r;
		merge(literal ? &above->literal : &above->wild, &w->literal, !literal);
	}
	*ret = once(&trie->nodes[NODE_ROOT], &works.work[NODE_ROOT]);
	return 0;
}
