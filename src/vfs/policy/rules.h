/* SPDX-License-Identifier: Apache-2.0 */
/* A pattern as it was written becomes rules: absolute, checked, one for each expansion of its braces. */
#pragma once

#include "vfs/policy/internal.h"
#include "vfs/policy/lexer.h"

/*
 * Add the rule TEMPLATE with the pattern in TOKEN. RELATIVE: a relative pattern stands under the working directory.
 * WHOLE: the token was one argument, quotes in it are themselves. Returns 0 or a negative errno with MSG.
 */
int rules_add(struct policy *policy, const struct parsed_rule *template, bool relative, bool whole,
	      const struct place *place, const struct token *token, struct errmsg *msg);
