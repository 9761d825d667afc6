/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vfs/policy/advise.h"
#include "vfs/policy/glob.h"
#include "vfs/policy/internal.h"
#include "vfs/policy/report.h"
#include "vfs/policy/resolve.h"

struct compiler {
	struct policy *policy;
	struct resolver *resolver;
	struct trie_builder builder;
	uint32_t mask_classes;
	const struct rule *last_mask; /* of the class counted last */
	const char *keys[CRYPT_KEYS_MAX]; /* that crypt rules name, each once */
	uint32_t key_count;
	struct errmsg *msg;
	struct pattern pattern;
	char prefix[PATTERN_MAX + 2];
	struct component path[COMPONENTS_MAX]; /* the resolved pattern */
};

static void compiler_free(struct compiler **c)
{
	if (!*c)
		return;
	resolver_free((*c)->resolver);
	trie_builder_free(&(*c)->builder);
	free(*c);
}

static int refuse(struct compiler *c, int error, const struct parsed_rule *parsed, const char *remedy, const char *why)
{
	char text[1024];
	int n = snprintf(text, sizeof(text), "%s %s", parsed->verb->name, parsed->shown);
	const struct place place = {
		.origin = parsed->origin,
		.line = parsed->line,
		.text = text,
		.len = n < (int)sizeof(text) ? (size_t)n : sizeof(text) - 1,
	};
	return complain(c->msg, error, &place, 0, remedy, "%s", why);
}

static bool same_redactions(const struct mask_options *a, const struct mask_options *b)
{
	if (a->nomatch != b->nomatch || a->redaction_count != b->redaction_count)
		return false;
	for (unsigned i = 0; i < a->redaction_count; i++) {
		const struct redaction *x = &a->redactions[i], *y = &b->redactions[i];

		if (strcmp(x->expression, y->expression) != 0 || !x->token != !y->token ||
		    (x->token && strcmp(x->token, y->token) != 0))
			return false;
	}
	return true;
}

static bool same_mask(const struct mask_options *a, const struct mask_options *b)
{
	if (a->kind != b->kind || a->discard != b->discard)
		return false;
	return a->kind == MASK_WITH ? strcmp(a->with, b->with) == 0 : same_redactions(a, b);
}

/* Rules with the same way to make content share a class: their files may change places. */
static uint32_t mask_class(struct compiler *c, const struct rule *rule)
{
	if (rule->mask.kind == MASK_EMPTY)
		return rule->mask.discard ? 2 : 1;
	if (!c->last_mask || !same_mask(&c->last_mask->mask, &rule->mask)) {
		c->last_mask = rule;
		c->mask_classes++;
	}
	return 2 + c->mask_classes;
}

/* Files under one key may change places, whatever rules say so. False: too many keys. */
static bool number_key(struct compiler *c, const char **name, uint32_t *ret)
{
	for (uint32_t i = 0; i < c->key_count; i++) {
		if (strcmp(c->keys[i], *name) == 0) {
			*name = c->keys[i];
			*ret = i;
			return true;
		}
	}
	if (c->key_count == CRYPT_KEYS_MAX)
		return false;
	*ret = c->key_count;
	c->keys[c->key_count++] = *name;
	return true;
}

static bool is_crypt(const struct verb *verb)
{
	return verb->part == PART_CONTENT && verb->value == CONTENT_CRYPT;
}

/* What RULE means for its part. RULE's key becomes the one text that all rules with this key have. */
static int effect_of(struct compiler *c, const struct parsed_rule *parsed, struct rule *rule, uint32_t *ret)
{
	const struct verb *verb = parsed->verb;
	uint32_t number;

	if (is_crypt(verb)) {
		if (!number_key(c, &rule->crypt_key, &number))
			return refuse(c, -E2BIG, parsed, "use fewer keys", "more keys than a policy can name");
		*ret = EFFECT_CRYPT | number;
	} else {
		*ret = verb->part == PART_CONTENT && verb->value == CONTENT_MASK ? mask_class(c, rule) : verb->value;
	}
	return 0;
}

