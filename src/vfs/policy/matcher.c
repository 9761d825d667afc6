/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/cleanup.h"
#include "vfs/policy/internal.h"

static _Thread_local uint64_t steps_taken;

uint64_t policy_steps(void)
{
	uint64_t steps = steps_taken;
	steps_taken = 0;
	return steps;
}

/* A step on the way: `**` nodes may be entered from two sides before they are made unique. */
struct stepping {
	const struct policy *policy;
	int32_t best[PART_COUNT];
	int32_t here;
	bool anchor;
	uint32_t anchored; /* the node only literals lead to */
	uint32_t count;
	uint32_t node[2 * MATCH_NODES_MAX + 2];
};

/* Can a rule that ends below NODE still win? */
static bool is_live(const struct trie_node *node, const int32_t best[PART_COUNT])
{
	for (int p = 0; p < PART_COUNT; p++)
		if (node->high[p] > best[p])
			return true;
	return false;
}

static void push(struct stepping *s, uint32_t id)
{
	const struct trie_node *node = &s->policy->trie.nodes[id];
	/* trie_bound() is never too small; the test of the bound here costs nothing and guards the array anyway. */
	if (is_live(node, s->best) && s->count < ARRAY_LEN(s->node))
		s->node[s->count++] = id;
}

static void enter(struct stepping *s, uint32_t id)
{
	const struct trie_node *node = &s->policy->trie.nodes[id];

	for (int p = 0; p < PART_COUNT; p++)
		if (s->best[p] < node->end[p])
			s->best[p] = node->end[p];
	if (s->here < node->only)
		s->here = node->only;
	if (node->anchored) {
		s->anchor = true;
		s->anchored = id;
	}
	push(s, id);
	if (node->deep != NODE_NONE)
		push(s, node->deep);
}

/* Shell sort: the sets are small and almost sorted, and nothing may be allocated here. */
static void sort(uint32_t *ids, uint32_t count)
{
	static const uint32_t gaps[] = {701, 301, 132, 57, 23, 10, 4, 1};

	for (size_t g = 0; g < ARRAY_LEN(gaps); g++) {
		for (uint32_t i = gaps[g]; i < count; i++) {
			uint32_t id = ids[i], j = i;
			for (; j >= gaps[g] && ids[j - gaps[g]] > id; j -= gaps[g])
				ids[j] = ids[j - gaps[g]];
			ids[j] = id;
		}
	}
}

/* The literal node at this very name, or the way to one: does it still matter? */
static bool anchor_lives(const struct stepping *s)
{
	const struct trie_node *node = &s->policy->trie.nodes[s->anchored];

	if (is_live(node, s->best) || (node->deep != NODE_NONE && is_live(&s->policy->trie.nodes[node->deep], s->best)))
		return true;
	for (int p = 0; p < PART_COUNT; p++)
		if (node->end[p] != RULE_NONE && node->end[p] == s->best[p])
			return true;
	return node->only != RULE_NONE && node->only == s->here && s->here > s->best[PART_CONTENT];
}

/* Drop what can no longer change a verdict and put the rest in order. */
static void settle(struct stepping *s, struct match_state *ret)
{
	const struct policy *policy = s->policy;
	uint32_t last = UINT32_MAX;

	sort(s->node, s->count);
	ret->count = 0;
	ret->below = 0;
	ret->way = false;
	ret->anchor = s->anchor && anchor_lives(s);
	ret->here = s->here > s->best[PART_CONTENT] ? s->here : RULE_NONE;
	ret->here_effect = ret->here == RULE_NONE ? 0 : policy->effects[ret->here];
	for (int p = 0; p < PART_COUNT; p++) {
		ret->best[p] = s->best[p];
		ret->effect[p] = s->best[p] == RULE_NONE ? 0 : policy->effects[s->best[p]];
		ret->high[p] = RULE_NONE;
		ret->low[p] = INT32_MAX;
	}
	for (uint32_t i = 0; i < s->count; i++) {
		const struct trie_node *node = &policy->trie.nodes[s->node[i]];
		if (s->node[i] == last || !is_live(node, s->best) || ret->count == MATCH_NODES_MAX)
			continue;
		last = ret->node[ret->count++] = s->node[i];
		ret->below |= node->below;
		ret->way |= node->way;
		for (int p = 0; p < PART_COUNT; p++) {
			if (ret->high[p] < node->high[p])
				ret->high[p] = node->high[p];
			if (ret->low[p] > node->low[p])
				ret->low[p] = node->low[p];
		}
	}
}

