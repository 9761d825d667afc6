/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/policy/verbs.h"

#include <string.h>

#define BIT(option) (1u << (option))

static const struct verb verbs[] = {
	{"hide", PART_VISIBILITY, VIS_HIDE, BIT(OPTION_CREATE)},
	{"deny", PART_VISIBILITY, VIS_DENY, 0},
	{"show", PART_VISIBILITY, VIS_SHOW, 0},
	{"mask", PART_CONTENT, CONTENT_MASK, BIT(OPTION_WITH) | BIT(OPTION_REDACT) | BIT(OPTION_TOKEN) |
							     BIT(OPTION_NOMATCH) | BIT(OPTION_WRITE)},
	{"plain", PART_CONTENT, CONTENT_PLAIN, 0},
	{"crypt", PART_CONTENT, CONTENT_CRYPT, 
	 BIT(OPTION_KEY) | BIT(OPTION_FILES) | BIT(OPTION_PLAIN) | BIT(OPTION_PROVIDER)},
	{"append", PART_WRITE, WRITE_APPEND, 0},
	{"readonly", PART_WRITE, WRITE_READONLY, 0},
	{"free", PART_WRITE, WRITE_FREE, 0},
};

const char verb_remedy[] = "write hide, deny, show, mask, plain, crypt, append, readonly, free, fstype, env, option or include";

const struct option_form option_forms[OPTION_COUNT] = {
	[OPTION_WITH] = {"with", OPTION_IS_PATH, {0}, "write with=FILE"},
	[OPTION_REDACT] = {"redact", OPTION_IS_REGEX, {0}, "write redact=REGEX"},
	[OPTION_TOKEN] = {"token", OPTION_IS_NAME, {0}, "write token=TEXT behind the redact= it belongs to"},
	[OPTION_NOMATCH] = {"nomatch", OPTION_IS_WORD, {"deny", "empty", "show"}, "write nomatch=deny, nomatch=empty or nomatch=show"},
	[OPTION_WRITE] = {"write", OPTION_IS_WORD, {"discard"}, "write write=discard, or leave it out"},
	[OPTION_KEY] = {"key", OPTION_IS_NAME, {0}, "write key=NAME"},
	[OPTION_FILES] = {"files", OPTION_IS_WORD, {"only"}, "write files=only, or leave it out"},
	[OPTION_PLAIN] = {"plain", OPTION_IS_WORD, {"read", "adopt"}, "write plain=read or plain=adopt, or leave it out"},
	[OPTION_CREATE] = {"create", OPTION_IS_WORD, {"private"}, "write create=private, or leave it out"},
	[OPTION_PROVIDER] = {"provider", OPTION_IS_WORD, {"openssl", "sodium", "afalg"},
			     "write provider=openssl, provider=sodium or provider=afalg, or leave it out"},
};

const struct verb *verb_find(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (strlen(verbs[i].name) == len && memcmp(verbs[i].name, name, len) == 0)
			return &verbs[i];
	return NULL;
}

const struct verb *verb_of(const struct rule *rule)
{
	return verb_find(rule->verb, strlen(rule->verb));
}
