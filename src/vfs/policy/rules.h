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

/*
 * `fstype NAME hide|deny`: TEMPLATE (verb, origin, line, and the name in `fstype`) as a rule that matches no path, and one rule for
 * the path of each such mount there is. TOKEN: where to point. As rules_add().
 */
int rules_add_fstype(struct policy *policy, const struct parsed_rule *template, const struct place *place,
		     const struct token *token, struct errmsg *msg);
