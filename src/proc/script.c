/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/script.h"

#include <errno.h>
#include <string.h>

static bool blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The first byte from FIRST to LAST (included) that is no blank, or NULL. */
static const char *skip_blanks(const char *first, const char *last)
{
	for (; first <= last; first++) {
		if (!blank(*first))
			return first;
	}
	return NULL;
}

/* The first blank or NUL from FIRST to LAST (included), or NULL. */
static const char *find_terminator(const char *first, const char *last)
{
	for (; first <= last; first++) {
		if (blank(*first) || *first == '\0')
			return first;
	}
	return NULL;
}

/* From FIRST up to END (not included), or to a NUL before it. TO has room for a whole header. */
static void copy_text(char *to, const char *first, const char *end)
{
	size_t len = strnlen(first, (size_t)(end - first));

	memcpy(to, first, len);
	to[len] = '\0';
}

/* Where the line ends: its newline, or the buffer's last byte. NULL: the interpreter may be cut off. */
static const char *line_end(const char *buffer)
{
	const char *last = buffer + SCRIPT_HEADER_BYTES - 1;
	size_t len = strnlen(buffer, SCRIPT_HEADER_BYTES);
	const char *end = memchr(buffer, '\n', len);

	if (end)
		return end;
	end = skip_blanks(buffer + 2, last);
	return end && find_terminator(end, last) ? last : NULL;
}

int script_parse(const char *header, size_t len, struct script_line *ret)
{
	char buffer[SCRIPT_HEADER_BYTES] = {0};

	memcpy(buffer, header, len < sizeof(buffer) ? len : sizeof(buffer));
	if (buffer[0] != '#' || buffer[1] != '!')
		return -ENOEXEC;
	const char *end = line_end(buffer);
	if (!end)
		return -ENOEXEC;
	while (blank(end[-1]))
		end--;
	const char *name = skip_blanks(buffer + 2, end);
	if (!name || name == end)
		return -ENOEXEC;

	/* END itself is looked at too, as the kernel does: after trimming it is a blank that nothing follows. */
	const char *separator = find_terminator(name, end);
	const char *argument = separator && *separator ? skip_blanks(separator, end) : NULL;
	copy_text(ret->interpreter, name, separator && separator < end ? separator : end);
	ret->has_argument = argument && argument <= end;
	ret->argument[0] = '\0';
	if (ret->has_argument)
		copy_text(ret->argument, argument, end);
	return 0;
}
