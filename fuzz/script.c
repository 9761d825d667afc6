/* SPDX-License-Identifier: Apache-2.0 */
/* The first line of a script: what is read lies in the line, in its order, and what follows the line has no say. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proc/script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool truth)
{
	if (!truth)
		abort();
}

static bool blank(char c)
{
	return c == ' ' || c == '\t';
}

/*
 * As fs/binfmt_script.c cuts it: no blank in the interpreter, none at the ends of the argument (but before a NUL or
 * where no newline ends it).
 */
static void check_line(const char *header, size_t len, const struct script_line *line)
{
	size_t name = strnlen(line->interpreter, sizeof(line->interpreter));
	size_t argument = strnlen(line->argument, sizeof(line->argument));

	require(name < sizeof(line->interpreter) && argument < sizeof(line->argument));
	require(2 + name + argument <= SCRIPT_HEADER_BYTES && len >= 2);
	require(!strpbrk(line->interpreter, " \t\n") && !strchr(line->argument, '\n'));
	require(line->has_argument || !argument);
	require(!argument || !blank(line->argument[0]));
	require(!argument || !blank(line->argument[argument - 1]) || memchr(header, 0, len) || !memchr(header, '\n', len));
	require(memmem(header, len, line->interpreter, name) && memmem(header, len, line->argument, argument));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct script_line line, again;
	char *header = malloc(size + !size);
	const char *newline = size ? memchr(data, '\n', size) : NULL;

	if (size)
		memcpy(header, data, size);
	int error = script_parse(header, size, &line);
	require(error == 0 || error == -ENOEXEC);
	if (error == 0) {
		check_line(header, size, &line);
		/* The end of the buffer and the end of the line are ends. */
		size_t cut = size < SCRIPT_HEADER_BYTES ? size : SCRIPT_HEADER_BYTES;
		if (newline && (size_t)(newline - (const char *)data) < cut)
			cut = (size_t)(newline - (const char *)data) + 1;
		char *shorter = malloc(cut);
		memcpy(shorter, header, cut);
		require(script_parse(shorter, cut, &again) == 0);
		require(strcmp(line.interpreter, again.interpreter) == 0 && line.has_argument == again.has_argument &&
			strcmp(line.argument, again.argument) == 0);
		free(shorter);
	}
	free(header);
	return 0;
}