static void note_need(struct policy_needs *needs, const struct verb *verb, const struct rule *rule)
{
	switch (verb->part) {
	case PART_VISIBILITY:
		needs->hide |= verb->value == VIS_HIDE;
		needs->private |= rule->create_private;
		needs->deny |= verb->value == VIS_DENY;
		break;
	case PART_CONTENT:
		needs->mask |= verb->value == CONTENT_MASK;
		needs->mask_discard |= rule->mask.discard;
		needs->crypt |= verb->value == CONTENT_CRYPT;
		break;
	case PART_WRITE:
		needs->append |= verb->value == WRITE_APPEND;
		needs->readonly |= verb->value == WRITE_READONLY;
		break;
	case PART_COUNT:
		break;
	}
}

/* What a person reads: a pattern without a wildcard needs no backslashes. */
static const char *shown_pattern(struct policy *policy, const struct parsed_rule *parsed, bool literal)
{
	size_t len = strlen(parsed->shown);

	if (!literal || parsed->shown != parsed->pattern || !memchr(parsed->shown, '\\', len))
		return parsed->shown;
	char *text = arena_alloc(&policy->arena, len + 1);
	if (text)
		glob_unescape(parsed->shown, len, text);
	return text;
}

/* Add PARSED as a rule whose literal prefix is PREFIX, an absolute resolved path. */
static int add_rule(struct compiler *c, const struct parsed_rule *parsed, const char *prefix)
{
	struct policy *policy = c->policy;
	const struct pattern *pattern = &c->pattern;
	bool literal = pattern->literals == pattern->count;
	size_t count = 0, len = strlen(prefix), bytes = len;
	uint32_t node;

	for (size_t i = 1; i < len;) {
		const char *slash = memchr(prefix + i, '/', len - i);
		size_t end = slash ? (size_t)(slash - prefix) : len;
		c->path[count++] = (struct component){prefix + i, (uint16_t)(end - i), COMPONENT_LITERAL};
		i = end + 1;
	}
	for (size_t i = pattern->literals; i < pattern->count; i++) {
		if (count == COMPONENTS_MAX)
			return refuse(c, -ENAMETOOLONG, parsed, "shorten it", "too many components");
		bytes += 1 + pattern->component[i].len;
		c->path[count++] = pattern->component[i];
	}
	if (bytes > PATTERN_MAX + (size_t)COMPONENT_MAX)
		return refuse(c, -ENAMETOOLONG, parsed, "shorten it", "resolved through symlinks, a pattern too long");

	int r = trie_insert(&c->builder, c->path, count, &node);
	if (r == -E2BIG)
		return refuse(c, r, parsed, "say it with fewer patterns", "more components than a policy can hold");
	if (r < 0)
		return r;
	uint32_t index = policy->rule_count++;
	struct rule *rule = &policy->rules[index];
	const char *canonical = arena_strndup(&policy->arena, prefix, len);
	const char *slash = strrchr(prefix, '/');
	size_t parent_len = slash == prefix ? 1 : (size_t)(slash - prefix);
	*rule = (struct rule){
		.verb = parsed->verb->name,
		.pattern = shown_pattern(policy, parsed, literal),
		.origin = parsed->origin,
		.line = parsed->line,
		.index = index,
		.literal = literal,
		.canonical = literal ? canonical : NULL,
		.literal_prefix = literal ? arena_strndup(&policy->arena, prefix, parent_len) : canonical,
		.mask = parsed->mask,
		.crypt_key = parsed->crypt_key,
		.crypt_provider = parsed->crypt_provider,
		.crypt_plain = parsed->crypt_plain,
		.files_only = parsed->files_only,
		.create_private = parsed->create_private,
	};
	if (!canonical || !rule->literal_prefix || !rule->pattern)
		return -ENOMEM;
	policy->terminals[index] = node;
	r = effect_of(c, parsed, rule, &policy->effects[index]);
	if (r < 0)
		return r;
	trie_end(&c->builder, node, parsed->verb->part, (int32_t)index, rule->files_only);
	note_need(&policy->needs, parsed->verb, rule);
	return 0;
}

