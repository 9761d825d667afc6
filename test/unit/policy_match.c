/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "policy_help.h"

struct expected {
	const char *path, *verdict;
};

static void check(const char *text, const struct expected *expected, size_t count)
{
	struct policy *policy = compiled(text);
	for (size_t i = 0; i < count; i++)
		if (strcmp(verdict_of(policy, expected[i].path), expected[i].verdict) != 0)
			fail_msg("%s: %s is %s, not %s", text, expected[i].path, verdict_of(policy, expected[i].path),
				 expected[i].verdict);
	policy_free(policy);
}

#define CHECK(text, ...)                                                                                               \
	do {                                                                                                           \
		static const struct expected expected_[] = {__VA_ARGS__};                                              \
		check(text, expected_, ARRAY_LEN(expected_));                                                          \
	} while (0)

static void test_forms(void **state)
{
	(void)state;
	CHECK("hide /", {"/", "hide plain free"}, {"/x", "hide plain free"});
	CHECK("hide /n/d", {"/n", "show plain free"}, {"/n/d", "hide plain free"}, {"/n/d/e/f", "hide plain free"},
	      {"/n/dd", "show plain free"}, {"/d", "show plain free"});
	CHECK("hide /n/d/**", {"/n/d", "show plain free"}, {"/n/d/e", "hide plain free"},
	      {"/n/d/e/f", "hide plain free"}, {"/n/de/f", "show plain free"});
	CHECK("hide /n/d/**/**", {"/n/d", "show plain free"}, {"/n/d/e", "hide plain free"});
	CHECK("hide /n/*", {"/n", "show plain free"}, {"/n/.x", "hide plain free"}, {"/n/x/y", "hide plain free"});
	CHECK("hide **/.env", {"/.env", "hide plain free"}, {"/a/.env", "hide plain free"},
	      {"/a/b/c/.env/x", "hide plain free"}, {"/a/b.env", "show plain free"});
	CHECK("hide /n/**/x", {"/n/x", "hide plain free"}, {"/n/a/x", "hide plain free"}, {"/x", "show plain free"},
	      {"/n/a/b/c/x/y", "hide plain free"}, {"/m/x", "show plain free"});
	CHECK("hide /n/**/a/*/b", {"/n/a/z/b", "hide plain free"}, {"/n/a/a/b", "hide plain free"},
	      {"/n/a/a/a/b", "hide plain free"}, {"/n/a/b", "show plain free"}, {"/n/b/a/q/b", "hide plain free"});
	CHECK("hide **/a/**/b", {"/a/b", "hide plain free"}, {"/x/a/y/z/b", "hide plain free"},
	      {"/b/a", "show plain free"}, {"/b", "show plain free"});
	CHECK("hide /n/[ab]?.{c,h}", {"/n/a1.c", "hide plain free"}, {"/n/b2.h", "hide plain free"},
	      {"/n/c1.c", "show plain free"}, {"/n/a1.o", "show plain free"});
}

static void test_parts_and_order(void **state)
{
	(void)state;
	CHECK("hide /n\nmask /n/m\nappend **/*.log\nreadonly /n/m\nshow /n/m\nplain /n/m/p\nfree /n/m/f\ndeny /n/m/d",
	      {"/n", "way plain free"}, {"/n/x.log", "hide plain append"}, {"/n/m/a.log", "show mask readonly"},
	      {"/n/m/p/x", "show plain readonly"}, {"/n/m/f", "show mask free"}, {"/n/m/d/e", "deny mask readonly"});
	/* The last match wins, wherever it stands. */
	CHECK("hide /n/a\nshow /n", {"/n/a", "show plain free"}, {"/n/a/b", "show plain free"});
	CHECK("show /n\nhide /n/a", {"/n/a", "hide plain free"});
	CHECK("hide **/k\nshow /n/**\nhide /n/z/k", {"/n/k", "show plain free"}, {"/n/z/k", "hide plain free"},
	      {"/m/k", "hide plain free"});
	CHECK("readonly ~\nfree ~/out", {"/nowhere/home/x", "show plain readonly"},
	      {"/nowhere/home/out", "show plain free"}, {"/nowhere/home/out/x", "show plain free"});
}

static void test_way(void **state)
{
	(void)state;
	CHECK("hide ~\nshow ~/a/proj", {"/nowhere", "show plain free"}, {"/nowhere/home", "way plain free"},
	      {"/nowhere/home/a", "way plain free"}, {"/nowhere/home/a/proj", "show plain free"},
	      {"/nowhere/home/a/proj/x", "show plain free"}, {"/nowhere/home/a/other", "hide plain free"},
	      {"/nowhere/home/b", "hide plain free"});
	/* The way exists only if the show really wins. */
	CHECK("show ~/a/proj\nhide ~", {"/nowhere/home", "hide plain free"}, {"/nowhere/home/a/proj", "hide plain free"});
	CHECK("hide ~\nshow ~/a/proj\nhide ~/a", {"/nowhere/home", "hide plain free"},
	      {"/nowhere/home/a", "hide plain free"});
	CHECK("deny ~\nshow ~/p", {"/nowhere/home", "way plain free"}, {"/nowhere/home/q", "deny plain free"});
	CHECK("hide ~/*\nshow ~/a/b", {"/nowhere/home/a", "way plain free"}, {"/nowhere/home/a/b", "show plain free"},
	      {"/nowhere/home/a/c", "hide plain free"});
	/* A wildcard shows no way. */
	CHECK("hide ~\nshow ~/p*", {"/nowhere/home", "hide plain free"}, {"/nowhere/home/p1", "show plain free"});
	/* Where the ancestor is visible by itself, it is nothing special. */
	CHECK("hide ~/x\nshow ~/x/y", {"/nowhere/home", "show plain free"}, {"/nowhere/home/x", "way plain free"});
}

