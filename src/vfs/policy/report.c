/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/policy/report.h"

#include <stdarg.h>
#include <stdio.h>

#define LINE_SHOWN 160 /* bytes of a long line that are shown around the column */

/* A byte as it may be shown on a terminal: a line may come from anywhere. */
static char printable(char c)
{
	unsigned char byte = (unsigned char)c;
	return byte == '\t' || byte >= 0x80 || (byte >= 0x20 && byte != 0x7f) ? c : '?';
}

int complain(struct errmsg *msg, int error, const struct place *place, size_t column, const char *remedy,
	     const char *format, ...)
{
	char what[512], number[16] = "", line[LINE_SHOWN + 1], indent[LINE_SHOWN + 1];
	size_t from = 0, shown = place->len, n = 0;
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	for (char *c = what; *c; c++)
		*c = printable(*c);

	if (column > place->len)
		column = place->len;
	if (shown > LINE_SHOWN) {
		from = column > LINE_SHOWN / 2 ? column - LINE_SHOWN / 2 : 0;
		shown = place->len - from < LINE_SHOWN ? place->len - from : LINE_SHOWN;
	}
	for (size_t i = 0; i < shown; i++)
		line[i] = printable(place->text[from + i]);
	line[shown] = '\0';
	/* The caret stands under its column in UTF-8 and after tabs too. */
	for (size_t i = 0; i < column - from; i++)
		if (line[i] == '\t')
			indent[n++] = '\t';
		else if (((unsigned char)line[i] & 0xc0) != 0x80)
			indent[n++] = ' ';
	indent[n] = '\0';

	if (place->line)
		snprintf(number, sizeof(number), ":%u", place->line);
	return errmsg_set(msg, error, "%s%s:%zu: %s\n  %s\n  %s^%s%s", place->origin, number, column + 1, what, line,
			  indent, remedy ? "\n" : "", remedy ? remedy : "");
}
