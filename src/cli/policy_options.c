/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/policy_options.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "cli/places.h"

/* In the order in which rules are read: a later one wins. */
enum phase {
	PHASE_PROFILES,
	PHASE_FILES,
	PHASE_RULES,
	PHASE_COUNT,
};

/* What each option is: a verb of its own, or one of the three ways to name rules. */
static const struct {
	int opt;
	int short_opt;
	enum phase phase;
	const char *verb;
} forms[] = {
	{OPT_PROFILE, 'p', PHASE_PROFILES, NULL},
	{OPT_CONFIG, 'c', PHASE_FILES, NULL},
	{OPT_RULE, 'r', PHASE_RULES, NULL},
	{OPT_HIDE, 0, PHASE_RULES, "hide"},
	{OPT_MASK, 0, PHASE_RULES, "mask"},
	{OPT_APPEND, 0, PHASE_RULES, "append"},
	{OPT_READONLY, 0, PHASE_RULES, "readonly"},
	{OPT_DENY, 0, PHASE_RULES, "deny"},
};

struct given {
	enum phase phase;
	const char *verb;
	char *argument;
};

struct policy_options {
	struct given *given;
	size_t count, room;
	bool out_of_memory; /* said by policy_options_load: taking has no way to */
};

int policy_options_new(struct policy_options **ret)
{
	struct policy_options *options = calloc(1, sizeof(*options));
	if (!options)
		return -ENOMEM;
	*ret = options;
	return 0;
}

struct policy_options *policy_options_free(struct policy_options *options)
{
	if (options) {
		for (size_t i = 0; i < options->count; i++)
			free(options->given[i].argument);
		free(options->given);
		free(options);
	}
	return NULL;
}

static bool add(struct policy_options *options, enum phase phase, const char *verb, const char *argument)
{
	if (options->count == options->room) {
		size_t room = options->room ? options->room * 2 : 16;
		struct given *more = reallocarray(options->given, room, sizeof(*more));
		if (!more)
			return false;
		options->given = more;
		options->room = room;
	}
	char *copy = strdup(argument);
	if (!copy)
		return false;
	options->given[options->count++] = (struct given){phase, verb, copy};
	return true;
}

bool policy_options_take(struct policy_options *options, int opt, const char *argument)
{
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		if (opt != forms[i].opt && (forms[i].short_opt == 0 || opt != forms[i].short_opt))
			continue;
		if (!add(options, forms[i].phase, forms[i].verb, argument ? argument : ""))
			options->out_of_memory = true;
		return true;
	}
	return false;
}

bool policy_options_any(const struct policy_options *options)
{
	return options->count > 0 || options->out_of_memory;
}

/* The user's own profiles come before those of the machine. */
static void fill_profile_dirs(struct policy_context *context, char *own, size_t size)
{
	size_t n = 0;

	if (config_path("profiles", own, size) == 0)
		context->profile_dirs[n++] = own;
	context->profile_dirs[n++] = "/etc/scrim/profiles";
#ifdef SCRIM_PROFILE_DIR
	context->profile_dirs[n++] = SCRIM_PROFILE_DIR;
#endif
#ifdef SCRIM_SOURCE_PROFILE_DIR
	context->profile_dirs[n++] = SCRIM_SOURCE_PROFILE_DIR; /* a build that was not installed */
#endif
	(void)n;
}

static int add_given(struct policy *policy, const struct given *given, struct errmsg *msg)
{
	switch (given->phase) {
	case PHASE_PROFILES:
		return policy_add_profile(policy, given->argument, msg);
	case PHASE_FILES:
		return policy_add_file(policy, given->argument, msg);
	default:
		return given->verb ? policy_add_verb(policy, given->verb, given->argument, msg)
				   : policy_add_rule(policy, given->argument, msg);
	}
}

static void cleanup_policy(struct policy **policy)
{
	policy_free(*policy);
}

int policy_options_load(const struct policy_options *options, struct policy **ret, struct errmsg *msg)
{
	_cleanup_free_ char *cwd = getcwd(NULL, 0);
	char own[PATH_MAX];
	struct policy_context context = {.home = home_directory(), .cwd = cwd && cwd[0] == '/' ? cwd : NULL};
	_cleanup_(cleanup_policy) struct policy *policy = NULL;

	if (options->out_of_memory)
		return errmsg_set(msg, -ENOMEM, "out of memory");
	fill_profile_dirs(&context, own, sizeof(own));
	int r = policy_new(&context, &policy);
	if (r < 0)
		return errmsg_set(msg, r, "no memory for a policy: %s", strerror(-r));
	for (int phase = 0; phase < PHASE_COUNT; phase++) {
		for (size_t i = 0; i < options->count; i++) {
			if (options->given[i].phase != (enum phase)phase)
				continue;
			r = add_given(policy, &options->given[i], msg);
			if (r < 0)
				return errmsg_set(msg, r, "the policy cannot be read: %s", strerror(-r));
		}
	}
	r = policy_compile(policy, msg);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(policy);
	return 0;
}