static void test_crypt(void **state)
{
	(void)state;
	CHECK("crypt /n/d key=k\nplain /n/d/p\nmask /n/d/m", {"/n", "show plain free"}, {"/n/d", "show crypt free"},
	      {"/n/d/e/f", "show crypt free"}, {"/n/d/p/q", "show plain free"}, {"/n/d/m", "show mask free"});
	/* files=only is about that very name, and an earlier rule stands beneath it. */
	CHECK("mask /n/d/a.db/x\ncrypt /n/**/*.db files=only", {"/n/a.db", "show crypt free"},
	      {"/n/d/a.db", "show crypt free"}, {"/n/d/a.db/b", "show plain free"}, {"/n/d/a.db/x", "show mask free"},
	      {"/n/d/a.db/x.db", "show crypt free"});
	CHECK("mask /n/d\ncrypt /n/d/f files=only\nplain /n/d/f/g", {"/n/d/e", "show mask free"},
	      {"/n/d/f", "show crypt free"}, {"/n/d/f/e", "show mask free"}, {"/n/d/f/g", "show plain free"});
	CHECK("crypt /n/d/f files=only\nmask /n/d", {"/n/d/f", "show mask free"});
	CHECK("crypt /n/f files=only\nplain /n/f", {"/n/f", "show plain free"});
	CHECK("plain /n/f\ncrypt /n/f files=only\nhide /n/f/x", {"/n/f", "show crypt free"},
	      {"/n/f/y", "show plain free"}, {"/n/f/x", "hide plain free"});
}

static void test_crypt_options(void **state)
{
	struct policy *policy = compiled("crypt /n/a\ncrypt /n/b key=k provider=sodium plain=adopt\n"
					 "crypt /n/{c,d} key=k files=only plain=read\nmask /n/e\ncrypt /n/f key=ephemeral");
	const struct rule *rule[6];
	struct policy_needs needs;

	(void)state;
	for (uint32_t i = 0; i < ARRAY_LEN(rule); i++)
		assert_non_null(rule[i] = policy_rule(policy, i));
	policy_needs(policy, &needs);
	assert_true(needs.crypt);
	assert_string_equal(rule[0]->crypt_key, KEY_DEFAULT);
	assert_null(rule[0]->crypt_provider);
	assert_int_equal(rule[0]->crypt_plain, PLAIN_REFUSE);
	assert_false(rule[0]->files_only);
	assert_string_equal(rule[1]->crypt_key, "k");
	assert_string_equal(rule[1]->crypt_provider, "sodium");
	assert_int_equal(rule[1]->crypt_plain, PLAIN_ADOPT);
	for (unsigned i = 2; i < 4; i++) {
		assert_ptr_equal(rule[i]->crypt_key, rule[1]->crypt_key);
		assert_int_equal(rule[i]->crypt_plain, PLAIN_READ);
		assert_true(rule[i]->files_only);
	}
	assert_null(rule[4]->crypt_key);
	assert_string_equal(rule[5]->crypt_key, KEY_EPHEMERAL);
	policy_free(policy);
}

static const char *only_warning(const char *text, char *out, size_t size)
{
	struct policy *policy = compiled(text);
	const char *warning = policy_warning(policy, 0);
	snprintf(out, size, "%s", warning ? warning : "");
	assert_null(policy_warning(policy, 1));
	policy_free(policy);
	return out;
}

static void test_warnings(void **state)
{
	char text[1024];

	(void)state;
	assert_non_null(strstr(only_warning("# nothing", text, sizeof(text)), "no rule at all"));
	assert_string_equal(only_warning("env hide X", text, sizeof(text)), "");
	assert_non_null(strstr(only_warning("hide ~\nshow ~/p*", text, sizeof(text)), "test.conf:2: show"));
	assert_non_null(strstr(only_warning("hide ~/*\nshow ~/*/pub", text, sizeof(text)), "test.conf:2: show"));
	assert_string_equal(only_warning("hide **/.env*\nshow **/.env.example", text, sizeof(text)), "");
	assert_string_equal(only_warning("hide ~\nshow ~/p", text, sizeof(text)), "");
	assert_non_null(strstr(only_warning("hide /dev create=private", text, sizeof(text)), "write /dev/** to hide only"));
	assert_string_equal(only_warning("hide /dev create=private\nshow /dev/null", text, sizeof(text)), "");
	assert_string_equal(only_warning("hide /dev/** create=private\nhide /dev/null create=private", text, sizeof(text)), "");
	/* One for a line, and none where everything in the directory is meant. */
	assert_non_null(strstr(only_warning("crypt ~/{a,b}.db files=only", text, sizeof(text)), "temporary and backup"));
	assert_string_equal(only_warning("crypt ~/d/* files=only\ncrypt ~/e", text, sizeof(text)), "");
}

