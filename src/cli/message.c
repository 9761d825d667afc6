/* SPDX-License-Identifier: Apache-2.0 */
/* What scrim says to a person on standard error. */
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/errmsg.h"
#include "cli/cli.h"

bool cli_in_colour(int fd)
{
	const char *no_color = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	return !(no_color && *no_color) && !(term && strcmp(term, "dumb") == 0) && isatty(fd);
}

bool cli_in_utf8(void)
{
	static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *value = getenv(names[i]);

		if (value && *value)
			return strcasestr(value, "utf-8") || strcasestr(value, "utf8");
	}
	return false;
}

/* One write, so that a line stays whole among those of other processes. */
static _printf_(3, 0) void say(const char *colour, const char *kind, const char *format, va_list args)
{
	char text[ERRMSG_MAX + 256], line[sizeof(text) + 64];
	bool coloured = cli_in_colour(STDERR_FILENO);

	vsnprintf(text, sizeof(text), format, args);
	size_t len = strlen(text);
	while (len > 0 && text[len - 1] == '\n')
		text[--len] = '\0';
	snprintf(line, sizeof(line), "%sscrim:%s %s%s\n", coloured ? colour : "", coloured ? "\033[0m" : "", kind, text);
	fputs(line, stderr);
}

void cli_error(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say("\033[1;31m", "", format, args);
	va_end(args);
}

void cli_warn(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say("\033[1;33m", "warning: ", format, args);
	va_end(args);
}

void cli_note(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say("\033[1m", "", format, args);
	va_end(args);
}
