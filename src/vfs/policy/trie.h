/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All patterns merged into one tree of components. A node is a place a match can stand at. Its children are literal
 * names (found in one hash table for the whole tree), patterns of one component (a list), and at most one node for
 * `**`, which stays where it is over any number of components.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vfs/policy/glob_program.h"
#include "vfs/policy/pattern.h"
#include "vfs/policy/seal.h"

enum part {
	PART_VISIBILITY,
	PART_CONTENT,
	PART_WRITE,
	PART_COUNT,
};

#define NODE_ROOT 0u
#define NODE_NONE 0u /* the root is nobody's child */
#define TRIE_NODES_MAX (1u << 22)

struct trie_node {
	const char *text; /* of the component that leads here */
	const struct glob_program *program; /* of pattern children; else NULL */
	uint32_t parent;
	uint32_t deep;	    /* the child for `**`, or NODE_NONE */
	uint32_t wild;	    /* the first of the pattern children */
	uint32_t wild_next; /* the next pattern child of the parent */
	uint16_t len;
	uint8_t kind;	 /* enum component_kind */
	bool has_literal; /* there are literal children */
	bool anchored;	 /* only literal components lead here: the literal prefix of a rule is here or below */
	bool way;	 /* a literal ancestor of something a literal rule shows */
	uint8_t below;	 /* bits of the visibilities that rules below speak of */
	int32_t end[PART_COUNT]; /* the last rule of each part that ends here, or RULE_NONE; without those of `only` */
	int32_t only;	 /* the last rule on content that ends here and covers nothing beneath, or RULE_NONE */
	/* The last and first rule of each part that ends below, not by way of `deep`, which is judged for itself. */
	int32_t high[PART_COUNT];
	int32_t low[PART_COUNT];
};

struct trie {
	struct trie_node *nodes;
	uint32_t node_count;
	uint32_t *table; /* node numbers by hash of parent, kind and text; NODE_NONE is a free slot */
	uint32_t table_mask;
};

/* The trie while it is built: nodes and table on the heap, texts in the arena. */
struct trie_builder {
	struct trie trie;
	uint32_t node_room;
	struct arena *arena;
};

int trie_builder_init(struct trie_builder *builder, struct arena *arena);
void trie_builder_free(struct trie_builder *builder);

/* The node of the COUNT components, made where it is missing. Returns 0, -ENOMEM or -E2BIG. */
int trie_insert(struct trie_builder *builder, const struct component *components, size_t count, uint32_t *ret);

/* Rule RULE, which speaks of PART, ends at NODE. ONLY: it speaks of content, and of this very name. */
void trie_end(struct trie_builder *builder, uint32_t node, enum part part, int32_t rule, bool only);

/* Fill `below`, `high` and `low` of every node. EFFECTS holds what each rule means for its part. */
void trie_summarise(struct trie_builder *builder, const uint32_t *effects);

/* The most nodes that can ever be active at once (never too few). Returns 0 or -ENOMEM. */
int trie_bound(const struct trie *trie, uint64_t *ret);

/* Copy the finished trie into the arena. */
int trie_finish(struct trie_builder *builder, struct trie *ret);

/* The literal child of NODE called NAME, or NODE_NONE. */
uint32_t trie_literal_child(const struct trie *trie, uint32_t node, const char *name, size_t len);