static void test_refused_by_compile(void **state)
{
	static const struct {
		const char *text, *part;
	} table[] = {
		{"hide /x\ncrypt /n/*.db key=a", "test.conf:2:1: a crypt rule that ends with a wildcard"},
		{"crypt /n/**", "test.conf:1:1: a crypt rule that ends with a wildcard"},
		{"crypt /dev/null", "test.conf:1:1: a crypt rule that names a file"},
		{"crypt /dev files=only", "test.conf:1:1: files=only, but this is a directory"},
		{"crypt /", "test.conf:1:1: all of the file system"},
		{"mask /n/*.log write=discard\nappend /n/*.log", "test.conf:1:1: write=discard contradicts append"},
		{"append /n\nmask /n/x write=discard", "test.conf:2:1: write=discard contradicts append"},
		{"mask /n write=discard\nappend /n/x", "test.conf:1:1: write=discard contradicts append"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct policy *policy = new_policy();
		struct errmsg msg = {0};
		assert_int_equal(add_text(policy, table[i].text, &msg), 0);
		assert_true(policy_compile(policy, &msg) < 0);
		if (!strstr(msg.text, table[i].part))
			fail_msg("%s: %s", table[i].text, msg.text);
		policy_free(policy);
	}
	/* Overruled or apart, they are no contradiction. */
	policy_free(compiled("mask /n/x write=discard\nappend /n\nfree /n/x"));
	policy_free(compiled("mask /n/x write=discard\nappend /n/y"));
	policy_free(compiled("mask /n/x\nappend /n/x"));
}

static void test_needs(void **state)
{
	struct policy_needs needs;
	struct policy *policy = compiled("hide /n/a\nmask /n/b write=discard\nreadonly /n/c");

	(void)state;
	policy_needs(policy, &needs);
	assert_true(needs.hide && needs.mask && needs.mask_discard && needs.readonly);
	assert_false(needs.deny || needs.append || needs.crypt);
	policy_free(policy);
	policy = compiled("show /n/a\nfree /n/a\nplain /n/a\nappend /n/l\ndeny /n/d");
	policy_needs(policy, &needs);
	assert_true(needs.append && needs.deny);
	assert_false(needs.hide || needs.mask || needs.mask_discard || needs.readonly);
	policy_free(policy);
}

static void note(const struct rule *rule, void *userdata)
{
	char *all = userdata;
	snprintf(all + strlen(all), 256 - strlen(all), "%u ", rule->line);
}

static void test_explain(void **state)
{
	struct policy *policy = compiled("hide /n\nshow /n/a\nhide **/k\nmask /n/*/k\nhide /m\nappend /n/**/a/k");
	char lines[256] = "";

	(void)state;
	policy_explain(policy, "/n/a/k/z", 8, note, lines);
	assert_string_equal(lines, "1 2 3 4 6 ");
	lines[0] = '\0';
	policy_explain(policy, "/n", 2, note, lines);
	assert_string_equal(lines, "1 ");
	lines[0] = '\0';
	policy_explain(policy, "/", 1, note, lines);
	assert_string_equal(lines, "");
	policy_free(policy);
}

static void test_rules(void **state)
{
	struct policy *policy = compiled("hide /nowhere/a/b\nhide /nowhere/a/*/c\nhide **/x\nhide /nowhere/{p,q}\nhide /");
	static const char *const canonical[] = {"/nowhere/a/b", NULL, NULL, "/nowhere/p", "/nowhere/q", "/"};
	static const char *const prefix[] = {"/nowhere/a", "/nowhere/a", "/", "/nowhere", "/nowhere", "/"};

	(void)state;
	assert_int_equal(policy_rule_count(policy), 6);
	for (uint32_t i = 0; i < 6; i++) {
		const struct rule *rule = policy_rule(policy, i);
		assert_int_equal(rule->index, i);
		assert_int_equal(rule->literal, canonical[i] != NULL);
		if (canonical[i])
			assert_string_equal(rule->canonical, canonical[i]);
		assert_string_equal(rule->literal_prefix, prefix[i]);
	}
	assert_string_equal(policy_rule(policy, 4)->pattern, "/nowhere/{p,q}");
	policy_free(policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_parts_and_order),
		cmocka_unit_test(test_way),
		cmocka_unit_test(test_crypt),
		cmocka_unit_test(test_crypt_options),
		cmocka_unit_test(test_warnings),
		cmocka_unit_test(test_refused_by_compile),
		cmocka_unit_test(test_needs),
		cmocka_unit_test(test_explain),
		cmocka_unit_test(test_rules),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
