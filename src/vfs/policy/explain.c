/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which rules cover a path, each asked for itself by its own components: slower than the matcher and independent of
 * it, so that the two can be tested against each other.
 */
#include <string.h>

#include "vfs/policy/glob.h"
#include "vfs/policy/internal.h"

struct name {
	const char *text;
	size_t len;
};

/* The name that starts at or after *POSITION; false at the end. */
static bool next_name(const char *path, size_t len, size_t *position, struct name *ret)
{
	size_t i = *position;

	while (i < len && path[i] == '/')
		i++;
	if (i == len)
		return false;
	const char *slash = memchr(path + i, '/', len - i);
	size_t end = slash ? (size_t)(slash - path) : len;
	*ret = (struct name){path + i, end - i};
	*position = end;
	return true;
}

static bool component_is(const struct trie_node *node, const struct name *name)
{
	switch (node->kind) {
	case COMPONENT_ANY:
		return true;
	case COMPONENT_LITERAL:
		return node->len == name->len && memcmp(node->text, name->text, name->len) == 0;
	default:
		return glob_match(node->text, node->len, name->text, name->len);
	}
}

/*
 * Does the pattern of COUNT nodes (the last first) match PATH or, unless WHOLE, a directory above it? Only the last **
 * backtracks.
 */
static bool covers(const struct trie *trie, const uint32_t *pattern, uint32_t count, bool whole, const char *path,
		   size_t len)
{
	size_t position = 0, deep_position = 0;
	uint32_t left = count, deep_left = 0;
	bool deep = false;
	struct name name;

	for (;;) {
		const struct trie_node *node = left ? &trie->nodes[pattern[left - 1]] : NULL;
		size_t rest = position;
		if (!node && (!whole || !next_name(path, len, &rest, &name)))
			return true;
		if (node && node->kind == COMPONENT_DEEP) {
			deep = true;
			deep_left = --left;
			deep_position = position;
			continue;
		}
		if (node && !next_name(path, len, &position, &name))
			return false;
		if (node && component_is(node, &name)) {
			left--;
			continue;
		}
		if (!deep)
			return false;
		left = deep_left;
		next_name(path, len, &deep_position, &name);
		position = deep_position;
	}
}

void policy_explain(const struct policy *policy, const char *path, size_t len,
		    void (*each)(const struct rule *rule, void *userdata), void *userdata)
{
	uint32_t pattern[COMPONENTS_MAX];

	for (uint32_t i = 0; i < policy->rule_count; i++) {
		uint32_t count = 0;
		for (uint32_t id = policy->terminals[i]; id != NODE_ROOT; id = policy->trie.nodes[id].parent)
			pattern[count++] = id;
		if (covers(&policy->trie, pattern, count, policy->rules[i].files_only, path, len))
			each(&policy->rules[i], userdata);
	}
}
