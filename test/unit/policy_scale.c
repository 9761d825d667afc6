/* SPDX-License-Identifier: Apache-2.0 */
/* Large policies and hostile patterns: bounded time, bounded states. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "policy_help.h"

/* What a release build promises; other builds are only kept from being quadratic. */
#if defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define LOAD_SECONDS_MAX 0.1
#else
#define LOAD_SECONDS_MAX 3.0
#endif

static double now(void)
{
	struct timespec t;
	/* Ours alone, whatever else the machine does. */
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* COUNT lines of FORMAT, which takes two numbers. */
static char *lines(unsigned count, const char *format)
{
	char *text = malloc((size_t)count * 80 + 1);
	size_t n = 0;
	assert_non_null(text);
	text[0] = '\0';
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	for (unsigned i = 0; i < count; i++)
		n += (size_t)sprintf(text + n, format, i % 100, i);
#pragma GCC diagnostic pop
	return text;
}

static double load(const char *text)
{
	double before = now();
	policy_free(compiled(text));
	return now() - before;
}

static void test_load_10000(void **state)
{
	/* Where nothing is, and where a disk is asked for every name. */
	static const char *const formats[] = {"hide /nowhere/d%u/f%u\n", "hide /usr/d%u-%u\n",
					      "hide /tmp/no-%u-such-%u\n", "show /n/%u/%u\n", "mask **/x%u-%u\n",
					      "readonly /n/*/%u-%u\n", "append /n/*%u-%u*\n"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
		char *text = lines(10000, formats[i]);
		double best = 1e9;
		for (unsigned j = 0; j < 5 && best > LOAD_SECONDS_MAX / 2; j++) {
			double took = load(text);
			best = took < best ? took : best;
		}
		print_message("10000 x %.*s: %.1f ms\n", (int)strcspn(formats[i], "\n"), formats[i], best * 1e3);
		if (best > LOAD_SECONDS_MAX)
			fail_msg("%s: %f s", formats[i], best);
		free(text);
	}
}

static uint64_t steps_on(const char *text, const char *path)
{
	struct policy *policy = compiled(text);
	struct verdict verdict;

	policy_steps();
	policy_verdict(policy, path, strlen(path), &verdict);
	uint64_t steps = policy_steps();
	policy_free(policy);
	return steps;
}

static void test_steps(void **state)
{
	/* With how many nodes a state can have: the number of **, of the components between, and a little. */
	static const struct {
		const char *text;
		unsigned nodes;
	} table[] = {
		{"hide **/**/**/x", 1},
		{"hide **/**/**/y", 1},
		{"hide **/a/**/a/**/a/**/x", 7},
		{"hide **/*/**/*/**/*/**/*/x", 9},
		{"hide **/a/a/a/a/a/a/a/a/x", 9},
		{"hide **/*a*/*a*/*a*/*a*/x", 5},
		{"hide **/a\nhide **/**/b\nhide **/a/b\nhide **/*/**/b", 6},
		{"hide **/?/**/?/**/x\nshow **/a/**/?/**/x", 9},
	};
	char path[4097];
	size_t components = 0;

	(void)state;
	for (size_t i = 0; i < 4096; i++) {
		path[i] = i % 2 ? 'a' : '/';
		components += i % 2;
	}
	path[4096] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		uint64_t steps = steps_on(table[i].text, path), most = 2 * components * table[i].nodes;
		print_message("%.40s: %lu steps, bound %lu\n", table[i].text, (unsigned long)steps,
			      (unsigned long)most);
		if (steps == 0 || steps > most)
			fail_msg("%s: %lu steps", table[i].text, (unsigned long)steps);
	}
	/* Consecutive ** are one. */
	assert_int_equal(steps_on("hide **/**/**/x", path), steps_on("hide **/x", path));
}

static void expect_bound(const char *text, bool good)
{
	struct policy *policy = new_policy();
	struct errmsg msg = {0};

	assert_int_equal(add_text(policy, text, &msg), 0);
	int r = policy_compile(policy, &msg);
	if (r != (good ? 0 : -E2BIG))
		fail_msg("%.60s: %d %s", text, r, msg.text);
	policy_free(policy);
}

static void test_bound(void **state)
{
	static const struct {
		const char *format;
		unsigned count;
		bool good;
	} table[] = {
		/* One parent's literals exclude each other, wherever it is entered. */
		{"hide **/d%u-%u/f\n", 3000, true},
		{"hide **/d%u/e%u/f\n", 3000, true},
		{"hide /n/d%u-%u/**/f\n", 3000, true},
		{"hide /n/*/d%u-%u/*/f\n", 3000, true},
		/* Patterns do not, and what stays active below a ** stays. */
		{"hide **/*d%u-%u/f\n", 500, true},
		{"hide **/*d%u-%u/f\n", 1100, false},
		{"hide **/d%u-%u/**/f\n", 500, true},
		{"hide **/d%u-%u/**/f\n", 1100, false},
		{"hide /n/*%u-%u/f\n", 1100, false},
		/* Where nothing can follow nothing stays. */
		{"hide /n/*%u-%u\n", 3000, true},
		{"hide **/*%u-%u\n", 3000, true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		char *text = lines(table[i].count, table[i].format);
		expect_bound(text, table[i].good);
		free(text);
	}
}

/* The bound holds: as many states as it allows, and never more, on paths made to reach it. */
static void test_bound_is_reached(void **state)
{
	struct policy *policy;
	struct match_state at;
	char path[1024] = "";

	(void)state;
	policy = compiled("hide **/a/**/a/**/a/x/y\nhide **/*/a/*/a/z\nhide /a/a/a/a/a/q");
	match_root(policy, &at);
	for (unsigned i = 0; i < 100; i++) {
		strcat(path, "/a");
		match_step(policy, &at, "a", 1, &at);
		assert_true(at.count <= 12);
		for (uint32_t j = 1; j < at.count; j++)
			assert_true(at.node[j - 1] < at.node[j]);
	}
	struct match_state whole;
	match_path(policy, path, strlen(path), &whole);
	assert_true(match_equal(&whole, &at));
	assert_int_equal(whole.count, at.count);
	assert_true(at.count >= 8);
	policy_free(policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_load_10000),
		cmocka_unit_test(test_steps),
		cmocka_unit_test(test_bound),
		cmocka_unit_test(test_bound_is_reached),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
