/* SPDX-License-Identifier: Apache-2.0 */
/* The reader of `#!` lines against the kernel: what both make of the same bytes. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "native_exec.h"
#include "proc/script.h"

static char directory[] = "/tmp/scrim-script-XXXXXX";
static int dir;
static struct shown shown;

static int make_directory(void **state)
{
	(void)state;
	if (!mkdtemp(directory) || chmod(directory, 0755) < 0)
		return -1;
	dir = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -1;
	make_show(dir, "s", 0755);
	return 0;
}

static int remove_directory(void **state)
{
	(void)state;
	unlinkat(dir, "s", 0);
	unlinkat(dir, "script", 0);
	close(dir);
	return rmdir(directory);
}

/* The strings that the interpreter sees: AT_EXECFN and comm are the script's. */
static size_t expected_strings(const struct script_line *line, char *ret, size_t size)
{
	const char *strings[] = {"./script", "script", line->interpreter, line->has_argument ? line->argument : NULL,
				 "./script", "given"};
	size_t len = 0;

	for (size_t i = 0; i < ARRAY_LEN(strings); i++) {
		if (!strings[i])
			continue;
		size_t bytes = strlen(strings[i]) + 1;
		assert_true(len + bytes <= size);
		memcpy(ret + len, strings[i], bytes);
		len += bytes;
	}
	return len;
}

static void compare(const char *bytes, size_t len)
{
	char name[] = "replaced", given[] = "given";
	char *const argv[] = {name, given, NULL};
	struct script_line line;
	char expected[2048];

	make_file(dir, "script", bytes, len, 0755);
	int native = native_exec(directory, AT_FDCWD, "./script", 0, argv, &shown);
	int got = script_parse(bytes, len, &line);
	if (got == 0 && line.interpreter[0] == '\0')
		got = -EACCES; /* the working directory */
	else if (got == 0)
		got = native_exec(directory, AT_FDCWD, line.interpreter, 0, argv, NULL);
	if (got != native)
		fail_msg("\"%.*s\" (%zu bytes): the kernel says %d, the reader %d", (int)len, bytes, len, native, got);
	if (native)
		return;
	size_t strings = expected_strings(&line, expected, sizeof(expected));
	if (shown.len != strings || memcmp(shown.text, expected, strings) != 0)
		fail_msg("\"%.*s\" (%zu bytes): other arguments", (int)len, bytes, len);
}

static void forms(void **state)
{
#define FORM(text) {text, sizeof(text) - 1}
	static const struct {
		const char *bytes;
		size_t len;
	} table[] = {
		FORM("#!./s\n"), FORM("#!./s"), FORM("#! ./s\n"), FORM("#!\t ./s \t\n"), FORM("#!./s argument\n"),
		FORM("#!./s two words\n"), FORM("#!./s\ttabs \t between \t\n"), FORM("#!./s argument"),
		FORM("#!./s "), FORM("#!./s \n"), FORM("#!./s  \t"), FORM("#!\n"), FORM("#!"), FORM("#! \n"),
		FORM("#!  "), FORM("#"), FORM("!"), FORM(""), FORM(" #!./s\n"), FORM("#!\0"), FORM("#!\0./s\n"),
		FORM("#!./s\0junk\n"), FORM("#!./s a\0b\n"), FORM("#!./s \0b\n"), FORM("#!./s\r\n"), FORM("#!./s a\r\n"),
		FORM("#!./absent\n"), FORM("#!.\n"), FORM("#!s\n"), FORM("#!./s\n\n"), FORM("#!\n./s\n"),
		FORM("#!./s a\nb\n"), FORM("#!./s -a -b\nexit\n"), FORM("#!/\n"), FORM("#!./s/\n"),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		compare(table[i].bytes, table[i].len);
}

/* Around the end of the kernel's buffer: the interpreter or the argument reach it, with and without an end. */
static void lengths(void **state)
{
	static const char *const ends[] = {"", "\n", " ", " \n", " a\n", "aaaaaaaa", "aaaaaaaa\n", "\taaaaaa bbbbbbbbb\n"};
	char bytes[512];

	(void)state;
	for (size_t len = 244; len <= 258; len++) {
		for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
			/* An interpreter of LEN bytes... */
			memset(bytes, '/', sizeof(bytes));
			memcpy(bytes, "#!.", 3);
			bytes[2 + len - 1] = 's';
			strcpy(bytes + 2 + len, ends[i]);
			compare(bytes, strlen(bytes));
			/* ...an argument that ends there, and nothing but blanks until there. */
			memset(bytes, 'a', sizeof(bytes));
			memcpy(bytes, "#!./s ", 6);
			strcpy(bytes + 2 + len, ends[i]);
			compare(bytes, strlen(bytes));
			memset(bytes, ' ', sizeof(bytes));
			memcpy(bytes, "#!", 2);
			strcpy(bytes + 2 + len, ends[i]);
			compare(bytes, strlen(bytes));
		}
	}
}

/* Random lines of what matters, from a fixed seed. */
static void random_lines(void **state)
{
	static const char alphabet[] = {' ', '\t', '\n', '\0', '.', '/', 's', 's', 'a', ' '};
	uint32_t seed = 17;
	char bytes[64] = "#!./s";

	(void)state;
	for (unsigned round = 0; round < 300; round++) {
		size_t from = round % 2 ? 2 : 5, len = from + round % 16;
		for (size_t i = from; i < len; i++) {
			seed = seed * 1664525 + 1013904223;
			bytes[i] = alphabet[(seed >> 16) % sizeof(alphabet)];
		}
		compare(bytes, len);
		memcpy(bytes, "#!./s", 5);
	}
}

static void failure_leaves_the_result_alone(void **state)
{
	struct script_line line = {.interpreter = "untouched"};

	(void)state;
	assert_int_equal(script_parse("#! \n", 4, &line), -ENOEXEC);
	assert_string_equal(line.interpreter, "untouched");
}

int main(int argc, char *argv[])
{
	(void)argc;
	native_show(argv);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forms),
		cmocka_unit_test(lengths),
		cmocka_unit_test(random_lines),
		cmocka_unit_test(failure_leaves_the_result_alone),
	};
	return cmocka_run_group_tests_name("script", tests, make_directory, remove_directory);
}
