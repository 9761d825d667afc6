/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/policy/lexer.h"

#include <errno.h>
#include <stdbool.h>

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

size_t lex_variable_end(const char *text, size_t len, size_t i)
{
	size_t depth = 0;

	for (; i < len; i++) {
		if (text[i] == '\\' && i + 1 < len) {
			i++;
		} else if (text[i] == '$' && i + 1 < len && text[i + 1] == '{') {
			depth++;
			i++;
		} else if (text[i] == '}' && --depth == 0) {
			return i;
		}
	}
	return len;
}

int lex_next(const struct place *place, size_t *position, struct token *ret, struct errmsg *msg)
{
	const char *text = place->text;
	size_t len = place->len, i = *position, quote = 0;
	bool quoted = false;

	while (i < len && is_blank(text[i]))
		i++;
	if (i == len || text[i] == '#') {
		*position = len;
		return 0;
	}
	size_t start = i;
	while (i < len && (quoted || !is_blank(text[i]))) {
		if (text[i] == '"') {
			quoted = !quoted;
			quote = i;
		} else if (text[i] == '\\') {
			if (++i == len)
				return complain(msg, -EINVAL, place, i - 1, "write \\\\ for a backslash",
						"a backslash with nothing after it");
		} else if (text[i] == '$' && i + 1 < len && text[i + 1] == '{') {
			size_t end = lex_variable_end(text, len, i);
			if (end == len)
				return complain(msg, -EINVAL, place, i, "close it with }, or write \\$ for a dollar sign",
						"${ without }");
			i = end;
		}
		i++;
	}
	if (quoted)
		return complain(msg, -EINVAL, place, quote, "close it, or write \\\" for the character itself",
				"a quote that is not closed");
	*ret = (struct token){text + start, i - start};
	*position = i;
	return 1;
}
