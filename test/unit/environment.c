/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "cli/environment.h"

/* The env rules of a policy, as the tests want them. */
static const struct env_rule *rules;
static uint32_t rule_count;

uint32_t policy_env_count(const struct policy *policy)
{
	(void)policy;
	return rule_count;
}

const struct env_rule *policy_env(const struct policy *policy, uint32_t index)
{
	(void)policy;
	return &rules[index];
}

static void assert_vars(const struct environment *environment, const char *const *expected)
{
	char *const *vars = environment_vars(environment);

	for (; *expected; expected++, vars++) {
		assert_non_null(*vars);
		assert_string_equal(*vars, *expected);
	}
	assert_null(*vars);
}

static struct environment *make(const char *const *vars)
{
	struct environment *environment = NULL;

	assert_int_equal(environment_new(vars, &environment), 0);
	return environment;
}

static void test_copies_and_drops_nonsense(void **state)
{
	(void)state;
	const char *vars[] = {"A=1", "nonsense", "=x", "B=", "A=2", NULL};
	struct environment *environment = make(vars);

	assert_vars(environment, (const char *[]){"A=1", "B=", NULL});
	environment_free(environment);
}

static void test_set_replaces_in_place(void **state)
{
	(void)state;
	const char *vars[] = {"A=1", "AB=2", NULL};
	struct environment *environment = make(vars);

	assert_int_equal(environment_set(environment, "A", "x=y"), 0);
	assert_int_equal(environment_set(environment, "C", ""), 0);
	assert_int_equal(environment_set(environment, "", "x"), -EINVAL);
	assert_int_equal(environment_set(environment, "D=E", "x"), -EINVAL);
	assert_vars(environment, (const char *[]){"A=x=y", "AB=2", "C=", NULL});
	environment_unset(environment, "A");
	environment_unset(environment, "absent");
	assert_vars(environment, (const char *[]){"AB=2", "C=", NULL});
	environment_free(environment);
}

static void test_hide_by_glob(void **state)
{
	(void)state;
	const char *vars[] = {"AWS_KEY=1", "HOME=/h", "MY_TOKEN=t", "AWS=2", NULL};
	struct environment *environment = make(vars);

	environment_hide(environment, "AWS_*");
	environment_hide(environment, "*_TOKEN");
	assert_vars(environment, (const char *[]){"HOME=/h", "AWS=2", NULL});
	environment_hide(environment, "*");
	assert_vars(environment, (const char *[]){NULL});
	environment_free(environment);
}

static void test_many_and_clear(void **state)
{
	(void)state;
	struct environment *environment = make(NULL);
	char name[] = "V0000";

	for (int i = 0; i < 1000; i++) {
		name[1] = (char)('0' + i / 1000 % 10);
		name[2] = (char)('0' + i / 100 % 10);
		name[3] = (char)('0' + i / 10 % 10);
		name[4] = (char)('0' + i % 10);
		assert_int_equal(environment_set(environment, name, "x"), 0);
	}
	assert_string_equal(environment_vars(environment)[999], "V0999=x");
	assert_null(environment_vars(environment)[1000]);
	environment_clear(environment);
	assert_vars(environment, (const char *[]){NULL});
	environment_free(environment);
}

static void test_policy_rules_in_order(void **state)
{
	(void)state;
	const char *vars[] = {"A=1", "B=2", NULL};
	struct environment *environment = make(vars);
	const struct env_rule list[] = {
		{.set = true, .name = "A", .value = "3"},
		{.set = false, .name = "A"},
		{.set = false, .name = "B"},
		{.set = true, .name = "B", .value = "4"},
	};

	rules = list;
	rule_count = ARRAY_LEN(list);
	assert_int_equal(environment_apply_policy(environment, NULL), 0);
	assert_vars(environment, (const char *[]){"B=4", NULL});
	environment_free(environment);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_copies_and_drops_nonsense), cmocka_unit_test(test_set_replaces_in_place),
		cmocka_unit_test(test_hide_by_glob),		  cmocka_unit_test(test_many_and_clear),
		cmocka_unit_test(test_policy_rules_in_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
