/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/json_value.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"

json_t *json_bytes(const char *text)
{
	size_t len = strlen(text), size = len * 6 + 3; /* \u00XX for each byte, the quotes, the NUL */
	json_t *value = json_stringn(text, len);

	if (value)
		return value;
	_cleanup_free_ char *storage = malloc(size);
	struct buffer quoted;
	if (!storage)
		return NULL;
	buffer_init(&quoted, storage, size);
	if (json_append_string(&quoted, text, len) < 0)
		return NULL;
	return json_loadb(quoted.data, quoted.len, JSON_DECODE_ANY, NULL);
}

bool json_print(json_t *value)
{
	bool good = value && json_dumpf(value, stdout, JSON_INDENT(2)) == 0 && putchar('\n') != EOF &&
		    fflush(stdout) == 0;
	json_decref(value);
	return good;
}

void print_safe(FILE *to, const char *text)
{
	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		/* 0x80-0x9f after 0xc2 are control characters too. */
		bool control = *c < 0x20 || *c == 0x7f || (*c == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0);
		if (control)
			fprintf(to, "\\x%02x", *c);
		else
			putc(*c, to);
	}
}
