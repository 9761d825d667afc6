/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The policy: rules read from profiles, files and the command line, compiled once into a matcher and sealed.
 *
 * A policy is made by policy_new(), filled by policy_add_*(), and closed by policy_compile(); after that it is
 * immutable (its memory is read-only, and mseal'ed where the kernel can) and may be used by any number of threads.
 * Meanings of rules: scrim.conf(5).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/errmsg.h"

enum visibility {
	VIS_SHOW,
	VIS_HIDE, /* ENOENT */
	VIS_DENY, /* EACCES */
	VIS_WAY,  /* hidden or denied by its own rule, but a literal ancestor of something shown: can be walked and
		     stat'ed, lists only the way down, nothing can be created, changed or removed in it */
};

enum content {
	CONTENT_PLAIN,
	CONTENT_MASK,
	CONTENT_CRYPT,
};

enum write_mode {
	WRITE_FREE,
	WRITE_APPEND,
	WRITE_READONLY,
};

/* How masked content is made; options of the mask rule. */
enum mask_kind {
	MASK_EMPTY,
	MASK_WITH,   /* with=FILE */
	MASK_REDACT, /* redact=REGEX, once or more */
};

#define REDACTIONS_MAX 16

/* One redact=REGEX and the token= behind it. */
struct redaction {
	const char *expression;
	const char *token; /* what stands in the place of each match; NULL: as many bytes of filler */
};

/* What a file is in which one of the expressions finds nothing, or that is too long to be looked through. */
enum mask_nomatch {
	NOMATCH_DENY, /* EACCES */
	NOMATCH_EMPTY,
	NOMATCH_SHOW,
};

/* How masked content is made. */
struct mask_options {
	enum mask_kind kind;
	const char *with; /* MASK_WITH: the file, absolute */
	const struct redaction *redactions; /* MASK_REDACT: at least one */
	unsigned redaction_count;
	enum mask_nomatch nomatch;
	bool discard; /* write=discard */
};

/* What a crypt rule does with a file that is not encrypted: plain=. */
enum plain_mode {
	PLAIN_REFUSE,
	PLAIN_READ,  /* may be read */
	PLAIN_ADOPT, /* is encrypted when it is first written to */
};

#define KEY_DEFAULT   "default"
#define KEY_EPHEMERAL "ephemeral" /* a key that only this run has */

/*
 * One rule. Strings live as long as the policy. One line makes several rules, next to each other, of the same pattern
 * and place: one for each alternative of {a,b}, and for a literal path that is a symlink one for its own name and one
 * for what it leads to. There are none before policy_compile().
 */
struct rule {
	const char *verb;    /* "hide", "show", ...; env rules are apart, in policy_env() */
	const char *pattern; /* as written, after variables, absolute */
	const char *origin;  /* file name, "profile agent" or "command line" */
	unsigned line;	     /* 1-based; 0 on the command line */
	uint32_t index;	     /* its place in the order: later wins */
	bool literal;	     /* no wildcard in it: `canonical` is set */
	const char *canonical;	/* literal rules: the resolved path that is matched */
	const char *literal_prefix; /* canonical longest wildcard-free directory prefix, "/" at least; of a literal
				       rule its parent */
	/* fstype NAME hide|deny: the name; else NULL. Such a rule matches no path: overlay/fstypes.h. */
	const char *fstype;
	enum visibility fstype_visibility;
	struct mask_options mask;
	const char *crypt_key;	   /* crypt rules: key=NAME, KEY_DEFAULT without; else NULL */
	const char *crypt_provider; /* provider=, a name that aead_provider_find() takes; NULL: the default */
	enum plain_mode crypt_plain;
	bool files_only;	   /* files=only: covers files of that very name, nothing beneath */
	bool create_private;	   /* hide ... create=private: what is made under such a name is the view's own */
};

#define RULE_NONE (-1)

/* What the policy says of one name: three independent parts and the rule that decided each (RULE_NONE: default). */
struct verdict {
	enum visibility visibility;
	enum content content;
	enum write_mode write;
	int32_t visibility_rule;
	int32_t content_rule;
	int32_t write_rule;
};

/*
 * Where the matcher stands after some path: the rules decided so far and the trie nodes that can still change the
 * verdict below (those that cannot are dropped, so that places with nothing to come compare equal). It is a value:
 * copying it is a memcpy of match_state_size() bytes. policy_compile() refuses a policy that could need more than
 * MATCH_NODES_MAX nodes at once, so stepping cannot fail. All members but `best` are the matcher's own.
 */
#define MATCH_NODES_MAX 1024
struct match_state {
	int32_t best[3]; /* rule index that decides visibility, content, write at this name; RULE_NONE */
	uint32_t effect[3]; /* what those rules mean; equal effects of different rules are interchangeable */
	/* A rule with files=only decides content at this very name and not beneath it (best[1] does); RULE_NONE: none. */
	int32_t here;
	uint32_t here_effect;
	int32_t high[3];    /* the last and first rule of each part that can still match below */
	int32_t low[3];
	uint8_t below;	    /* bits of the visibilities that rules below speak of */
	bool anchor;	    /* a literal rule or the literal prefix of a rule lies here or below */
	bool way;	    /* a literal ancestor of something shown */
	uint32_t count;
	uint32_t node[MATCH_NODES_MAX]; /* sorted, unique; only the first `count` are defined */
};

/* The bytes of a state that mean something. */
static inline size_t match_state_size(const struct match_state *state)
{
	return offsetof(struct match_state, node) + state->count * sizeof(state->node[0]);
}

struct policy;

/* An env rule: `env hide GLOB`, `env set NAME=VALUE`, in order. */
struct env_rule {
	bool set;	   /* else hide */
	const char *name;  /* the name, or the glob */
	const char *value; /* set only */
};

/* What ${HOME}, ${CWD} and other variables mean while rules are read; strings are copied. */
struct policy_context {
	const char *home; /* the user's home, absolute */
	const char *cwd;  /* scrim's own working directory, absolute */
	const char *(*getenv)(const char *name); /* NULL: getenv(3) */
	const char *profile_dirs[4]; /* searched in order by policy_add_profile(); NULL-terminated or 4 */
	bool trust_any_owner; /* tests only: skip the check that policy files are not writable by others */
	bool no_mseal;	      /* tests only: read-only but not mseal'ed, so that policy_free() gives the memory back */
};

/* All return 0 or a negative errno with MSG filled in (file:line:column, the line, a caret, the remedy). */
int policy_new(const struct policy_context *context, struct policy **ret);
struct policy *policy_free(struct policy *policy); /* takes NULL, returns NULL */
int policy_add_profile(struct policy *policy, const char *name, struct errmsg *msg);
int policy_add_file(struct policy *policy, const char *path, struct errmsg *msg);
/* TEXT is one rule of the command line, e.g. "hide ~/.ssh"; relative patterns stand under cwd. */
int policy_add_rule(struct policy *policy, const char *text, struct errmsg *msg);
/* VERB and GLOB given apart (--hide GLOB); GLOB is never split at spaces. */
int policy_add_verb(struct policy *policy, const char *verb, const char *glob, struct errmsg *msg);
/* Resolve literal prefixes, build the matcher, seal. Nothing can be added afterwards. */
int policy_compile(struct policy *policy, struct errmsg *msg);

/* Looking at it. */
uint32_t policy_rule_count(const struct policy *policy);
const struct rule *policy_rule(const struct policy *policy, uint32_t index);
uint32_t policy_env_count(const struct policy *policy);
const struct env_rule *policy_env(const struct policy *policy, uint32_t index);
/* Warnings found while reading or compiling (no rule at all, a show with a wildcard...); NULL past the last. */
const char *policy_warning(const struct policy *policy, uint32_t index);

/* What "option NAME=VALUE" lines say. Zeros: nothing. */
struct policy_settings {
	uint64_t memfd_max;   /* plaintext bytes of one file */
	uint64_t memfd_total; /* of all together */
	bool require_no_swap;  /* none that is neither encrypted nor memory */
	bool strict_freshness; /* refuse a file that is older than it was */
	uint64_t private_total; /* bytes of all private files together; 0: the default */
	uint64_t private_files; /* how many; 0: the default */
	bool rand_fd; /* injected descriptors get unpredictable numbers */
};
void policy_settings(const struct policy *policy, struct policy_settings *ret);

/* Which parts any rule speaks of: decides what has to be trapped. */
struct policy_needs {
	bool private;  /* create=private */
	bool hide;     /* some name may be hidden, or listed as the way down only */
	bool deny;
	bool mask;
	bool mask_discard;
	bool append;
	bool readonly;
	bool crypt;
};
void policy_needs(const struct policy *policy, struct policy_needs *ret);

/*
 * Matching. All of these are pure, allocate nothing and may run in any thread.
 * Steps are bounded by a constant times components times active nodes; policy_steps() counts them for the tests.
 */
void match_root(const struct policy *policy, struct match_state *ret);
/* After one more component NAME (LEN bytes, no slash, not "." or ".."). FROM and RET may be the same. */
void match_step(const struct policy *policy, const struct match_state *from, const char *name, size_t len,
		struct match_state *ret);
/* The state after a whole canonical absolute path. */
void match_path(const struct policy *policy, const char *path, size_t len, struct match_state *ret);
/*
 * Go on from STATE, which stands at the first FROM bytes of the canonical PATH, to all LEN of them. False when some name
 * on the way, the last one included, is hidden or denied.
 */
bool match_on(const struct policy *policy, const char *path, size_t from, size_t len, struct match_state *state);
void match_verdict(const struct policy *policy, const struct match_state *state, struct verdict *ret);
/* The usual case in one call: the verdict on a canonical absolute path; -EACCES never, cannot fail. */
void policy_verdict(const struct policy *policy, const char *path, size_t len, struct verdict *ret);

/* The states are equal: same verdict, same residual rules. A name may move between them freely. */
bool match_equal(const struct match_state *a, const struct match_state *b);
/* Somewhere strictly beneath this directory a name may have another visibility: its listings need filtering. */
bool match_hides_below(const struct policy *policy, const struct match_state *state);
/* A literal rule, or the literal prefix of a rule, lies at this name or beneath it. */
bool match_literal_below(const struct policy *policy, const struct match_state *state);
/* This name is a directory of the literal prefix of some rule, or a literal rule's own (rmdir on it is EBUSY). */
bool match_is_anchor(const struct policy *policy, const struct match_state *state);

/* Every rule whose pattern covers PATH, for `scrim explain`: calls EACH in rule order. */
void policy_explain(const struct policy *policy, const char *path, size_t len,
		    void (*each)(const struct rule *rule, void *userdata), void *userdata);

/* Matcher steps taken by this thread since the last call (tests). */
uint64_t policy_steps(void);
