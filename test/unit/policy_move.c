/* SPDX-License-Identifier: Apache-2.0 */
/* States of the matcher: what decides whether a name may move, and what a listing needs. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "policy_help.h"

static bool equal(const char *text, const char *one, const char *two)
{
	struct policy *policy = compiled(text);
	struct match_state a, b;

	match_path(policy, one, strlen(one), &a);
	match_path(policy, two, strlen(two), &b);
	assert_int_equal(match_equal(&a, &b), match_equal(&b, &a));
	assert_true(match_equal(&a, &a));
	bool result = match_equal(&a, &b);
	policy_free(policy);
	return result;
}

static void test_equal(void **state)
{
	static const struct {
		const char *text, *one, *two;
		bool equal;
	} table[] = {
		/* Rules elsewhere, and a rule that can match anywhere alike, stop nothing. */
		{"hide /n/secret", "/n/a", "/m/b", true},
		{"hide **/.env", "/n/a", "/m/b/c", true},
		{"hide **/.env", "/n/a", "/m/.env", false},
		{"hide **/a/b", "/n/a", "/n/c", false},
		/* The ancestor of a rule is not like another directory. */
		{"hide /n/d/secret", "/n/d", "/n/e", false},
		{"hide /n/d/secret", "/n/d/x", "/n/e/x", true},
		{"append /n/*/x", "/n/d", "/n/e", true},
		{"append /n/*/x", "/n/d", "/m/e", false},
		/* Equal verdicts of different rules are equal, unless something may come between. */
		{"readonly /n\nfree /n/a\nfree /n/b", "/n/a/x", "/n/b/y", true},
		{"readonly /n\nfree /n/a\nfree /n/b\nhide **/.env", "/n/a/x", "/n/b/y", true},
		{"free /n/a\nreadonly **/k\nfree /n/b", "/n/a/x", "/n/b/y", false},
		{"free /n/a\nfree /n/b\nreadonly **/k", "/n/a/x", "/n/b/y", true},
		{"free /n/a", "/n/a/x", "/n/b/y", true},
		{"readonly /n/a", "/n/a/x", "/n/b/y", false},
		{"hide /n/a\nreadonly /n/b", "/n/a/x", "/n/b/y", false},
		/* Masks are alike if they make the same content. */
		{"mask /n/a\nmask /n/b", "/n/a/x", "/n/b/y", true},
		{"mask /n/a\nmask /n/b write=discard", "/n/a/x", "/n/b/y", false},
		{"mask /n/a redact=x\nmask /n/b redact=y", "/n/a/x", "/n/b/y", false},
		{"mask /n/a redact=x\nmask /n/b redact=x", "/n/a/x", "/n/b/y", true},
		{"mask /n/a redact=x token=a redact=y\nmask /n/b redact=x token=a redact=y", "/n/a/x", "/n/b/y", true},
		{"mask /n/a redact=x token=a redact=y\nmask /n/b redact=x redact=y", "/n/a/x", "/n/b/y", false},
		{"mask /n/a redact=x nomatch=show\nmask /n/b redact=x", "/n/a/x", "/n/b/y", false},
		/* One key is one place, whatever rules say so; two keys are two. */
		{"crypt /n/a\ncrypt /n/b key=default", "/n/a/x", "/n/b/y", true},
		{"crypt /n/a key=one\ncrypt /n/b key=two\ncrypt /n/c key=one", "/n/a/x", "/n/b/y", false},
		{"crypt /n/a key=one\ncrypt /n/b key=two\ncrypt /n/c key=one", "/n/a/x", "/n/c/y", true},
		{"crypt /n/a key=one plain=adopt\ncrypt /n/b key=one provider=sodium", "/n/a/x", "/n/b/y", true},
		{"crypt /n/a", "/n/a/x", "/n/b/y", false},
		{"crypt /n/a\nmask /n/b", "/n/a/x", "/n/b/y", false},
		{"crypt /n/*.db files=only", "/n/a.db", "/n/b.db", true},
		{"crypt /n/*.db files=only", "/n/a.db", "/n/b.tmp", false},
		{"crypt /n/*.db files=only", "/n/a.db/x", "/n/b/x", true},
		{"crypt /n/*.db files=only\ncrypt /n/*.kdb files=only key=k", "/n/a.db", "/n/a.kdb", false},
		/* Rules that a later one has overruled are gone. */
		{"hide /n/d/secret\nshow /n", "/n/d", "/n/e", true},
		{"hide /n/*/*/secret\nshow /n/d", "/n/d/a", "/m/e", true},
		{"hide /n/*/*/secret\nshow /n/d", "/n/d/a", "/n/e/f", false},
		/* A way is not like what is merely hidden. */
		{"hide /n\nshow /n/a/b", "/n/a", "/n/c", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (equal(table[i].text, table[i].one, table[i].two) != table[i].equal)
			fail_msg("%s: %s and %s", table[i].text, table[i].one, table[i].two);
}

