/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/overlay/filler.h"

#include <stdbool.h>

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static size_t skip_digits(const char *text, size_t len, size_t at)
{
	while (at < len && is_digit(text[at]))
		at++;
	return at;
}

/* As JSON has it (RFC 8259, section 6), leading zeros allowed. */
static bool is_number(const char *text, size_t len)
{
	size_t at = len && text[0] == '-', from = at;

	at = skip_digits(text, len, at);
	if (at == from)
		return false;
	if (at < len && text[at] == '.') {
		from = ++at;
		at = skip_digits(text, len, at);
		if (at == from)
			return false;
	}
	if (at < len && (text[at] == 'e' || text[at] == 'E')) {
		at++;
		if (at < len && (text[at] == '+' || text[at] == '-'))
			at++;
		from = at;
		at = skip_digits(text, len, at);
		if (at == from)
			return false;
	}
	return at == len;
}

void filler_write(char *text, size_t len)
{
	bool begins = true;

	if (is_number(text, len)) {
		for (size_t i = 0; i < len; i++)
			text[i] = is_digit(text[i]) ? '1' : text[i];
		return;
	}
	if (len >= 2 && (text[0] == '"' || text[0] == '\'') && text[len - 1] == text[0]) {
		text++;
		len -= 2;
	}
	for (size_t i = 0; i < len; i++) {
		bool ends = text[i] == '\n' || text[i] == '\r';

		begins = ends || (begins && (text[i] == ' ' || text[i] == '\t'));
		if (!begins)
			text[i] = 'x';
	}
}
