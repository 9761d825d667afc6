/* SPDX-License-Identifier: Apache-2.0 */
/* A policy file, and paths made of its own bytes: matcher and explain must say the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "vfs/policy/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *no_variables(const char *name)
{
	return strcmp(name, "V") == 0 ? "a*[b" : NULL;
}

static size_t word_length(const char *text, size_t len)
{
	size_t i = 0;
	while (i < len && text[i] != ' ' && text[i] != '\n')
		i++;
	return i;
}

static void note(const struct rule *rule, void *userdata)
{
	((int32_t *)userdata)[verb_of(rule)->part] = (int32_t)rule->index;
}

static void compare(const struct policy *policy, const char *path, size_t len)
{
	int32_t best[PART_COUNT] = {RULE_NONE, RULE_NONE, RULE_NONE};
	struct match_state at;
	struct verdict verdict;

	policy_explain(policy, path, len, note, best);
	match_path(policy, path, len, &at);
	match_verdict(policy, &at, &verdict);
	if (best[PART_VISIBILITY] != verdict.visibility_rule || best[PART_CONTENT] != verdict.content_rule ||
	    best[PART_WRITE] != verdict.write_rule || !match_equal(&at, &at))
		abort();
	for (uint32_t i = 1; i < at.count; i++)
		if (at.node[i - 1] >= at.node[i])
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct policy_context context = {
		.home = "/h", .cwd = "/c", .getenv = no_variables, .trust_any_owner = true, .no_mseal = true};
	static const struct reading reading = {.origin = "fuzz", .directory = "/nowhere", .depth = INCLUDE_DEPTH_MAX};
	struct policy *policy = NULL;
	struct errmsg msg = {0};
	char *text = malloc(size + 1);

	memcpy(text, data, size);
	if (policy_new(&context, &policy) < 0)
		abort();
	int r = parse_text(policy, &reading, text, size, &msg);
	if (r == 0)
		r = policy_compile(policy, &msg);
	if (r < 0 && !msg.text[0])
		abort();
	for (size_t i = 0; i < size && r == 0; i++)
		if (text[i] == '/')
			compare(policy, text + i, word_length(text + i, size - i));
	free(text);
	policy_free(policy);
	return 0;
}
