/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "policy_help.h"

/* Each refused text, with all of the message. */
static void test_messages(void **state)
{
	static const struct {
		const char *text, *message;
	} table[] = {
		{"\n\nhdie /x", "test.conf:3:1: unknown verb: hdie\n  hdie /x\n  ^\n"
				"write hide, deny, show, mask, plain, crypt, append, readonly, free, fstype, env, option or include"},
		{"hide", "test.conf:1:5: the pattern is missing\n  hide\n      ^\nwrite VERB PATTERN [OPTION=VALUE ...]"},
		{"  hide x/y", "test.conf:1:8: a relative pattern\n    hide x/y\n         ^\nwrite ${CWD}/x or **/x"},
		{"mask /x colour=red", "test.conf:1:9: unknown option: colour=red\n  mask /x colour=red\n          ^\n"
				       "see scrim.conf(5); a pattern with spaces stands in double quotes"},
		{"hide /${NOPE}", "test.conf:1:7: the variable NOPE is not set\n  hide /${NOPE}\n        ^\n"
				  "set it, or give a default: ${NAME:-default}"},
		{"\thide /[z", "test.conf:1:7: [ without ]\n  \thide /[z\n  \t     ^\n"
			       "close it with ], or write \\[ for the character itself"},
		{"hide \xc3\xa9", "test.conf:1:6: a relative pattern\n  hide \xc3\xa9\n       ^\nwrite ${CWD}/x or **/x"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct policy *policy = new_policy();
		struct errmsg msg = {0};
		assert_int_equal(add_text(policy, table[i].text, &msg), -EINVAL);
		assert_string_equal(msg.text, table[i].message);
		policy_free(policy);
	}
}

/* Each refused text, with a part of the message. */
static void test_refused(void **state)
{
	static const struct {
		const char *text, *part;
	} table[] = {
		{"hide /x with=/y", "hide has no option with"},
		{"mask /x with=/y redact=z", "exclude each other"},
		{"mask /x token=y redact=z", "a token without redact: token=y"},
		{"mask /x redact=z token=y token=y", "a token without redact"},
		{"mask /x with=/y token=y", "a token without redact"},
		{"mask /x nomatch=show", "nomatch without redact: nomatch=show"},
		{"mask /x redact=y nomatch=keep", "not a value of this option: keep"},
		{"mask /x redact=a redact=a redact=a redact=a redact=a redact=a redact=a redact=a redact=a redact=a redact=a "
		 "redact=a redact=a redact=a redact=a redact=a redact=a",
		 "more than 16 times redact="},
		{"option memfd.max", "not a value of this option: memfd.max"},
		{"option memfd.max=", "not a value of this option"},
		{"option memfd.max=0", "not a value of this option"},
		{"option memfd.max=1Z", "write option memfd.max=SIZE"},
		{"option memfd.max=-1", "not a value of this option"},
		{"option memfd.max=K", "not a value of this option"},
		{"option memfd.max=9223372036854775808", "not a value of this option"},
		{"option memfd.max=9007199254740992K", "not a value of this option"},
		{"option swap=on", "write option swap=refuse or swap=warn"},
		{"option colour=red", "no such option"},
		{"option", "NAME=VALUE is missing"},
		{"option swap=warn now", "too many words"},
		{"crypt /x provider=rot13", "not a value of this option: rot13"},
		{"crypt /x plain=yes", "not a value of this option: yes"},
		{"crypt /x key=", "nothing after key="},
		{"mask /x write=keep", "not a value of this option: keep"},
		{"mask /x write=discard write=discard", "twice"},
		{"mask /x with=y", "a relative path"},
		{"mask /x with=", "nothing after with="},
		{"mask /x with", "without a value"},
		{"hide /x /y", "unknown option: /y"},
		{"hide \"/x", "a quote that is not closed"},
		{"hide /x\\", "a backslash with nothing after it"},
		{"hide ${NAME", "${ without }"},
		{"hide $NAME/x", "a variable without braces"},
		{"hide ${9}", "not a variable"},
		{"hide /${EMPTY}/x", "the variable EMPTY is empty"},
		{"hide ~root/x", "~ means your own home"},
		{"hide \"\"", "an empty pattern"},
		{"hide /a**b", "** beside other characters"},
		{"hide /a**", "** beside other characters"},
		{"hide /*/../x", ".. after a wildcard"},
		{"hide /{a/b,c}", "braces"},
		{"hide /{a}", "braces"},
		{"hide /{,a}", "an empty alternative"},
		{"hide /{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}", "more than 256"},
		{"hide /[[:alpha:]]", "named character classes"},
		{"hide /[z-a]", "backwards"},
		{"env", "hide or set is missing"},
		{"env show X", "unknown action of env"},
		{"env set =x", "not an assignment"},
		{"env set 9A=x", "not an assignment"},
		{"env set A", "not an assignment"},
		{"env hide A=B", "not the name of a variable"},
		{"env hide [", "[ without ]"},
		{"include", "the file is missing"},
		{"include /nowhere/such", "No such file or directory"},
		{"include a b", "too many words: b"},
		{"crypt /x plain=maybe", "not a value"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct policy *policy = new_policy();
		struct errmsg msg = {0};
		if (add_text(policy, table[i].text, &msg) >= 0)
			fail_msg("%s is taken", table[i].text);
		if (!strstr(msg.text, table[i].part) || strncmp(msg.text, "test.conf:1:", 12) != 0)
			fail_msg("%s: %s", table[i].text, msg.text);
		policy_free(policy);
	}
}

static void test_limits(void **state)
{
	static const struct reading reading = {.origin = "test.conf", .directory = "/"};
	char text[6000] = "hide /";
	struct errmsg msg = {0};
	struct policy *policy = new_policy();

	(void)state;
	memset(text + 6, 'a', 255);
	assert_int_equal(add_text(policy, text, &msg), 0);
	text[6 + 255] = 'a';
	assert_int_equal(add_text(policy, text, &msg), -EINVAL);
	assert_non_null(strstr(msg.text, "longer than 255"));

	/* 4095 bytes in components of two letters. */
	msg = (struct errmsg){0};
	for (size_t i = 0; i < 5000; i++)
		text[5 + i] = i % 2 ? 'x' : '/';
	text[5 + 4095] = '\0';
	text[5 + 4094] = 'x';
	assert_int_equal(add_text(policy, text, &msg), 0);
	text[5 + 4095] = 'x';
	text[5 + 4096] = '\0';
	assert_true(add_text(policy, text, &msg) < 0);
	assert_non_null(strstr(msg.text, "4095"));
	assert_true(strlen(msg.text) < 1000);

	msg = (struct errmsg){0};
	assert_int_equal(parse_text(policy, &reading, "hide /a\0b", 9, &msg), -EINVAL);
	assert_non_null(strstr(msg.text, "test.conf:1:8: a NUL byte"));
	policy_free(policy);
}

/* What a pattern becomes: path that matches, path that does not. */
static void test_words(void **state)
{
	static const struct {
		const char *text, *hidden, *shown;
	} table[] = {
		{"hide ~", "/nowhere/home", "/nowhere"},
		{"hide ~/x", "/nowhere/home/x", "/nowhere/home"},
		{"hide \"~/My Docs/*.key\"", "/nowhere/home/My Docs/a.key", "/nowhere/home/My Docs/a"},
		{"hide /nowhere/My\\ Docs", "/nowhere/My Docs", "/nowhere/My"},
		{"hide ${CWD}/x", "/nowhere/cwd/x", "/nowhere/cwd"},
		{"hide /${NAME}", "/value", "/NAME"},
		{"hide /${NOPE:-a*}", "/a*", "/ab"},
		{"hide ${NOPE:-${HOME}/.config}/gh", "/nowhere/home/.config/gh", "/nowhere/home/.config"},
		{"hide /${EMPTY:-x}", "/x", "/y"},
		{"hide /nowhere/${STAR}", "/nowhere/a*{b,c}", "/nowhere/ab"},
		{"hide /nowhere/${STAR}?", "/nowhere/a*{b,c}z", "/nowhere/aab"},
		{"hide /nowhere/\\*", "/nowhere/*", "/nowhere/a"},
		{"hide /nowhere/\"\\*\"", "/nowhere/*", "/nowhere/a"},
		{"hide /nowhere/a~", "/nowhere/a~", "/nowhere/a"},
		{"hide /nowhere/a#b # not b", "/nowhere/a#b", "/nowhere/a"},
		{"hide \"#x\"\nhide **/\\#y", "/any/where/#y", "/any/where/y"},
		{"hide /nowhere//a/./b/", "/nowhere/a/b", "/nowhere/a"},
		{"hide /nowhere/a/../b", "/nowhere/b", "/nowhere/a"},
		{"hide /nowhere/a$", "/nowhere/a$", "/nowhere/a"},
		{"hide /nowhere/\\$\\{NAME}", "/nowhere/${NAME}", "/nowhere/value"},
		{"hide /nowhere/x\r\n# c\r\n", "/nowhere/x", "/nowhere/x\r"},
		{"hide **", "/x", "/"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		const char *text = strncmp(table[i].text, "hide \"#x\"", 9) == 0 ? strchr(table[i].text, '\n')
										: table[i].text;
		struct policy *policy = compiled(text);
		if (strcmp(verdict_of(policy, table[i].hidden), "hide plain free") != 0)
			fail_msg("%s does not hide %s", table[i].text, table[i].hidden);
		if (strcmp(verdict_of(policy, table[i].shown), "show plain free") != 0)
			fail_msg("%s hides %s", table[i].text, table[i].shown);
		policy_free(policy);
	}
}

static void test_options(void **state)
{
	struct policy *policy = compiled("mask /nowhere/a\nmask /nowhere/b with=\"/nowhere/my file\" write=discard\n"
					 "mask /nowhere/c redact=\\d+\"[ a]\\.\\\\x\\\"\"$\nmask /nowhere/d with=~/x\n"
					 "mask /nowhere/e redact=a nomatch=show redact=b token=\"two words\" redact=c");

	(void)state;
	assert_int_equal(policy_rule_count(policy), 5);
	assert_int_equal(policy_rule(policy, 0)->mask.kind, MASK_EMPTY);
	assert_null(policy_rule(policy, 0)->mask.with);
	assert_false(policy_rule(policy, 0)->mask.discard);
	assert_int_equal(policy_rule(policy, 1)->mask.kind, MASK_WITH);
	assert_string_equal(policy_rule(policy, 1)->mask.with, "/nowhere/my file");
	assert_true(policy_rule(policy, 1)->mask.discard);
	assert_int_equal(policy_rule(policy, 2)->mask.kind, MASK_REDACT);
	assert_string_equal(policy_rule(policy, 2)->mask.redactions[0].expression, "\\d+[ a]\\.\\x\"$");
	assert_int_equal(policy_rule(policy, 2)->mask.redaction_count, 1);
	assert_null(policy_rule(policy, 2)->mask.redactions[0].token);
	assert_int_equal(policy_rule(policy, 2)->mask.nomatch, NOMATCH_DENY);
	assert_string_equal(policy_rule(policy, 3)->mask.with, "/nowhere/home/x");
	assert_int_equal(policy_rule(policy, 4)->mask.redaction_count, 3);
	assert_null(policy_rule(policy, 4)->mask.redactions[0].token);
	assert_string_equal(policy_rule(policy, 4)->mask.redactions[1].token, "two words");
	assert_string_equal(policy_rule(policy, 4)->mask.redactions[2].expression, "c");
	assert_int_equal(policy_rule(policy, 4)->mask.nomatch, NOMATCH_SHOW);
	assert_null(policy_rule(policy, 5));
	/* with=FILE that is not there is worth a word. */
	assert_non_null(strstr(policy_warning(policy, 0), "test.conf:2: with=/nowhere/my file cannot be read"));
	policy_free(policy);
}

/* The last line counts. */
static void test_settings(void **state)
{
	struct policy *policy = compiled("option memfd.max=3M\noption memfd.total=4T\n"
					 "option swap=refuse\noption freshness=strict\noption memfd.max=2G\n");
	struct policy_settings settings;

	(void)state;
	policy_settings(policy, &settings);
	assert_int_equal(settings.memfd_max, (uint64_t)2 << 30);
	assert_int_equal(settings.memfd_total, (uint64_t)4 << 40);
	assert_true(settings.require_no_swap && settings.strict_freshness);
	assert_false(settings.rand_fd);
	policy_free(policy);
	policy = compiled("option swap=refuse\noption swap=warn\noption memfd.max=8388607T");
	policy_settings(policy, &settings);
	assert_int_equal(settings.memfd_max, (uint64_t)8388607 << 40);
	assert_int_equal(settings.memfd_total, 0);
	assert_false(settings.require_no_swap || settings.strict_freshness);
	policy_free(policy);
}

static void test_env(void **state)
{
	struct policy *policy = compiled("env hide *_{TOKEN,KEY}\nenv set A=\"b c ${NAME}\"\nenv set E=");

	(void)state;
	assert_int_equal(policy_env_count(policy), 4);
	assert_false(policy_env(policy, 0)->set);
	assert_string_equal(policy_env(policy, 0)->name, "*_TOKEN");
	assert_string_equal(policy_env(policy, 1)->name, "*_KEY");
	assert_true(policy_env(policy, 2)->set);
	assert_string_equal(policy_env(policy, 2)->name, "A");
	assert_string_equal(policy_env(policy, 2)->value, "b c value");
	assert_string_equal(policy_env(policy, 3)->value, "");
	assert_null(policy_env(policy, 4));
	policy_free(policy);
}

static void test_command_line(void **state)
{
	struct policy *policy = new_policy();
	struct errmsg msg = {0};

	(void)state;
	assert_int_equal(policy_add_verb(policy, "hide", "my file", &msg), 0);
	assert_int_equal(policy_add_verb(policy, "deny", "**/\"q\"", &msg), 0);
	assert_int_equal(policy_add_rule(policy, "mask ../sibling with=content", &msg), 0);
	assert_int_equal(policy_add_verb(policy, "conceal", "x", &msg), -EINVAL);
	assert_non_null(strstr(msg.text, "command line:1: unknown verb: conceal"));
	msg = (struct errmsg){0};
	assert_int_equal(policy_add_verb(policy, "hide", "a[", &msg), -EINVAL);
	assert_non_null(strstr(msg.text, "command line:6: [ without ]\n  hide a[\n       ^"));
	msg = (struct errmsg){0};
	assert_int_equal(policy_compile(policy, &msg), 0);
	assert_string_equal(verdict_of(policy, "/nowhere/cwd/my file"), "hide plain free");
	assert_string_equal(verdict_of(policy, "/x/\"q\"/y"), "deny plain free");
	assert_string_equal(verdict_of(policy, "/nowhere/sibling"), "show mask free");
	assert_string_equal(policy_rule(policy, 2)->mask.with, "/nowhere/cwd/content");
	assert_string_equal(policy_rule(policy, 0)->origin, "command line");
	assert_int_equal(policy_rule(policy, 0)->line, 0);
	policy_free(policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages), cmocka_unit_test(test_refused), cmocka_unit_test(test_limits),
		cmocka_unit_test(test_words),	 cmocka_unit_test(test_options), cmocka_unit_test(test_env),
		cmocka_unit_test(test_command_line), cmocka_unit_test(test_settings),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
