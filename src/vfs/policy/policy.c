/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/policy/policy.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "vfs/policy/parse.h"

static int copy_string(struct arena *arena, const char **text)
{
	if (!*text)
		return 0;
	*text = arena_strndup(arena, *text, strlen(*text));
	return *text ? 0 : -ENOMEM;
}

int policy_new(const struct policy_context *context, struct policy **ret)
{
	struct arena arena;
	int r = arena_new(&arena);

	if (r < 0)
		return r;
	struct policy *policy = arena_alloc(&arena, sizeof(*policy));
	if (!policy) {
		arena_free(&arena);
		return -ENOMEM;
	}
	policy->arena = arena;
	policy->context = *context;
	policy->parsed_tail = &policy->parsed;
	policy->env_tail = &policy->env_list;
	policy->warnings_tail = &policy->warnings;
	r = copy_string(&policy->arena, &policy->context.home);
	if (r == 0)
		r = copy_string(&policy->arena, &policy->context.cwd);
	for (size_t i = 0; i < ARRAY_LEN(context->profile_dirs) && r == 0; i++)
		r = copy_string(&policy->arena, &policy->context.profile_dirs[i]);
	if (r < 0) {
		policy_free(policy);
		return r;
	}
	*ret = policy;
	return 0;
}

struct policy *policy_free(struct policy *policy)
{
	if (policy) {
		/* The arena holds its own description. */
		struct arena arena = policy->arena;
		arena_free(&arena);
	}
	return NULL;
}

/* Nothing can be added to a sealed policy. */
static int check_open(const struct policy *policy, struct errmsg *msg)
{
	return policy->compiled ? errmsg_set(msg, -EPERM, "the policy is sealed") : 0;
}

int policy_add_profile(struct policy *policy, const char *name, struct errmsg *msg)
{
	char path[PATTERN_MAX + 1], origin[300];
	const char *const *dirs = policy->context.profile_dirs;
	int r = check_open(policy, msg);

	if (r < 0)
		return r;
	if (!*name || strlen(name) > COMPONENT_MAX - 8 || strchr(name, '/') || name[0] == '.')
		return errmsg_set(msg, -EINVAL, "not the name of a profile: %.80s\nname a file of rules with -c FILE", name);
	snprintf(origin, sizeof(origin), "profile %s", name);
	for (size_t i = 0; i < ARRAY_LEN(policy->context.profile_dirs) && dirs[i]; i++) {
		int n = snprintf(path, sizeof(path), "%s/%s.profile", dirs[i], name);
		if (n < 0 || (size_t)n >= sizeof(path))
			continue;
		if (access(path, F_OK) == 0)
			return parse_file(policy, path, origin, msg);
	}
	return errmsg_set(msg, -ENOENT, "no profile %s in %s%s%s\nname a file of rules with -c FILE", name,
			  dirs[0] ? dirs[0] : "any place", dirs[0] && dirs[1] ? " or " : "",
			  dirs[0] && dirs[1] ? dirs[1] : "");
}

int policy_add_file(struct policy *policy, const char *path, struct errmsg *msg)
{
	int r = check_open(policy, msg);
	return r < 0 ? r : parse_file(policy, path, path, msg);
}

static const char command_line[] = "command line";

int policy_add_rule(struct policy *policy, const char *text, struct errmsg *msg)
{
	const struct place place = {.origin = command_line, .text = text, .len = strlen(text)};
	const struct reading reading = {
		.origin = command_line,
		.directory = policy->context.cwd ? policy->context.cwd : ".",
		.command_line = true,
	};
	int r = check_open(policy, msg);

	return r < 0 ? r : parse_line(policy, &reading, &place, msg);
}

int policy_add_verb(struct policy *policy, const char *verb, const char *glob, struct errmsg *msg)
{
	const struct reading reading = {.origin = command_line, .command_line = true};
	_cleanup_free_ char *text = NULL;
	int r = check_open(policy, msg);

	if (r < 0)
		return r;
	if (asprintf(&text, "%s %s", verb, glob) < 0)
		return -ENOMEM;
	const struct place place = {.origin = command_line, .text = text, .len = strlen(text)};
	return parse_verb(policy, &reading, &place, verb, text + strlen(verb) + 1, msg);
}

int policy_warn(struct policy *policy, const char *format, ...)
{
	char text[1024];
	va_list args;

	if (policy->warning_count == WARNINGS_MAX)
		return 0;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	struct warning *warning = arena_alloc(&policy->arena, sizeof(*warning));
	const char *copy = arena_strndup(&policy->arena, text, strlen(text));
	if (!warning || !copy)
		return -ENOMEM;
	warning->text = copy;
	*policy->warnings_tail = warning;
	policy->warnings_tail = &warning->next;
	policy->warning_count++;
	return 0;
}

const char *policy_warning(const struct policy *policy, uint32_t index)
{
	const struct warning *warning = policy->warnings;

	while (warning && index--)
		warning = warning->next;
	return warning ? warning->text : NULL;
}

uint32_t policy_rule_count(const struct policy *policy)
{
	return policy->rule_count;
}

const struct rule *policy_rule(const struct policy *policy, uint32_t index)
{
	return index < policy->rule_count ? &policy->rules[index] : NULL;
}

uint32_t policy_env_count(const struct policy *policy)
{
	return policy->compiled ? policy->env_count : 0;
}

const struct env_rule *policy_env(const struct policy *policy, uint32_t index)
{
	return index < policy_env_count(policy) ? &policy->env[index] : NULL;
}

void policy_needs(const struct policy *policy, struct policy_needs *ret)
{
	*ret = policy->needs;
}

void policy_settings(const struct policy *policy, struct policy_settings *ret)
{
	*ret = policy->settings;
}

const char *rule_place(const char *origin, unsigned line, char *out, size_t size)
{
	if (line)
		snprintf(out, size, "%s:%u", origin, line);
	else
		snprintf(out, size, "%s", origin);
	return out;
}