/*
 * Encrypted is a whole directory, or, only where that is said, files of a name: what programs write beside those first, and
 * rename, would be plain. TARGET: the resolved path of a pattern without wildcards.
 */
static int check_crypt(struct compiler *c, const struct parsed_rule *parsed, const char *target)
{
	static const char remedy[] = "name the directory they are in, or add files=only: then what programs write beside "
				     "such a file first, and rename, is not encrypted";
	const struct pattern *pattern = &c->pattern;
	struct stat stat;

	if (pattern->count == 0)
		return refuse(c, -EINVAL, parsed, "name the directory that is to be encrypted", "all of the file system");
	if (pattern->component[pattern->count - 1].kind != COMPONENT_LITERAL)
		return parsed->files_only ? 0 : refuse(c, -EINVAL, parsed, remedy, "a crypt rule that ends with a wildcard");
	if (pattern->literals < pattern->count || lstat(target, &stat) < 0)
		return 0;
	if (S_ISDIR(stat.st_mode) && parsed->files_only)
		return refuse(c, -EINVAL, parsed, "take it out: all that is in the directory is meant",
			      "files=only, but this is a directory");
	if (!S_ISDIR(stat.st_mode) && !parsed->files_only)
		return refuse(c, -EINVAL, parsed, remedy, "a crypt rule that names a file");
	return 0;
}

/*
 * A rule that matches no path stands in the trie as a child of the root that no name can be: its text begins with a NUL. So
 * everything that goes through rules finds it where it looks for them.
 */
static int add_fstype(struct compiler *c, const struct parsed_rule *parsed)
{
	struct policy *policy = c->policy;
	size_t len = strlen(parsed->fstype);
	char *text = arena_alloc(&policy->arena, len + 2), *shown = arena_alloc(&policy->arena, len + sizeof("fstype "));
	uint32_t node;

	if (!text || !shown)
		return -ENOMEM;
	memcpy(text + 1, parsed->fstype, len);
	memcpy(stpcpy(shown, "fstype "), parsed->fstype, len);
	const struct component component = {text, (uint16_t)(len + 1), COMPONENT_LITERAL};
	int r = trie_insert(&c->builder, &component, 1, &node);
	if (r < 0)
		return r;
	uint32_t index = policy->rule_count++;
	policy->rules[index] = (struct rule){
		.verb = parsed->verb->name,
		.pattern = shown,
		.origin = parsed->origin,
		.line = parsed->line,
		.index = index,
		.literal_prefix = "/",
		.fstype = parsed->fstype,
		.fstype_visibility = (enum visibility)parsed->verb->value,
	};
	policy->terminals[index] = node;
	policy->effects[index] = parsed->verb->value;
	trie_end(&c->builder, node, PART_VISIBILITY, (int32_t)index, false);
	note_need(&policy->needs, parsed->verb, &policy->rules[index]);
	return 0;
}

static int compile_rule(struct compiler *c, const struct parsed_rule *parsed)
{
	struct pattern *pattern = &c->pattern;
	struct pattern_fault fault;
	struct resolved resolved;
	struct buffer prefix;

	if (parsed->fstype)
		return add_fstype(c, parsed);
	int r = pattern_split(parsed->pattern, strlen(parsed->pattern), pattern, &fault);
	if (r < 0)
		return refuse(c, r, parsed, fault.remedy, fault.why);
	buffer_init(&prefix, c->prefix, sizeof(c->prefix));
	r = buffer_append(&prefix, "/", 1);
	for (size_t i = 0; i < pattern->literals && r == 0; i++) {
		if (i)
			r = buffer_append(&prefix, "/", 1);
		if (r == 0)
			r = buffer_append(&prefix, pattern->component[i].text, pattern->component[i].len);
	}
	if (r == 0)
		r = resolver_resolve(c->resolver, prefix.data, prefix.len, &resolved);
	if (r == -ENAMETOOLONG || r == -ENOBUFS)
		return refuse(c, -ENAMETOOLONG, parsed, "shorten it",
			      "resolved through symlinks, longer than a path can be");
	if (r < 0)
		return r;
	if (is_crypt(parsed->verb)) {
		r = check_crypt(c, parsed, resolved.target);
		if (r < 0)
			return r;
	}
	/* A symlink that is named itself is meant as well as what it leads to. */
	if (pattern->literals == pattern->count && resolved.name != resolved.target)
		r = add_rule(c, parsed, resolved.name);
	return r < 0 ? r : add_rule(c, parsed, resolved.target);
}