void match_root(const struct policy *policy, struct match_state *ret)
{
	struct stepping s _uninitialised_;

	if (policy->root) {
		memcpy(ret, policy->root, match_state_size(policy->root));
		return;
	}

	s.policy = policy;
	s.count = 0;
	s.here = RULE_NONE;
	s.anchor = false;
	for (int p = 0; p < PART_COUNT; p++)
		s.best[p] = RULE_NONE;
	enter(&s, NODE_ROOT);
	settle(&s, ret);
}

static bool component_matches(const struct trie_node *node, const char *name, size_t len)
{
	return node->kind == COMPONENT_ANY || glob_run(node->program, name, len);
}

/* Below a place where no rule can match any more everything is as that place is. */
static void settle_beyond(const struct match_state *from, struct match_state *ret)
{
	if (ret != from)
		memcpy(ret, from, match_state_size(from));
	ret->here = RULE_NONE;
	ret->here_effect = 0;
	ret->below = 0;
	ret->way = ret->anchor = false;
	for (int p = 0; p < PART_COUNT; p++) {
		ret->high[p] = RULE_NONE;
		ret->low[p] = INT32_MAX;
	}
}

/* Nothing ends at the literal node CHILD, which is the only one to go on from: all decided so far stands. */
static void settle_passing(const struct trie_node *node, uint32_t child, const struct match_state *from,
			   struct match_state *ret)
{
	bool live = is_live(node, from->best);

	if (ret != from)
		memcpy(ret, from, offsetof(struct match_state, node));
	ret->here = RULE_NONE;
	ret->here_effect = 0;
	ret->anchor = node->anchored && live;
	ret->count = live;
	ret->below = live ? node->below : 0;
	ret->way = live && node->way;
	ret->node[0] = child;
	for (int p = 0; p < PART_COUNT; p++) {
		ret->high[p] = live ? node->high[p] : RULE_NONE;
		ret->low[p] = live ? node->low[p] : INT32_MAX;
	}
}

static bool ends_here(const struct trie_node *node)
{
	if (node->only != RULE_NONE)
		return true;
	for (int p = 0; p < PART_COUNT; p++)
		if (node->end[p] != RULE_NONE)
			return true;
	return false;
}

/* The usual step: from one node with literal children only, to none or to one that is just passed. False: it is not. */
static bool step_simply(const struct policy *policy, const struct match_state *from, const char *name, size_t len,
			struct match_state *ret)
{
	const struct trie *trie = &policy->trie;
	const struct trie_node *node = &trie->nodes[from->node[0]];
	uint32_t child;

	if (from->count != 1 || node->wild != NODE_NONE || node->kind == COMPONENT_DEEP)
		return false;
	child = node->has_literal ? trie_literal_child(trie, from->node[0], name, len) : NODE_NONE;
	node = &trie->nodes[child];
	if (child == NODE_NONE) {
		settle_beyond(from, ret);
		ret->count = 0;
	} else if (node->deep == NODE_NONE && !ends_here(node)) {
		settle_passing(node, child, from, ret);
	} else {
		return false;
	}
	steps_taken++;
	return true;
}

void match_step(const struct policy *policy, const struct match_state *from, const char *name, size_t len,
		struct match_state *ret)
{
	const struct trie *trie = &policy->trie;
	struct stepping s _uninitialised_;

