/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Length of the valid UTF-8 sequence at TEXT, 0 if there is none. */
static size_t sequence_length(const unsigned char *text, size_t len)
{
	static const struct {
		unsigned char first_low, first_high, second_low, second_high;
		size_t length;
	} forms[] = {
		{0xC2, 0xDF, 0x80, 0xBF, 2}, {0xE0, 0xE0, 0xA0, 0xBF, 3}, {0xE1, 0xEC, 0x80, 0xBF, 3},
		{0xED, 0xED, 0x80, 0x9F, 3}, {0xEE, 0xEF, 0x80, 0xBF, 3}, {0xF0, 0xF0, 0x90, 0xBF, 4},
		{0xF1, 0xF3, 0x80, 0xBF, 4}, {0xF4, 0xF4, 0x80, 0x8F, 4},
	};

	if (len == 0)
		return 0;
	if (text[0] < 0x80)
		return 1;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (text[0] < forms[i].first_low || text[0] > forms[i].first_high)
			continue;
		if (len < forms[i].length || text[1] < forms[i].second_low || text[1] > forms[i].second_high)
			return 0;
		for (size_t k = 2; k < forms[i].length; k++)
			if (text[k] < 0x80 || text[k] > 0xBF)
				return 0;
		return forms[i].length;
	}
	return 0;
}

bool utf8_is_valid(const char *text, size_t len)
{
	while (len > 0) {
		size_t n = sequence_length((const unsigned char *)text, len);
		if (n == 0)
			return false;
		text += n;
		len -= n;
	}
	return true;
}

static int append_one(struct buffer *b, const char *text, size_t len)
{
	unsigned char first = (unsigned char)text[0];
	char escape[8];

	if (len > 1)
		return buffer_append(b, text, len);
	switch (first) {
	case '"':
		return buffer_append_str(b, "\\\"");
	case '\\':
		return buffer_append_str(b, "\\\\");
	case '\n':
		return buffer_append_str(b, "\\n");
	case '\t':
		return buffer_append_str(b, "\\t");
	default:
		/* DEL too: a log is read on terminals. */
		if (first >= 0x20 && first < 0x7F)
			return buffer_append(b, text, 1);
		snprintf(escape, sizeof(escape), "\\u%04x", first);
		return buffer_append_str(b, escape);
	}
}

int json_append_string(struct buffer *b, const char *text, size_t len)
{
	size_t start = b->len;
	int r = buffer_append_str(b, "\"");

	while (r == 0 && len > 0) {
		size_t n = sequence_length((const unsigned char *)text, len);
		n = n ? n : 1;
		r = append_one(b, text, n);
		text += n;
		len -= n;
	}
	if (r == 0)
		r = buffer_append_str(b, "\"");
	if (r < 0)
		buffer_truncate(b, start);
	return r;
}

int json_append_hex(struct buffer *b, const char *bytes, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	size_t start = b->len;
	int r = buffer_append_str(b, "\"");

	for (size_t i = 0; r == 0 && i < len; i++) {
		unsigned char byte = (unsigned char)bytes[i];
		char pair[2] = {digits[byte >> 4], digits[byte & 15]};
		r = buffer_append(b, pair, sizeof(pair));
	}
	if (r == 0)
		r = buffer_append_str(b, "\"");
	if (r < 0)
		buffer_truncate(b, start);
	return r;
}
