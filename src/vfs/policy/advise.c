/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/policy/advise.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vfs/policy/glob.h"
#include "vfs/policy/report.h"

static bool is_show(const struct rule *rule)
{
	const struct verb *verb = verb_of(rule);
	return verb->part == PART_VISIBILITY && verb->value == VIS_SHOW;
}

/* The literal ancestors of what a literal rule shows can be walked, if the rule wins at its own path. */
static void mark_way(struct policy *policy, const struct rule *rule)
{
	struct trie_node *nodes = policy->trie.nodes;
	struct verdict verdict;

	policy_verdict(policy, rule->canonical, strlen(rule->canonical), &verdict);
	if (verdict.visibility_rule != (int32_t)rule->index)
		return;
	for (uint32_t id = policy->terminals[rule->index]; id != NODE_ROOT;) {
		id = nodes[id].parent;
		if (nodes[id].way)
			break; /* and so are all above it */
		nodes[id].way = true;
	}
}

/*
 * Is a directory above something RULE may show hidden? Asked of one sample of what the pattern matches: a guess that
 * is right for the patterns people write.
 */
static bool hidden_above(const struct policy *policy, const struct rule *rule)
{
	const struct trie_node *nodes = policy->trie.nodes;
	uint32_t path[COMPONENTS_MAX], depth = 0;
	struct match_state state;
	struct verdict verdict;
	char name[8192];

	for (uint32_t id = nodes[policy->terminals[rule->index]].parent;
	     policy->terminals[rule->index] != NODE_ROOT && id != NODE_ROOT; id = nodes[id].parent)
		path[depth++] = id;
	match_root(policy, &state);
	for (;;) {
		match_verdict(policy, &state, &verdict);
		if (verdict.visibility != VIS_SHOW)
			return true;
		if (depth == 0)
			return false;
		const struct trie_node *node = &nodes[path[--depth]];
		if (node->kind == COMPONENT_DEEP)
			continue;
		if (node->kind == COMPONENT_LITERAL)
			match_step(policy, &state, node->text, node->len, &state);
		else
			match_step(policy, &state, name, glob_sample(node->text, node->len, name), &state);
	}
}

static int check_show(struct policy *policy, const struct rule *rule)
{
	char place[512];

	if (rule->literal || !hidden_above(policy, rule))
		return 0;
	return policy_warn(policy,
			   "%s: show %s has a wildcard, so it makes no directory above what it shows visible, and one of "
			   "them is hidden: show that directory by a rule without wildcards",
			   rule_place(rule->origin, rule->line, place, sizeof(place)), rule->pattern);
}

static int check_with(struct policy *policy, const struct rule *rule)
{
	char place[512];

	if (rule->mask.kind != MASK_WITH || access(rule->mask.with, R_OK) == 0)
		return 0;
	return policy_warn(policy, "%s: with=%s cannot be read: %s",
			   rule_place(rule->origin, rule->line, place, sizeof(place)), rule->mask.with,
			   strerror(errno));
}

/* Many programs write a new file and rename it: onto a name that alone is encrypted they cannot, or it is plain before. */
static int check_files_only(struct policy *policy, const struct rule *rule)
{
	const struct rule *before = rule->index ? &policy->rules[rule->index - 1] : NULL;
	char place[512];

	/* Where every name of a directory is meant nothing is beside it; and each line is told of once. */
	if (!rule->files_only || policy->trie.nodes[policy->terminals[rule->index]].kind == COMPONENT_ANY ||
	    (before && before->files_only && before->origin == rule->origin && before->line == rule->line &&
	     before->pattern == rule->pattern))
		return 0;
	return policy_warn(policy,
			   "%s: crypt %s files=only: temporary and backup files that editors and other programs write beside "
			   "these are not encrypted; a crypt rule for the directory covers them too",
			   rule_place(rule->origin, rule->line, place, sizeof(place)), rule->pattern);
}

/* Directories cannot be private, so where one is hidden itself nothing can be made in it. */
static int check_private(struct policy *policy, const struct rule *rule)
{
	struct verdict verdict;
	struct stat stat;
	char place[512];

	if (!rule->create_private || !rule->literal || lstat(rule->canonical, &stat) < 0 || !S_ISDIR(stat.st_mode))
		return 0;
	policy_verdict(policy, rule->canonical, strlen(rule->canonical), &verdict);
	if (verdict.visibility != VIS_HIDE || verdict.visibility_rule != (int32_t)rule->index)
		return 0;
	return policy_warn(policy,
			   "%s: hide %s create=private hides a directory, in which nothing can be made then: write %s/** to hide "
			   "only what is in it",
			   rule_place(rule->origin, rule->line, place, sizeof(place)), rule->pattern, rule->pattern);
}

static int contradiction(const struct rule *mask, const struct rule *append, struct errmsg *msg)
{
	char text[1024], other[512];
	int n = snprintf(text, sizeof(text), "mask %s write=discard", mask->pattern);
	const struct place place = {
		.origin = mask->origin,
		.line = mask->line,
		.text = text,
		.len = n < (int)sizeof(text) ? (size_t)n : sizeof(text) - 1,
	};
	return complain(msg, -EINVAL, &place, 0,
			"what is written cannot be both kept and thrown away: take one of the two out",
			"write=discard contradicts append %.400s (%s)", append->pattern,
			rule_place(append->origin, append->line, other, sizeof(other)));
}

/* write=discard and append on the same names: seen where both end at one pattern, or at a literal path. */
static int check_discard(const struct policy *policy, const struct rule *rule, struct errmsg *msg)
{
	const struct trie_node *node = &policy->trie.nodes[policy->terminals[rule->index]];
	int32_t mask = node->end[PART_CONTENT], append = node->end[PART_WRITE];

	if (rule->literal) {
		struct verdict verdict;
		policy_verdict(policy, rule->canonical, strlen(rule->canonical), &verdict);
		mask = verdict.content_rule;
		append = verdict.write_rule;
	}
	if (mask == RULE_NONE || append == RULE_NONE || !policy->rules[mask].mask.discard ||
	    policy->effects[append] != WRITE_APPEND)
		return 0;
	return contradiction(&policy->rules[mask], &policy->rules[append], msg);
}

int advise(struct policy *policy, struct errmsg *msg)
{
	bool discards = policy->needs.mask_discard && policy->needs.append;
	int r = 0;

	if (policy->rule_count == 0 && policy->env_count == 0)
		return policy_warn(policy, "no rule at all: nothing is hidden, masked or protected");
	for (uint32_t i = 0; i < policy->rule_count; i++)
		if (policy->rules[i].literal && is_show(&policy->rules[i]))
			mark_way(policy, &policy->rules[i]);
	for (uint32_t i = 0; i < policy->rule_count && r == 0; i++) {
		const struct rule *rule = &policy->rules[i];
		if (is_show(rule))
			r = check_show(policy, rule);
		if (r == 0)
			r = check_with(policy, rule);
		if (r == 0)
			r = check_files_only(policy, rule);
		if (r == 0)
			r = check_private(policy, rule);
		if (r == 0 && discards)
			r = check_discard(policy, rule, msg);
	}
	return r;
}