	if (from->count == 0) {
		settle_beyond(from, ret);
		return;
	}
	if (step_simply(policy, from, name, len, ret))
		return;
	s.policy = policy;
	s.count = 0;
	s.here = RULE_NONE;
	s.anchor = false;
	memcpy(s.best, from->best, sizeof(s.best));
	for (uint32_t i = 0; i < from->count; i++) {
		uint32_t id = from->node[i];
		const struct trie_node *node = &trie->nodes[id];
		steps_taken++;
		if (node->has_literal) {
			uint32_t child = trie_literal_child(trie, id, name, len);
			if (child != NODE_NONE)
				enter(&s, child);
		}
		for (uint32_t wild = node->wild; wild != NODE_NONE; wild = trie->nodes[wild].wild_next) {
			steps_taken++;
			if (component_matches(&trie->nodes[wild], name, len))
				enter(&s, wild);
		}
		if (node->kind == COMPONENT_DEEP)
			push(&s, id);
	}
	settle(&s, ret);
}

/* The way there can be walked: shown, or the way down to something that is. */
static bool is_passable(const struct match_state *state)
{
	return state->effect[PART_VISIBILITY] == VIS_SHOW || state->way;
}

bool match_on(const struct policy *policy, const char *path, size_t from, size_t len, struct match_state *state)
{
	bool passable = true;

	for (size_t i = from; i < len;) {
		/* Where nothing can change any more one step is as good as many. */
		const char *slash = state->count ? memchr(path + i, '/', len - i) : NULL;
		size_t end = slash ? (size_t)(slash - path) : len;
		if (end > i) {
			match_step(policy, state, path + i, end - i, state);
			passable &= is_passable(state);
		}
		i = end + 1;
	}
	return passable;
}

void match_path(const struct policy *policy, const char *path, size_t len, struct match_state *ret)
{
	match_root(policy, ret);
	match_on(policy, path, 0, len, ret);
}

void match_verdict(const struct policy *policy, const struct match_state *state, struct verdict *ret)
{
	bool here = state->here != RULE_NONE;
	uint32_t content = here ? state->here_effect : state->effect[PART_CONTENT];

	(void)policy;
	ret->visibility = (enum visibility)state->effect[PART_VISIBILITY];
	if (ret->visibility != VIS_SHOW && state->way)
		ret->visibility = VIS_WAY;
	ret->content = content & EFFECT_CRYPT ? CONTENT_CRYPT : content ? CONTENT_MASK : CONTENT_PLAIN;
	ret->write = (enum write_mode)state->effect[PART_WRITE];
	ret->visibility_rule = state->best[PART_VISIBILITY];
	ret->content_rule = here ? state->here : state->best[PART_CONTENT];
	ret->write_rule = state->best[PART_WRITE];
}

void policy_verdict(const struct policy *policy, const char *path, size_t len, struct verdict *ret)
{
	struct match_state state _uninitialised_;
	match_path(policy, path, len, &state);
	match_verdict(policy, &state, ret);
}

bool match_equal(const struct match_state *a, const struct match_state *b)
{
	if (a->count != b->count || memcmp(a->node, b->node, a->count * sizeof(a->node[0])) != 0)
		return false;
	/* Different rules of one effect are alike at this name, since nothing beneath is theirs. */
	if ((a->here == RULE_NONE) != (b->here == RULE_NONE) || a->here_effect != b->here_effect)
		return false;
	for (int p = 0; p < PART_COUNT; p++) {
		if (a->effect[p] != b->effect[p])
			return false;
		/* Different rules of one effect are alike unless a rule below may come between them in the order. */
		int32_t earlier = a->best[p] < b->best[p] ? a->best[p] : b->best[p];
		int32_t later = a->best[p] < b->best[p] ? b->best[p] : a->best[p];
		if (earlier != later && a->high[p] > earlier && a->low[p] < later)
			return false;
	}
	return true;
}

bool match_hides_below(const struct policy *policy, const struct match_state *state)
{
	(void)policy;
	return state->high[PART_VISIBILITY] > state->best[PART_VISIBILITY] &&
	       state->below & ~(1u << state->effect[PART_VISIBILITY]);
}

bool match_literal_below(const struct policy *policy, const struct match_state *state)
{
	(void)policy;
	return state->anchor;
}

bool match_is_anchor(const struct policy *policy, const struct match_state *state)
{
	(void)policy;
	return state->anchor;
}