static int compile_env(struct policy *policy)
{
	uint32_t i = 0;

	policy->env = arena_array(&policy->arena, policy->env_count, sizeof(*policy->env));
	if (!policy->env)
		return -ENOMEM;
	for (const struct parsed_env *env = policy->env_list; env; env = env->next)
		policy->env[i++] = env->rule;
	return 0;
}

static int build_trie(struct compiler *c)
{
	uint64_t bound;

	trie_summarise(&c->builder, c->policy->effects);
	int r = trie_bound(&c->builder.trie, &bound);
	if (r < 0)
		return r;
	if (bound > MATCH_NODES_MAX)
		return errmsg_set(c->msg, -E2BIG,
				  "the patterns with ** and wildcards overlap too much: %" PRIu64
				  " of them could be half matched at once, %d is the most\n"
				  "write fewer patterns with several wildcards, or literal paths",
				  bound, MATCH_NODES_MAX);
	return trie_finish(&c->builder, &c->policy->trie);
}

static int compile(struct compiler *c)
{
	struct policy *policy = c->policy;
	size_t room = (size_t)policy->parsed_count * 2;

	policy->rules = arena_array(&policy->arena, room, sizeof(*policy->rules));
	policy->effects = arena_array(&policy->arena, room, sizeof(*policy->effects));
	policy->terminals = arena_array(&policy->arena, room, sizeof(*policy->terminals));
	if (!policy->rules || !policy->effects || !policy->terminals)
		return -ENOMEM;
	for (const struct parsed_rule *parsed = policy->parsed; parsed; parsed = parsed->next) {
		int r = compile_rule(c, parsed);
		if (r < 0)
			return r;
	}
	int r = compile_env(policy);
	if (r == 0)
		r = build_trie(c);
	if (r == 0)
		r = advise(policy, c->msg);
	return r;
}

/* Every path starts at the same place. */
static int keep_root(struct policy *policy)
{
	struct match_state state;

	match_root(policy, &state);
	policy->root = arena_alloc(&policy->arena, match_state_size(&state));
	if (!policy->root)
		return -ENOMEM;
	memcpy(policy->root, &state, match_state_size(&state));
	return 0;
}

int policy_compile(struct policy *policy, struct errmsg *msg)
{
	if (policy->compiled)
		return errmsg_set(msg, -EPERM, "the policy is sealed");

	_cleanup_(compiler_free) struct compiler *c = malloc(sizeof(*c));
	if (!c)
		return -ENOMEM;
	/* What is large is written before it is read. */
	memset(c, 0, offsetof(struct compiler, pattern));
	c->policy = policy;
	c->msg = msg;
	int r = resolver_new(&c->resolver);
	if (r == 0)
		r = trie_builder_init(&c->builder, &policy->arena);
	if (r == 0)
		r = compile(c);
	if (r == 0)
		r = keep_root(policy);
	if (r < 0)
		return errmsg_set(msg, r, "the policy cannot be compiled: %s", strerror(-r));
	policy->compiled = true;
	r = arena_seal(&policy->arena, !policy->context.no_mseal);
	return r < 0 ? errmsg_set(msg, r, "the policy cannot be sealed: %s", strerror(-r)) : 0;
}
