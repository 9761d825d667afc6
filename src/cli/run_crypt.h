/* SPDX-License-Identifier: Apache-2.0 */
/* The part of scrim-run(1) that is about encrypted files: options, limits, swap, and the keys of the run. */
#pragma once

#include <limits.h>
#include <stdbool.h>

#include "cli/crypt_keys.h"
#include "cli/front.h"

enum run_crypt_option {
	OPT_RUN_CRYPT_FIRST = 0x1200,
	OPT_MEMFD_MAX = OPT_RUN_CRYPT_FIRST, /* --memfd-max SIZE */
	OPT_MEMFD_TOTAL,		     /* --memfd-total SIZE */
	OPT_REQUIRE_NO_SWAP,		     /* --require-no-swap */
	OPT_RUN_STRICT_FRESHNESS,	     /* --strict-freshness */
};

#define RUN_CRYPT_LONG_OPTIONS                                                                                         \
	KEY_LONG_OPTIONS, {"memfd-max", required_argument, NULL, OPT_MEMFD_MAX},                                       \
		{"memfd-total", required_argument, NULL, OPT_MEMFD_TOTAL},                                             \
		{"require-no-swap", no_argument, NULL, OPT_REQUIRE_NO_SWAP},                                           \
		{"strict-freshness", no_argument, NULL, OPT_RUN_STRICT_FRESHNESS}

#define RUN_CRYPT_HELP                                                                                                 \
	"encrypted files (crypt rules):\n"                                                                            \
	"      --key NAME         the key of rules without key=; else \"default\"\n"                                   \
	"      --key-file [NAME=]FILE, --key-fd [NAME=]N\n"                                                            \
	"                         the key NAME of rules; else of those without key=\n"                          \
	"      --passfile FILE, --askpass CMD\n"                                                                       \
	"                         where passphrases come from; else the terminal\n"                                    \
	"      --memfd-max SIZE, --memfd-total SIZE\n"                                                                 \
	"                         the most memory for one file, and for all\n"                                         \
	"      --require-no-swap  not while memory may be written to a disk unencrypted\n"                             \
	"      --strict-freshness refuse a file that is older than it was here\n"

/* All zeros: no option was given. */
struct run_crypt {
	struct key_options options;
	struct policy_settings given; /* by option; wins over the policy's */
	int fds[KEYS_MAX];	      /* of --key-fd */
	size_t fd_count;

	const struct policy *policy;
	char freshness[PATH_MAX];
	struct vnodes_config vnodes; /* as it is in the supervisor */
	struct crypt_keys *keys;     /* there alone */
};

/* Take one option as getopt_long returned it. Returns 1; 0: not one of ours; or a negative errno with MSG. */
int run_crypt_take(struct run_crypt *crypt, int opt, const char *argument, struct errmsg *msg);

/* All options are taken: look at the descriptors of --key-fd. */
int run_crypt_find_fds(struct run_crypt *crypt, struct errmsg *msg);

/*
 * Before front_run(): check the options against POLICY, look for swap, and have the keys opened in the supervisor. CRYPT outlives
 * the run. Nothing is done where no rule encrypts.
 */
int run_crypt_prepare(struct run_crypt *crypt, const struct policy *policy, struct front_config *front, struct errmsg *msg);
