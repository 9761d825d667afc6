/* SPDX-License-Identifier: Apache-2.0 */
/* What the commands on encrypted files share: options, keys, provider, walking, messages, results, exit status. */
#pragma once

#include <getopt.h>
#include <jansson.h>
#include <limits.h>

#include "cli/cli.h"
#include "cli/key_options.h"
#include "cli/progress.h"
#include "crypt/files/files.h"

/* Values of `val`, above those of key_options.h. */
enum store_option {
	OPT_PROVIDER = 0x1200, /* --provider NAME */
	OPT_JSON,              /* --json */
	OPT_FORCE,             /* -f, --force */
	OPT_QUIET,             /* -q, --quiet */
	OPT_RECURSIVE,         /* -r, --recursive */
	OPT_CROSS_DEVICE,      /* --cross-device */
	OPT_HELP,              /* -h, --help */
	OPT_STRICT_FRESHNESS,  /* --strict-freshness */
	OPT_STORE_END,
};

/* Those of every command. */
#define STORE_LONG_OPTIONS                                                                                             \
	KEY_LONG_OPTIONS, {"provider", required_argument, NULL, OPT_PROVIDER}, {"json", no_argument, NULL, OPT_JSON},      \
		{"quiet", no_argument, NULL, OPT_QUIET}, {"help", no_argument, NULL, OPT_HELP},                                     \
		{"strict-freshness", no_argument, NULL, OPT_STRICT_FRESHNESS}
/* Of those that take trees; and the one that does what is refused else. */
#define TREE_LONG_OPTIONS                                                                                              \
	{"recursive", no_argument, NULL, OPT_RECURSIVE}, {"cross-device", no_argument, NULL, OPT_CROSS_DEVICE}
#define FORCE_LONG_OPTION {"force", no_argument, NULL, OPT_FORCE}

#define TREE_OPTIONS_HELP                                                                                              \
	"  -r, --recursive  take all regular files below a directory\n"                                               \
	"  --cross-device   ... also in other file systems\n"
#define STORE_OPTIONS_HELP                                                                                             \
	"  --json           a JSON object for each file, one a line\n"                                                \
	"  -q, --quiet      no notes, no progress; errors alone\n"                                                    \
	"  --provider NAME  who computes AES-256-GCM: openssl (default), sodium...\n"                                  \
	"  --strict-freshness  refuse a file that is older than when it was last written here\n"                       \
	"\n" KEY_OPTIONS_HELP "\nExit status: 0 good, 1 something failed, 2 wrong usage, 12 no or wrong key, 26 damage.\n"

/* One run of a command. Invariant: `status` is the worst of what was reported. */
struct store_command {
	const char *name; /* "encrypt" */
	const char *usage;
	struct key_options key_options;
	struct keys keys;
	bool keys_opened, keys_failed;
	const char *provider;
	bool json, quiet, recursive, cross_device;
	struct files files; /* its hooks are set by store_command_start() */
	struct files_fresh fresh;
	char fresh_directory[PATH_MAX];
	struct progress progress;
	enum progress_unit progress_unit; /* of store_command_each() */
	int status;
	unsigned done, skipped, failed, passed; /* files */
};

/* Take one of the options above, or one letter for it; false: not one of them. OPT_HELP is left to store_command_parse(). */
bool store_command_take(struct store_command *c, int opt, const char *argument);

/*
 * Parse argv: OWN, called for what store_command_take() does not know, returns false for what it does not know either; may be NULL.
 * 0: go on, with the operands from optind; 1: end now with c->status.
 */
int store_command_parse(struct store_command *c, int argc, char **argv, const char *letters, const struct option *options,
			bool (*own)(void *data, int opt, const char *argument), void *data);

/* Wrong usage: say so. Returns the exit status. */
int store_command_misused(const struct store_command *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* After the options: find the provider, hear signals. 0, or 1: end now with c->status. */
int store_command_start(struct store_command *c);

/* The hook `keys` of struct files, for DATA a struct store_command: what the options say. */
int store_command_keys(void *data, const uint8_t (*ids)[FORMAT_ID], size_t count, const struct store_key **ret_keys,
		       size_t *ret_count, struct errmsg *msg);

/* PATH, or for "-" standard input, open for reading: a descriptor or a negative errno. */
int store_open_input(const char *path, struct errmsg *msg);

void store_add_sizes(json_t *extra, const struct files_sizes *sizes);

/* How a file ended. EXTRA (may be NULL) is taken over and its members join those of the JSON object. */
enum outcome { OUTCOME_DONE, OUTCOME_SKIPPED, OUTCOME_PASSED, OUTCOME_FAILED };
void store_report(struct store_command *c, const char *path, enum outcome outcome, int error, const char *message, json_t *extra);

/* The same for what a function of the library returned: DONE, FILES_SKIPPED, or an error. */
void store_report_result(struct store_command *c, const char *path, int result, const struct errmsg *msg, json_t *extra);

/* Something worth saying once, not about a result. */
void store_say(struct store_command *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same, also with --quiet: part of a result, as text of one line. */
void store_say_always(struct store_command *c, const char *text);

/* Has a signal told us to end? */
bool store_command_interrupted(void);

/* Call ACT for every file of the paths argv[first...]. What it returns is a result for store_report_result(), unless it is 2:
 * it has reported itself. With -r a summary is said. */
void store_command_each(struct store_command *c, char **paths,
			int (*act)(struct store_command *c, const struct files_place *place, unsigned depth, json_t *extra,
				   struct errmsg *msg));
#define REPORTED 2

/* A subcommand that is no more than this: its options (TREES: those of trees too), then ACT for every file. Its exit status. */
int store_command_on_files(struct store_command *c, int argc, char **argv, bool trees,
			   int (*act)(struct store_command *c, const struct files_place *place, unsigned depth,
				      json_t *extra, struct errmsg *msg));

/* The end: give everything back, die of the signal that was caught. Returns the exit status. */
int store_command_finish(struct store_command *c);

/* Standard output, or another that is no file, for content. */
struct output {
	int fd;
	bool terminal, force;
	struct errmsg *msg;
};
/* A files_sink. A terminal gets no binary data unless forced. */
int output_write(void *data, const void *bytes, size_t len);

/* "4K" to "64K" as the log2 of bytes. */
bool parse_power(const char *text, unsigned low, unsigned high, uint8_t *ret_shift);
