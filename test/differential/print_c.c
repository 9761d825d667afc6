/* SPDX-License-Identifier: Apache-2.0 */
/* A sequence as the main() of a C program; printed.c stands before it. */
#include "differential.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

static void print_text(const char *text, size_t length)
{
	putchar('"');
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '"' || c == '\\')
			printf("\\%c", c);
		else if (c < ' ' || c >= 0x7f || c == '?')
			printf("\\%03o", c);
		else
			putchar(c);
	}
	putchar('"');
}

/* One line of the tree. */
static void print_made(const char *at)
{
	static const struct {
		const char *word, *format; /* #: a number, @: a name, $: a text and its length */
	} forms[] = {
		{"dir", "done(mkdir(@, 0700)), done(chmod(@, #))"}, {"file", "make_file(@, #, $)"},
		{"program", "make_file(@, #, \"\", 0)"},		     {"symlink", "done(symlink(@, ^))"},
		{"hard", "done(link(@, ^))"},			     {"fifo", "done(mkfifo(@, #))"},
		{"socket", "make_socket(@, SOCK_STREAM, #)"},	     {"listener", "make_socket(@, SOCK_STREAM, #)"},
		{"receiver", "make_socket(@, SOCK_DGRAM, #)"},	     {"device", "done(mknod(@, S_IFCHR | #, makedev(%, %)))"},
		{"owner", "done(lchown(@, #, %))"},		     {"mode", "done(chmod(@, #))"},
		{"attr", "done(lsetxattr(@, ^, $, 0))"},
	};
	size_t word = strcspn(at, " "), numbers = 0, texts = 0, number = 0;
	char text[3][TEXT_MAX], *end;
	ssize_t length[3] = {0};
	long values[3] = {0};

	for (const char *rest = at + word; *rest == ' ';) {
		rest++;
		if (*rest == '"' && texts < 3) {
			length[texts] = parse_quoted(&rest, text[texts], TEXT_MAX);
			texts++;
		} else if (numbers < 3) {
			values[numbers++] = strtol(rest, &end, 0);
			rest = end;
		}
	}
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (strlen(forms[i].word) != word || memcmp(forms[i].word, at, word) != 0)
			continue;
		putchar('\t');
		for (const char *c = forms[i].format; *c; c++) {
			size_t which = *c == '^' ? 1 : *c == '$' ? (texts ? texts - 1 : 0) : 0;

			if (*c == '#') {
				printf("0%lo", values[0]);
			} else if (*c == '%') {
				printf("%ld", values[++number % 3]);
			} else if (*c == '@' || *c == '^') {
				printf("NAME(");
				print_text(text[which], (size_t)length[which]);
				putchar(')');
			} else if (*c == '$') {
				print_text(text[which], (size_t)length[which]);
				printf(", %zd", length[which]);
			} else {
				putchar(*c);
			}
		}
		printf(";\n");
	}
}

static void print_call(const char *function, const struct arg *arg, int numbers)
{
	printf("%s(", function);
	for (int i = 0; i < numbers; i++)
		printf("%" PRIu64 ", ", (uint64_t)arg->n[i]);
	print_text(arg->text, arg->length);
	printf(", %zu)", arg->length);
}

static void print_arg(const struct arg *arg)
{
	static const struct {
		enum form form;
		const char *function;
		int numbers;
	} texts[] = {{FORM_TEXT, "path", 0}, {FORM_EDGE, "edge", 0}, {FORM_CUT, "cut", 0}, {FORM_FILL, "fill", 1}, {FORM_DATA, "data", 0},
		     {FORM_UNIX, "un", 1}, {FORM_XATTR, "attribute", 2}, {FORM_ARGV, "vector", 0}};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (texts[i].form == arg->form)
			print_call(texts[i].function, arg, texts[i].numbers);
	if (arg->form == FORM_SLOT) {
		printf("SLOT(%d)", (int)arg->n[0]);
	} else if (arg->form == FORM_NUMBER) {
		if (arg->n[0] == AT_FDCWD)
			printf("AT_FDCWD");
		else
			printf("(long)0x%" PRIx64, (uint64_t)arg->n[0]);
	} else if (arg->form == FORM_BUFFER) {
		printf("buffer(%d)", (int)arg->n[0]);
	} else if (arg->form == FORM_WORDS) {
		printf("words(%d, (uint64_t[]){", arg->count);
		for (int i = 0; i < arg->count; i++)
			printf("%s0x%" PRIx64, i ? ", " : "", (uint64_t)arg->n[i]);
		printf("})");
	}
}

static void print_op(const struct op *op)
{
	size_t args = strlen(op->kind->args);

	if (op->kind->composite >= COMPOSITE_VECTOR) {
		printf("\t/* (of several calls: composite_data.c) */ plain(");
	} else if (op->kind->composite && op->kind->nr != SYS_getdents && op->kind->nr != SYS_getdents64) {
		printf("\tin_child(%d, ", op->kind->composite == COMPOSITE_CHILD_CHDIR || op->kind->composite == COMPOSITE_CHILD_UMASK);
	} else if (op->slot != NO_SLOT) {
		printf("\topening(%d, ", op->slot);
	} else {
		printf("\tplain(");
	}
	printf("\"%s\", %ld", op->kind->name, op->kind->nr);
	for (size_t i = 0; i < KIND_ARGS; i++) {
		printf(", ");
		if (i < args)
			print_arg(&op->args[i]);
		else
			putchar('0');
	}
	printf(");\n");
}

int print_c(const char *path)
{
	FILE *in = fopen(path, "re");
	char text[4096];
	bool calls = false;
	struct op op;

	if (!in)
		return 3;
	printf("int main(int argc, char **argv)\n{\n\tbegin(argc, argv);\n");
	while (fgets(text, sizeof(text), in)) {
		text[strcspn(text, "\n")] = '\0';
		if (strncmp(text, "+ ", 2) == 0) {
			print_made(text + 2);
			continue;
		}
		if (op_parse(text, &op) < 0) {
			fclose(in);
			return 3;
		}
		if (!calls)
			printf("\tumask(022);\n");
		calls = true;
		print_op(&op);
	}
	printf("\treturn 0;\n}\n");
	return fclose(in);
}
