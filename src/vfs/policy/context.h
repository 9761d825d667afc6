/* SPDX-License-Identifier: Apache-2.0 */
/* Words turned into what they mean: quotes and backslashes taken away, ~ and variables replaced. */
#pragma once

#include "base/buffer.h"
#include "vfs/policy/lexer.h"
#include "vfs/policy/policy.h"

enum word_kind {
	WORD_PATTERN, /* bytes that mean themselves keep a backslash if they would be a wildcard without */
	WORD_TEXT,
};

/*
 * Append what TOKEN means to OUT. WHOLE: the token was given as one argument, quotes in it are themselves. TILDE: a
 * leading ~ or ~/ is the home. Returns 0 or a negative errno with MSG.
 */
int word_expand(const struct policy_context *context, const struct place *place, const struct token *token,
		enum word_kind kind, bool whole, bool tilde, struct buffer *out, struct errmsg *msg);

/*
 * Append the token to OUT with nothing replaced, for regular expressions: only quotes go away, and inside them the
 * backslash before a quote or a backslash.
 */
int word_raw(const struct place *place, const struct token *token, struct buffer *out, struct errmsg *msg);
