/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "vfs/policy/glob.h"
#include "vfs/policy/glob_program.h"

static struct glob_program *compiled(const char *pattern)
{
	struct glob_program *program = malloc(glob_program_size(pattern, strlen(pattern)));

	assert_non_null(program);
	glob_compile(pattern, strlen(pattern), program);
	return program;
}

/* The two ways of matching say the same of whatever these few characters make. */
static void test_compiled(void **state)
{
	static const char units[] = "aab.*?*[]!-\\^";
	unsigned seed = 12345, matches = 0;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		char pattern[16] = "", name[24] = "";
		struct glob_program *program;

		for (unsigned n = 0, len = (seed >> 8) % 12; n < len; n++, seed = seed * 1103515245 + 12345)
			pattern[n] = units[(seed >> 16) % (sizeof(units) - 1)];
		program = compiled(pattern);
		for (int k = 0; k < 20; k++) {
			seed = seed * 1103515245 + 12345;
			memset(name, 0, sizeof(name));
			for (unsigned n = 0, len = (seed >> 8) % 20; n < len; n++, seed = seed * 1103515245 + 12345)
				name[n] = "aaab.-]\xff"[(seed >> 16) % 8];
			bool match = glob_match(pattern, strlen(pattern), name, strlen(name));

			matches += match;
			if (glob_run(program, name, strlen(name)) != match)
				fail_msg("%s against %s: %d", pattern, name, match);
		}
		free(program);
	}
	assert_true(matches > 1000);
}

static void test_match(void **state)
{
	static const struct {
		const char *pattern, *name;
		bool match;
	} table[] = {
		{"a", "a", true},
		{"a", "b", false},
		{"a", "aa", false},
		{"", "", true},
		{"", "a", false},
		{"*", "", true},
		{"*", ".hidden", true},
		{"?hidden", ".hidden", true},
		{"[.]x", ".x", true},
		{"*.log", "a.log", true},
		{"*.log", ".log", true},
		{"*.log", "a.log2", false},
		{"a*b*c", "a__b__c", true},
		{"a*b*c", "abcb", false},
		{"a*b*c", "abcbc", true},
		{"?", "", false},
		{"??", "ab", true},
		{"[a-c]", "b", true},
		{"[a-c]", "d", false},
		{"[!a-c]", "d", true},
		{"[!a-c]", "a", false},
		{"[^a-c]", "a", false},
		{"[^a-c]", "x", true},
		{"[]]", "]", true},
		{"[!]]", "]", false},
		{"[a-]", "-", true},
		{"[-a]", "-", true},
		{"[\\]]", "]", true},
		{"[a\\-c]", "b", false},
		{"[a\\-c]", "-", true},
		{"\\*", "*", true},
		{"\\*", "a", false},
		{"\\[a]", "[a]", true},
		{"[\x80-\xff]", "\xc3", true},
		{"*[0-9]", "a1b2", true},
		{"*[0-9]", "a1b", false},
		{"**", "ab", true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct glob_program *program = compiled(table[i].pattern);
		bool match = glob_match(table[i].pattern, strlen(table[i].pattern), table[i].name,
					strlen(table[i].name));
		if (match != table[i].match)
			fail_msg("%s against %s: %d", table[i].pattern, table[i].name, match);
		if (glob_run(program, table[i].name, strlen(table[i].name)) != match)
			fail_msg("%s against %s, compiled: %d", table[i].pattern, table[i].name, !match);
		free(program);
	}
}

static void test_no_backtracking(void **state)
{
	char pattern[256], name[256];
	struct timespec before, after;

	(void)state;
	for (size_t i = 0; i + 1 < sizeof(pattern); i += 2) {
		pattern[i] = '*';
		pattern[i + 1] = 'a';
	}
	pattern[255] = 'b';
	memset(name, 'a', sizeof(name));
	clock_gettime(CLOCK_MONOTONIC, &before);
	assert_false(glob_match(pattern, sizeof(pattern), name, 255));
	clock_gettime(CLOCK_MONOTONIC, &after);
	/* Exponential would not end in this year. */
	assert_true(after.tv_sec - before.tv_sec < 5);
}

static void test_check(void **state)
{
	static const char *const good[] = {"a", "[a-z]", "[]]", "[!a]", "\\[", "[^]-a]"};
	static const char *const bad[] = {"[", "[a", "[]", "[!]", "[z-a]", "[[:alpha:]]", "a\\"};
	const char *remedy;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_null(glob_check(good[i], strlen(good[i]), &remedy));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		remedy = NULL;
		assert_non_null(glob_check(bad[i], strlen(bad[i]), &remedy));
		assert_non_null(remedy);
	}
}

static int join(const char *text, size_t len, void *userdata)
{
	char *all = userdata;
	strcat(strncat(all, text, len), "|");
	return 0;
}

static void test_expand(void **state)
{
	static const struct {
		const char *pattern, *expanded;
	} table[] = {
		{"a", "a|"},
		{"{a,b}", "a|b|"},
		{"x{a,b}y", "xay|xby|"},
		{"{a,b}{c,d}", "ac|ad|bc|bd|"},
		{"{a,{b,c}d}", "a|bd|cd|"},
		{"f{,.bak}", "f|f.bak|"},
		{"\\{a,b}", "\\{a,b}|"},
		{"{a\\,b,c}", "a\\,b|c|"},
		{"[{]a,b}", "[{]a,b}|"},
		{"{[,],x}", "[,]|x|"},
	};
	static const char *const bad[] = {"{a", "{a}", "{}", "{a/b,c}", "a{b,c}{"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		char all[256] = "";
		assert_int_equal(glob_expand(table[i].pattern, strlen(table[i].pattern), join, all), 0);
		assert_string_equal(all, table[i].expanded);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		char all[256] = "";
		assert_int_equal(glob_expand(bad[i], strlen(bad[i]), join, all), -EINVAL);
	}
}

static int count(const char *text, size_t len, void *userdata)
{
	(void)text;
	(void)len;
	++*(unsigned *)userdata;
	return 0;
}

static void test_expand_limit(void **state)
{
	static const char most[] = "{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}";
	static const char more[] = "{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}";
	static const char deep[] = "{a,{a,{a,{a,{a,{a,{a,{a,{a,{a,b}}}}}}}}}}";
	unsigned n = 0;

	(void)state;
	assert_int_equal(glob_expand(most, strlen(most), count, &n), 0);
	assert_int_equal(n, GLOB_EXPANSIONS_MAX);
	n = 0;
	assert_int_equal(glob_expand(more, strlen(more), count, &n), -E2BIG);
	assert_int_equal(glob_expand(deep, strlen(deep), count, &n), -E2BIG);
	assert_int_equal(n, 0);
}

static void test_sample(void **state)
{
	static const char *const patterns[] = {"*", "a*", "?x", "[a-c]", "[!a-z!-~]", "\\*x", "*.[ch]"};
	char name[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
		size_t len = glob_sample(patterns[i], strlen(patterns[i]), name);
		assert_true(len > 0);
		assert_true(glob_match(patterns[i], strlen(patterns[i]), name, len));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_match), cmocka_unit_test(test_compiled),  cmocka_unit_test(test_no_backtracking), cmocka_unit_test(test_check),
		cmocka_unit_test(test_expand), cmocka_unit_test(test_expand_limit),    cmocka_unit_test(test_sample),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
