/* SPDX-License-Identifier: Apache-2.0 */
/* The options by which every subcommand is told a policy: -p, -c, -r, --hide, --mask, --append, --readonly, --deny. */
#pragma once

#include <getopt.h>
#include <stdbool.h>

#include "vfs/policy/policy.h"

/* Values of `val` in the long options below; kept above any character. */
enum policy_option {
	OPT_POLICY_FIRST = 0x1000,
	OPT_PROFILE = OPT_POLICY_FIRST, /* -p, --profile NAME */
	OPT_CONFIG,			/* -c, --config FILE */
	OPT_RULE,			/* -r, --rule RULE */
	OPT_HIDE,
	OPT_MASK,
	OPT_APPEND,
	OPT_READONLY,
	OPT_DENY,
	OPT_POLICY_END,
};

#define POLICY_SHORT_OPTIONS "p:c:r:"
#define POLICY_LONG_OPTIONS                                                                                            \
	{"profile", required_argument, NULL, OPT_PROFILE}, {"config", required_argument, NULL, OPT_CONFIG},            \
		{"rule", required_argument, NULL, OPT_RULE}, {"hide", required_argument, NULL, OPT_HIDE},              \
		{"mask", required_argument, NULL, OPT_MASK}, {"append", required_argument, NULL, OPT_APPEND},          \
		{"readonly", required_argument, NULL, OPT_READONLY}, {"deny", required_argument, NULL, OPT_DENY}

/* The policy options as they were given. scrim.conf(5) orders them: profiles, then files, then the command line. */
struct policy_options;

int policy_options_new(struct policy_options **ret);
struct policy_options *policy_options_free(struct policy_options *options);
/* Take one option as getopt_long returned it ('p', 'c', 'r' or an enum policy_option); false: not one of ours. */
bool policy_options_take(struct policy_options *options, int opt, const char *argument);
/* Was any given? */
bool policy_options_any(const struct policy_options *options);
/* Read and compile. Warnings of the policy are left in it. Returns 0 or a negative errno with MSG. */
int policy_options_load(const struct policy_options *options, struct policy **ret, struct errmsg *msg);
