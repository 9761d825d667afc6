/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/policy/trie.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "vfs/policy/policy.h"

static uint32_t hash_child(uint32_t parent, uint8_t kind, const char *text, size_t len)
{
	return (uint32_t)hash_text((uint64_t)parent << 8 | kind, text, len);
}

/* The slot of that child, or the free slot where it belongs. */
static uint32_t find_slot(const struct trie *trie, uint32_t parent, uint8_t kind, const char *text, size_t len)
{
	uint32_t slot = hash_child(parent, kind, text, len) & trie->table_mask;

	for (;; slot = (slot + 1) & trie->table_mask) {
		uint32_t id = trie->table[slot];
		if (id == NODE_NONE)
			return slot;
		const struct trie_node *node = &trie->nodes[id];
		if (node->parent == parent && node->kind == kind && node->len == len &&
		    memcmp(node->text, text, len) == 0)
			return slot;
	}
}

uint32_t trie_literal_child(const struct trie *trie, uint32_t node, const char *name, size_t len)
{
	return trie->table[find_slot(trie, node, COMPONENT_LITERAL, name, len)];
}

static void init_node(struct trie_node *node)
{
	*node = (struct trie_node){.text = ""};
	for (int p = 0; p < PART_COUNT; p++)
		node->end[p] = node->high[p] = RULE_NONE;
	for (int p = 0; p < PART_COUNT; p++)
		node->low[p] = INT32_MAX;
	node->only = RULE_NONE;
}

int trie_builder_init(struct trie_builder *builder, struct arena *arena)
{
	*builder = (struct trie_builder){.arena = arena, .node_room = 64};
	builder->trie.nodes = calloc(builder->node_room, sizeof(struct trie_node));
	builder->trie.table = calloc(128, sizeof(uint32_t));
	if (!builder->trie.nodes || !builder->trie.table) {
		trie_builder_free(builder);
		return -ENOMEM;
	}
	builder->trie.table_mask = 127;
	builder->trie.node_count = 1;
	init_node(&builder->trie.nodes[NODE_ROOT]);
	builder->trie.nodes[NODE_ROOT].anchored = true;
	return 0;
}

void trie_builder_free(struct trie_builder *builder)
{
	free(builder->trie.nodes);
	free(builder->trie.table);
	*builder = (struct trie_builder){0};
}

/* Room for one more node, with the table at most half full. */
static int grow(struct trie_builder *builder)
{
	struct trie *trie = &builder->trie;

	if (trie->node_count == TRIE_NODES_MAX)
		return -E2BIG;
	if (trie->node_count < builder->node_room)
		return 0;
	uint32_t room = builder->node_room * 2;
	struct trie_node *nodes = reallocarray(trie->nodes, room, sizeof(*nodes));
	if (!nodes)
		return -ENOMEM;
	trie->nodes = nodes;
	uint32_t *table = calloc((size_t)room * 2, sizeof(*table));
	if (!table)
		return -ENOMEM;
	free(trie->table);
	trie->table = table;
	trie->table_mask = room * 2 - 1;
	builder->node_room = room;
	for (uint32_t id = 1; id < trie->node_count; id++) {
		const struct trie_node *node = &nodes[id];
		table[find_slot(trie, node->parent, node->kind, node->text, node->len)] = id;
	}
	return 0;
}

static int child_of(struct trie_builder *builder, uint32_t parent, const struct component *component, uint32_t *ret)
{
	struct trie *trie = &builder->trie;
	uint32_t slot = find_slot(trie, parent, component->kind, component->text, component->len);

	if (trie->table[slot] != NODE_NONE) {
		*ret = trie->table[slot];
		return 0;
	}
	int r = grow(builder);
	if (r < 0)
		return r;
	const char *text = arena_strndup(builder->arena, component->text, component->len);
	struct glob_program *program = NULL;
	if (!text)
		return -ENOMEM;
	if (component->kind == COMPONENT_GLOB) {
		program = arena_alloc(builder->arena, glob_program_size(text, component->len));
		if (!program)
			return -ENOMEM;
		glob_compile(text, component->len, program);
	}

	uint32_t id = trie->node_count++;
	struct trie_node *node = &trie->nodes[id], *above = &trie->nodes[parent];
	init_node(node);
	node->text = text;
	node->program = program;
	node->len = component->len;
	node->kind = component->kind;
	node->parent = parent;
	node->anchored = above->anchored && component->kind == COMPONENT_LITERAL;
	if (component->kind == COMPONENT_DEEP) {
		above->deep = id;
	} else if (component->kind == COMPONENT_LITERAL) {
		above->has_literal = true;
	} else {
		node->wild_next = above->wild;
		above->wild = id;
	}
	trie->table[find_slot(trie, parent, node->kind, text, node->len)] = id;
	*ret = id;
	return 0;
}

int trie_insert(struct trie_builder *builder, const struct component *components, size_t count, uint32_t *ret)
{
	uint32_t node = NODE_ROOT;

	for (size_t i = 0; i < count; i++) {
		int r = child_of(builder, node, &components[i], &node);
		if (r < 0)
			return r;
	}
	*ret = node;
	return 0;
}

void trie_end(struct trie_builder *builder, uint32_t node, enum part part, int32_t rule, bool only)
{
	struct trie_node *at = &builder->trie.nodes[node];
	int32_t *end = only ? &at->only : &at->end[part];

	if (*end < rule)
		*end = rule;
}

static void include(struct trie_node *above, int p, int32_t high, int32_t low)
{
	if (above->high[p] < high)
		above->high[p] = high;
	if (above->low[p] > low)
		above->low[p] = low;
}

static int32_t first_of(int32_t rule)
{
	return rule == RULE_NONE ? INT32_MAX : rule;
}

void trie_summarise(struct trie_builder *builder, const uint32_t *effects)
{
	struct trie *trie = &builder->trie;

	/* A child is always made after its parent, so that from the last to the first, children come first. */
	for (uint32_t id = trie->node_count - 1; id != NODE_ROOT; id--) {
		const struct trie_node *node = &trie->nodes[id];
		struct trie_node *above = &trie->nodes[node->parent];
		if (node->kind == COMPONENT_DEEP)
			continue;
		const struct trie_node *deep = node->deep != NODE_NONE ? &trie->nodes[node->deep] : node;
		for (int p = 0; p < PART_COUNT; p++) {
			include(above, p, node->end[p], first_of(node->end[p]));
			include(above, p, node->high[p], node->low[p]);
			include(above, p, deep->high[p], deep->low[p]);
		}
		include(above, PART_CONTENT, node->only, first_of(node->only));
		above->below |= node->below | deep->below;
		if (node->end[PART_VISIBILITY] != RULE_NONE)
			above->below |= (uint8_t)(1u << effects[node->end[PART_VISIBILITY]]);
	}
}

int trie_finish(struct trie_builder *builder, struct trie *ret)
{
	const struct trie *from = &builder->trie;
	struct trie trie = {.node_count = from->node_count, .table_mask = from->table_mask};

	trie.nodes = arena_array(builder->arena, from->node_count, sizeof(*trie.nodes));
	trie.table = arena_array(builder->arena, (size_t)from->table_mask + 1, sizeof(*trie.table));
	if (!trie.nodes || !trie.table)
		return -ENOMEM;
	memcpy(trie.nodes, from->nodes, from->node_count * sizeof(*trie.nodes));
	memcpy(trie.table, from->table, ((size_t)from->table_mask + 1) * sizeof(*trie.table));
	*ret = trie;
	return 0;
}
