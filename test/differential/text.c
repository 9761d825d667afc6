/* SPDX-License-Identifier: Apache-2.0 */
/* Calls as lines of text (differential.h). */
#include "differential.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	enum form form;
	const char *word;
	int numbers; /* that follow, each after a colon; -1: any number */
	bool text;
} forms[] = {
	{FORM_TEXT, "", 0, true},	{FORM_EDGE, "edge", 0, true},	 {FORM_CUT, "cut", 0, true},
	{FORM_FILL, "fill", 1, true},	{FORM_DATA, "data", 0, true},	 {FORM_BUFFER, "buf", 1, false},
	{FORM_WORDS, "words", -1, false}, {FORM_UNIX, "un", 1, true},	 {FORM_XATTR, "xattr", 2, true},
	{FORM_ARGV, "argv", 0, true},
};
#define FORMS (sizeof(forms) / sizeof(forms[0]))

void print_quoted(FILE *out, const char *text, size_t length)
{
	putc('"', out);
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else if (c < ' ' || c >= 0x7f)
			fprintf(out, "\\x%02x", c);
		else
			putc(c, out);
	}
	putc('"', out);
}

static int hex(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : isxdigit((unsigned char)c) ? (c | 0x20) - 'a' + 10 : -1;
}

ssize_t parse_quoted(const char **at, char *text, size_t size)
{
	const char *from = *at;
	size_t length = 0;

	if (*from++ != '"')
		return -EINVAL;
	for (; *from != '"'; from++) {
		if (!*from || length == size)
			return -EINVAL;
		if (*from != '\\') {
			text[length++] = *from;
		} else if (*++from == 'x') {
			if (hex(from[1]) < 0 || hex(from[2]) < 0)
				return -EINVAL;
			text[length++] = (char)(hex(from[1]) << 4 | hex(from[2]));
			from += 2;
		} else if (!*from) {
			return -EINVAL;
		} else {
			text[length++] = *from;
		}
	}
	*at = from + 1;
	return (ssize_t)length;
}

static int parse_numbers(const char **at, struct arg *arg, int wanted)
{
	char *end;

	for (arg->count = 0; **at == ':'; arg->count++) {
		if (arg->count == WORDS_MAX)
			return -EINVAL;
		arg->n[arg->count] = (int64_t)strtoull(*at + 1, &end, 0);
		if (end == *at + 1)
			return -EINVAL;
		*at = end;
	}
	return wanted >= 0 && arg->count != wanted ? -EINVAL : 0;
}

static int parse_arg(const char **at, struct arg *arg)
{
	size_t word = strcspn(*at, " :\"");
	ssize_t length;
	char *end;

	memset(arg, 0, sizeof(*arg));
	if (word == 3 && memcmp(*at, "cwd", 3) == 0) {
		arg->n[0] = AT_FDCWD;
		*at += 3;
		return 0;
	}
	if (**at == 's' && isdigit((unsigned char)(*at)[1])) {
		arg->form = FORM_SLOT;
		arg->n[0] = strtol(*at + 1, &end, 10);
		*at = end;
		return arg->n[0] < SLOTS ? 0 : -EINVAL;
	}
	if (isdigit((unsigned char)**at) || **at == '-') {
		arg->n[0] = **at == '-' ? strtoll(*at, &end, 0) : (int64_t)strtoull(*at, &end, 0);
		*at = end;
		return 0;
	}
	for (size_t i = 0; i < FORMS; i++) {
		if (strlen(forms[i].word) != word || memcmp(forms[i].word, *at, word) != 0)
			continue;
		arg->form = forms[i].form;
		*at += word;
		if (parse_numbers(at, arg, forms[i].numbers) < 0)
			return -EINVAL;
		if (!forms[i].text)
			return 0;
		length = parse_quoted(at, arg->text, sizeof(arg->text));
		arg->length = length < 0 ? 0 : (size_t)length;
		return length < 0 ? -EINVAL : 0;
	}
	return -EINVAL;
}

int op_parse(const char *line, struct op *op)
{
	const char *at = line;
	size_t word;
	char *end;

	memset(op, 0, sizeof(*op));
	op->slot = NO_SLOT;
	if (*at == 's' && isdigit((unsigned char)at[1])) {
		op->slot = (int)strtol(at + 1, &end, 10);
		if (op->slot >= SLOTS || strncmp(end, " = ", 3) != 0)
			return -EINVAL;
		at = end + 3;
	}
	word = strcspn(at, " ");
	op->kind = kind_find(at, word);
	if (!op->kind)
		return -EINVAL;
	at += word;
	for (size_t i = 0; op->kind->args[i]; i++)
		if (*at++ != ' ' || parse_arg(&at, &op->args[i]) < 0)
			return -EINVAL;
	return *at ? -EINVAL : 0;
}

static void print_arg(FILE *out, const struct arg *arg)
{
	if (arg->form == FORM_SLOT) {
		fprintf(out, " s%d", (int)arg->n[0]);
		return;
	}
	if (arg->form == FORM_NUMBER) {
		if (arg->n[0] == AT_FDCWD)
			fputs(" cwd", out);
		else
			fprintf(out, arg->n[0] < 0 && arg->n[0] > -1000 ? " %" PRId64 : " 0x%" PRIx64, arg->n[0]);
		return;
	}
	for (size_t i = 0; i < FORMS; i++) {
		if (forms[i].form != arg->form)
			continue;
		fprintf(out, " %s", forms[i].word);
		for (int n = 0; n < arg->count; n++)
			fprintf(out, ":%" PRIu64, (uint64_t)arg->n[n]);
		if (forms[i].text)
			print_quoted(out, arg->text, arg->length);
	}
}

void op_print(FILE *out, const struct op *op)
{
	if (op->slot != NO_SLOT)
		fprintf(out, "s%d = ", op->slot);
	fputs(op->kind->name, out);
	for (size_t i = 0; op->kind->args[i]; i++)
		print_arg(out, &op->args[i]);
	putc('\n', out);
}
