/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/environment.h"

#include <stdio.h>
#include <string.h>

#include "vfs/policy/glob.h"

struct environment {
	char **vars; /* NULL-terminated */
	size_t count, room;
};

static size_t name_length(const char *var)
{
	return strcspn(var, "=");
}

/* The index of the variable, or count. */
static size_t find(const struct environment *environment, const char *name, size_t len)
{
	for (size_t i = 0; i < environment->count; i++)
		if (name_length(environment->vars[i]) == len && memcmp(environment->vars[i], name, len) == 0)
			return i;
	return environment->count;
}

static int append(struct environment *environment, char *var)
{
	if (environment->count + 2 > environment->room) {
		size_t room = environment->room ? environment->room * 2 : 64;
		char **vars = reallocarray(environment->vars, room, sizeof(*vars));
		if (!vars)
			return -ENOMEM;
		environment->vars = vars;
		environment->room = room;
	}
	environment->vars[environment->count++] = var;
	environment->vars[environment->count] = NULL;
	return 0;
}

static void remove_at(struct environment *environment, size_t index)
{
	free(environment->vars[index]);
	/* The terminating NULL moves along. */
	memmove(&environment->vars[index], &environment->vars[index + 1],
		(environment->count - index) * sizeof(*environment->vars));
	environment->count--;
}

int environment_new(const char *const *vars, struct environment **ret)
{
	static const char *const nothing[] = {NULL};
	struct environment *environment = calloc(1, sizeof(*environment));
	if (!environment)
		return -ENOMEM;
	environment->vars = calloc(64, sizeof(*environment->vars));
	environment->room = 64;
	if (!environment->vars) {
		environment_free(environment);
		return -ENOMEM;
	}
	for (vars = vars ? vars : nothing; *vars; vars++) {
		size_t len = name_length(*vars);
		if (len == 0 || (*vars)[len] == '\0' || find(environment, *vars, len) < environment->count)
			continue;
		char *copy = strdup(*vars);
		if (!copy || append(environment, copy) < 0) {
			free(copy);
			environment_free(environment);
			return -ENOMEM;
		}
	}
	*ret = environment;
	return 0;
}

struct environment *environment_free(struct environment *environment)
{
	if (!environment)
		return NULL;
	if (environment->vars)
		environment_clear(environment);
	free(environment->vars);
	free(environment);
	return NULL;
}

int environment_set(struct environment *environment, const char *name, const char *value)
{
	_cleanup_free_ char *var = NULL;
	size_t len = name_length(name);

	if (len == 0 || name[len] == '=')
		return -EINVAL;
	if (asprintf(&var, "%s=%s", name, value) < 0) {
		var = NULL;
		return -ENOMEM;
	}
	size_t index = find(environment, name, len);
	if (index < environment->count) {
		free(environment->vars[index]);
		environment->vars[index] = TAKE_PTR(var);
		return 0;
	}
	int r = append(environment, var);
	if (r == 0)
		var = NULL;
	return r;
}

void environment_unset(struct environment *environment, const char *name)
{
	size_t index = find(environment, name, strlen(name));

	if (index < environment->count)
		remove_at(environment, index);
}

void environment_hide(struct environment *environment, const char *glob)
{
	for (size_t i = 0; i < environment->count;) {
		const char *var = environment->vars[i];
		if (glob_match(glob, strlen(glob), var, name_length(var)))
			remove_at(environment, i);
		else
			i++;
	}
}

void environment_clear(struct environment *environment)
{
	while (environment->count > 0)
		remove_at(environment, environment->count - 1);
}

int environment_apply_policy(struct environment *environment, const struct policy *policy)
{
	for (uint32_t i = 0; i < policy_env_count(policy); i++) {
		const struct env_rule *rule = policy_env(policy, i);
		if (rule->set) {
			int r = environment_set(environment, rule->name, rule->value);
			if (r < 0)
				return r;
		} else {
			environment_hide(environment, rule->name);
		}
	}
	return 0;
}

char *const *environment_vars(const struct environment *environment)
{
	return environment->vars;
}
