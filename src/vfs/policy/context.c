/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/policy/context.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#define VARIABLE_NAME_MAX 255
#define VARIABLE_NESTING_MAX 8

struct expander {
	const struct policy_context *context;
	const struct place *place;
	enum word_kind kind;
	bool whole;
	bool quoted;
	bool in_class; /* inside [...] of a pattern */
	struct buffer *out;
	struct errmsg *msg;
};

static int put(struct expander *e, const char *at, const char *bytes, size_t len)
{
	if (buffer_append(e->out, bytes, len) < 0)
		return complain(e->msg, -ENAMETOOLONG, e->place, column_of(e->place, at), "shorten it to 4095 bytes",
				"too long");
	return 0;
}

/* A byte that means itself. */
static int put_literal(struct expander *e, const char *at, char c)
{
	if (e->kind == WORD_PATTERN && c && c != '/' && (strchr("*?[]{},\\", c) || (e->in_class && strchr("-!^", c)))) {
		const char escaped[2] = {'\\', c};
		return put(e, at, escaped, 2);
	}
	return put(e, at, &c, 1);
}

static int put_value(struct expander *e, const char *at, const char *value)
{
	int r = 0;
	for (; *value && r == 0; value++)
		r = put_literal(e, at, *value);
	return r;
}

static int expand(struct expander *e, const char *text, size_t len, bool literal, unsigned nesting);

static const char *lookup(const struct policy_context *context, const char *name)
{
	if (strcmp(name, "HOME") == 0)
		return context->home;
	if (strcmp(name, "CWD") == 0)
		return context->cwd;
	return context->getenv ? context->getenv(name) : getenv(name);
}

/* The variable whose `${` is at TEXT and whose `}` is its last byte. */
static int expand_variable(struct expander *e, const char *text, size_t len, unsigned nesting)
{
	char name[VARIABLE_NAME_MAX + 1];
	size_t n = 2, column = column_of(e->place, text);

	while (n < len - 1 && (isalnum((unsigned char)text[n]) || text[n] == '_'))
		n++;
	bool has_default = len - 1 - n >= 2 && text[n] == ':' && text[n + 1] == '-';
	if (n == 2 || n - 2 > VARIABLE_NAME_MAX || isdigit((unsigned char)text[2]) || (!has_default && n != len - 1))
		return complain(e->msg, -EINVAL, e->place, column, "write ${NAME} or ${NAME:-default}",
				"not a variable: %.*s", (int)(len > 80 ? 80 : len), text);
	memcpy(name, text + 2, n - 2);
	name[n - 2] = '\0';

	const char *value = lookup(e->context, name);
	if (value && *value)
		return put_value(e, text, value);
	if (!has_default)
		return complain(e->msg, -EINVAL, e->place, column,
				"set it, or give a default: ${NAME:-default}", "the variable %s is %s", name,
				value ? "empty" : "not set");
	if (nesting == VARIABLE_NESTING_MAX)
		return complain(e->msg, -EINVAL, e->place, column, "write the value itself",
				"defaults nested deeper than %d", VARIABLE_NESTING_MAX);
	return expand(e, text + n + 2, len - 1 - (n + 2), true, nesting + 1);
}

static int expand(struct expander *e, const char *text, size_t len, bool literal, unsigned nesting)
{
	int r = 0;

	for (size_t i = 0; i < len && r == 0; i++) {
		char c = text[i];
		if (c == '"' && !e->whole) {
			e->quoted = !e->quoted;
		} else if (c == '\\') {
			if (++i == len)
				return complain(e->msg, -EINVAL, e->place, column_of(e->place, text + i - 1),
						"write \\\\ for a backslash", "a backslash with nothing after it");
			r = put_literal(e, text + i, text[i]);
		} else if (c == '$' && i + 1 < len && text[i + 1] == '{') {
			size_t end = lex_variable_end(text, len, i);
			if (end == len)
				return complain(e->msg, -EINVAL, e->place, column_of(e->place, text + i),
						"close it with }, or write \\$ for a dollar sign", "${ without }");
			r = expand_variable(e, text + i, end + 1 - i, nesting);
			i = end;
		} else if (c == '$' && i + 1 < len && (isalpha((unsigned char)text[i + 1]) || text[i + 1] == '_')) {
			return complain(e->msg, -EINVAL, e->place, column_of(e->place, text + i),
					"write ${NAME}, or \\$ for a dollar sign", "a variable without braces");
		} else if (literal) {
			r = put_literal(e, text + i, c);
		} else {
			if (e->kind == WORD_PATTERN && (c == '[' || c == ']' || c == '/'))
				e->in_class = c == '[';
			r = put(e, text + i, &c, 1);
		}
	}
	return r;
}

int word_expand(const struct policy_context *context, const struct place *place, const struct token *token,
		enum word_kind kind, bool whole, bool tilde, struct buffer *out, struct errmsg *msg)
{
	struct expander e = {.context = context, .place = place, .kind = kind, .whole = whole, .out = out, .msg = msg};
	const char *text = token->text;
	size_t len = token->len;

	if (!whole && len && *text == '"') {
		e.quoted = true;
		text++;
		len--;
	}
	if (tilde && len && *text == '~') {
		if (len > 1 && text[1] != '/' && text[1] != '"')
			return complain(msg, -EINVAL, place, column_of(place, text),
					"write the path of that home, or \\~ for the character itself",
					"~ means your own home, and stands alone or before a slash");
		if (!context->home)
			return complain(msg, -EINVAL, place, column_of(place, text), "set HOME", "your home is not known");
		int r = put_value(&e, text, context->home);
		if (r < 0)
			return r;
		text++;
		len--;
	}
	return expand(&e, text, len, false, 0);
}

int word_raw(const struct place *place, const struct token *token, struct buffer *out, struct errmsg *msg)
{
	bool quoted = false;

	for (size_t i = 0; i < token->len; i++) {
		const char *c = &token->text[i];
		if (*c == '"') {
			quoted = !quoted;
			continue;
		}
		size_t n = 1;
		if (*c == '\\' && i + 1 < token->len) {
			bool drop = quoted && (c[1] == '"' || c[1] == '\\');
			i++;
			c += drop;
			n = drop ? 1 : 2;
		}
		if (buffer_append(out, c, n) < 0)
			return complain(msg, -ENAMETOOLONG, place, column_of(place, c), "shorten it", "too long");
	}
	return 0;
}
