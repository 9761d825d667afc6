/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of verbs and options. */
#pragma once

#include "vfs/policy/internal.h"

enum option_kind {
	OPTION_IS_PATH,
	OPTION_IS_REGEX,
	OPTION_IS_NAME,
	OPTION_IS_WORD, /* one of `words` */
};

struct option_form {
	const char *name;
	enum option_kind kind;
	const char *words[3];
	const char *remedy;
};

/* By enum rule_option. */
extern const struct option_form option_forms[OPTION_COUNT];

/* What to write where there is no such verb. */
extern const char verb_remedy[];