static void test_below(void **state)
{
	static const struct {
		const char *text, *path;
		bool hides_below, literal_below, anchor;
	} table[] = {
		{"hide /n/a/b", "/", true, true, true},
		{"hide /n/a/b", "/n/a", true, true, true},
		{"hide /n/a/b", "/n/a/b", false, true, true},
		{"hide /n/a/b", "/n/a/b/c", false, false, false},
		{"hide /n/a/b", "/n/c", false, false, false},
		{"hide **/.env", "/n/c", true, false, false},
		{"hide **/.env", "/", true, true, true},
		{"hide **/.env", "/.env", false, false, false},
		{"hide /n/a/*/x", "/n/a", true, true, true},
		{"hide /n/a/*/x", "/n/a/b", true, false, false},
		{"hide /n/a/*/x", "/n/a/b/c", false, false, false},
		{"mask /n/a", "/n", false, true, true},
		{"show /n/a", "/n", false, true, true},
		{"hide /n\nshow /n/a", "/n", true, true, true},
		{"hide /n\nhide /n/a", "/n", false, true, true},
		{"hide /n/a\nshow /n", "/n", false, true, true},
		{"hide /n/a\nshow /n", "/n/a", false, false, false},
		{"deny /n\nhide /n/a", "/n", true, true, true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct policy *policy = compiled(table[i].text);
		struct match_state at;
		match_path(policy, table[i].path, strlen(table[i].path), &at);
		if (match_hides_below(policy, &at) != table[i].hides_below ||
		    match_literal_below(policy, &at) != table[i].literal_below ||
		    match_is_anchor(policy, &at) != table[i].anchor)
			fail_msg("%s at %s: %d %d %d", table[i].text, table[i].path, match_hides_below(policy, &at),
				 match_literal_below(policy, &at), match_is_anchor(policy, &at));
		policy_free(policy);
	}
}

/* The highest rule of each part among those that cover the path, by the other algorithm. */
struct decided {
	int32_t rule[PART_COUNT];
};

static void decide(const struct rule *rule, void *userdata)
{
	struct decided *d = userdata;
	enum part part = verb_of(rule)->part;
	assert_true(d->rule[part] < (int32_t)rule->index);
	d->rule[part] = (int32_t)rule->index;
}

static unsigned next_random(unsigned *seed)
{
	*seed = *seed * 1103515245 + 12345;
	return *seed >> 16;
}

/* A random path or pattern over a few names, so that much collides. */
static void random_path(unsigned *seed, const char *const *names, size_t count, char *out)
{
	size_t components = 1 + next_random(seed) % 5;
	out[0] = '\0';
	for (size_t i = 0; i < components; i++)
		strcat(strcat(out, "/"), names[next_random(seed) % count]);
}

static void test_against_explain(void **state)
{
	static const char *const names[] = {"qa", "qb", "qc"};
	static const char *const patterns[] = {"qa", "qb", "qc", "*", "**", "q?", "*a", "[!x]b"};
	static const struct {
		const char *verb, *options;
	} verbs[] = {{"hide", ""},   {"show", ""},     {"deny", ""}, {"mask", ""},
		     {"plain", ""},  {"append", ""},   {"readonly", ""}, {"free", ""},
		     {"crypt", " files=only"}, {"crypt", " files=only key=other"}};
	unsigned seed = 7, equal_pairs = 0, unequal_pairs = 0, fullest = 0;

	(void)state;
	for (unsigned round = 0; round < 300; round++) {
		char text[2048] = "", path[2][256], pattern[256];
		for (unsigned i = 0; i < 1 + round % 12; i++) {
			random_path(&seed, patterns, ARRAY_LEN(patterns), pattern);
			size_t used = strlen(text);
			unsigned verb = next_random(&seed) % ARRAY_LEN(verbs);
			snprintf(text + used, sizeof(text) - used, "%s %s%s\n", verbs[verb].verb, pattern,
				 verbs[verb].options);
		}
		struct policy *policy = compiled(text);
		struct match_state at[2];
		uint64_t bound;
		assert_int_equal(trie_bound(&policy->trie, &bound), 0);
		for (unsigned i = 0; i < 40; i++) {
			for (unsigned j = 0; j < 2; j++) {
				random_path(&seed, names, ARRAY_LEN(names), path[j]);
				struct decided decided = {{RULE_NONE, RULE_NONE, RULE_NONE}};
				policy_explain(policy, path[j], strlen(path[j]), decide, &decided);
				match_path(policy, path[j], strlen(path[j]), &at[j]);
				struct verdict found;
				match_verdict(policy, &at[j], &found);
				if (decided.rule[PART_VISIBILITY] != found.visibility_rule ||
				    decided.rule[PART_CONTENT] != found.content_rule ||
				    decided.rule[PART_WRITE] != found.write_rule)
					fail_msg("%s: %s", text, path[j]);
				assert_true(at[j].count <= bound);
				fullest += at[j].count == bound && bound > 2;
			}
			/* What may move freely has the same verdicts beneath, whatever lies there. */
			bool same = match_equal(&at[0], &at[1]);
			*(same ? &equal_pairs : &unequal_pairs) += 1;
			for (unsigned j = 0; j < 8 && same; j++) {
				char below[2][600], tail[256], verdict[64];
				random_path(&seed, names, ARRAY_LEN(names), tail);
				snprintf(below[0], sizeof(below[0]), "%s%s", path[0], tail);
				snprintf(below[1], sizeof(below[1]), "%s%s", path[1], tail);
				snprintf(verdict, sizeof(verdict), "%s", verdict_of(policy, below[0]));
				if (strcmp(verdict, verdict_of(policy, below[1])) != 0)
					fail_msg("%s: %s and %s", text, below[0], below[1]);
				/* And a listing that needs no filter has nothing hidden in it. */
				struct verdict here, there;
				policy_verdict(policy, path[0], strlen(path[0]), &here);
				policy_verdict(policy, below[0], strlen(below[0]), &there);
				if (!match_hides_below(policy, &at[0]) && here.visibility != there.visibility)
					fail_msg("%s: %s below %s", text, below[0], path[0]);
			}
		}
		policy_free(policy);
	}
	/* Both happened, or the test has tested nothing. */
	assert_true(equal_pairs > 500);
	assert_true(unequal_pairs > 500);
	assert_true(fullest > 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_equal),
		cmocka_unit_test(test_below),
		cmocka_unit_test(test_against_explain),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
