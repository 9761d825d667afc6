/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this folder share: the policy as it is read, and as it is compiled. */
#pragma once

#include <sys/types.h>

#include "base/buffer.h"
#include "vfs/policy/policy.h"
#include "vfs/policy/seal.h"
#include "vfs/policy/trie.h"

#define PATTERN_MAX 4095   /* bytes of a path the kernel takes */
#define COMPONENT_MAX 255  /* bytes of a name */
#define RULES_MAX (1 << 20)
#define WARNINGS_MAX 64
#define CRYPT_KEYS_MAX 64 /* different keys in one policy */

enum rule_option {
	OPTION_WITH,
	OPTION_REDACT,
	OPTION_TOKEN,
	OPTION_NOMATCH,
	OPTION_WRITE,
	OPTION_KEY,
	OPTION_FILES,
	OPTION_PLAIN,
	OPTION_CREATE,
	OPTION_PROVIDER,
	OPTION_COUNT,
};

struct verb {
	const char *name;
	enum part part;
	uint8_t value;	  /* of that part's enum */
	unsigned options; /* bits of enum rule_option */
};

/* What a crypt rule means for its part: this bit and a number for its key. Moves between keys are no moves. */
#define EFFECT_CRYPT 0x80000000u

/* The verb called by the LEN bytes at NAME, or NULL. */
const struct verb *verb_find(const char *name, size_t len);
/* The verb of a compiled rule. */
const struct verb *verb_of(const struct rule *rule);

/* One rule as it was read, its braces expanded, its variables replaced; absolute, escaped where bytes are literal. */
struct parsed_rule {
	struct parsed_rule *next;
	const struct verb *verb;
	const char *shown;   /* as written, after variables */
	const char *pattern; /* one expansion of it */
	const char *origin;
	unsigned line;
	const char *fstype; /* of a fstype rule, or NULL */
	struct mask_options mask;
	const char *crypt_key;
	const char *crypt_provider;
	enum plain_mode crypt_plain;
	bool files_only;
	bool create_private;
};

struct warning {
	struct warning *next;
	const char *text;
};

struct parsed_env {
	struct parsed_env *next;
	struct env_rule rule;
};

/* Lies in its own arena, so that sealing covers the whole of it. */
struct policy {
	struct arena arena;
	struct policy_context context; /* its strings copied */
	struct policy_settings settings;
	bool compiled;

	/* as it is read */
	struct parsed_rule *parsed, **parsed_tail;
	uint32_t parsed_count;
	struct parsed_env *env_list, **env_tail;
	struct warning *warnings, **warnings_tail;
	uint32_t warning_count;

	/* as it is compiled */
	struct rule *rules;
	uint32_t rule_count;
	uint32_t *effects;    /* of each rule: what it means for its part; equal effects are interchangeable */
	uint32_t *terminals;  /* of each rule: the node it ends at */
	struct env_rule *env; /* in order */
	uint32_t env_count;
	struct trie trie;
	struct match_state *root; /* where matching starts */
	struct policy_needs needs;
};

/* Add a warning; a full list drops it. Returns 0 or -ENOMEM. */
int policy_warn(struct policy *policy, const char *format, ...) _printf_(2, 3);

/* "FILE:LINE" of a rule, or "command line". Returns OUT. */
const char *rule_place(const char *origin, unsigned line, char *out, size_t size);
