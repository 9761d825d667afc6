/* SPDX-License-Identifier: Apache-2.0 */
/* Words of a line: blanks part them but not inside double quotes or ${...}; a word that starts with # ends the line. */
#pragma once

#include "vfs/policy/report.h"

struct token {
	const char *text; /* in the line, quotes and backslashes as written */
	size_t len;
};

/* The next word from *POSITION, which moves past it. Returns 1, 0 at the end, or a negative errno with MSG. */
int lex_next(const struct place *place, size_t *position, struct token *ret, struct errmsg *msg);

/* The column (from 0) of a token or of anything in the line. */
static inline size_t column_of(const struct place *place, const char *text)
{
	return (size_t)(text - place->text);
}

/* The index of the `}` that ends the variable whose `${` stands at I, or LEN. */
size_t lex_variable_end(const char *text, size_t len, size_t i);
