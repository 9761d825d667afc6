/* SPDX-License-Identifier: Apache-2.0 */
/* The environment of the command: scrim's own, edited by the policy's env rules, then by the command line. */
#pragma once

#include "vfs/policy/policy.h"

/* A list of "NAME=VALUE"; a name occurs once. Owns its strings. */
struct environment;

/* A copy of VARS (NULL-terminated "NAME=VALUE"; entries without a name are dropped, the first of a name stands). */
int environment_new(const char *const *vars, struct environment **ret);
struct environment *environment_free(struct environment *environment);

/* NAME must be neither empty nor hold '=': else -EINVAL. */
int environment_set(struct environment *environment, const char *name, const char *value);
void environment_unset(struct environment *environment, const char *name);
/* Take away every variable whose name matches GLOB (as in a rule: vfs/policy/glob.h). */
void environment_hide(struct environment *environment, const char *glob);
void environment_clear(struct environment *environment);
/* The `env` rules of a policy, in their order. */
int environment_apply_policy(struct environment *environment, const struct policy *policy);

/* NULL-terminated, for execve; valid until the next change. */
char *const *environment_vars(const struct environment *environment);
