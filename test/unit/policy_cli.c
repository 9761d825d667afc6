/* SPDX-License-Identifier: Apache-2.0 */
/* scrim check, scrim explain and the policy options, by their functions. */
#include <errno.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "cli/cli.h"
#include "cli/key_options.h"
#include "cli/policy_options.h"

static char directory[64], output[65536];

static void write_file(const char *name, const char *text)
{
	FILE *file = fopen(name, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static int enter_directory(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/scrim-cli-XXXXXX");
	if (!mkdtemp(directory) || chdir(directory) < 0)
		return -1;
	umask(022);
	setenv("HOME", directory, 1);
	setenv("XDG_STATE_HOME", directory, 1);
	setenv("XDG_CONFIG_HOME", directory, 1);
	return mkdir("scrim", 0700) + mkdir("scrim/profiles", 0700);
}

static int leave_directory(void **state)
{
	char command[128];
	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", directory);
	return system(command);
}

#define CALL(function, ...)                                                                                            \
	call(function, (char *[]){(char *)(uintptr_t) "scrim", __VA_ARGS__, NULL})

/* Call a subcommand, its standard output in `output`. */
static int call(int (*function)(int argc, char **argv), char **argv)
{
	int argc = 0, saved = dup(1);
	FILE *file = tmpfile();

	while (argv[argc])
		argc++;
	assert_non_null(file);
	fflush(stdout);
	dup2(fileno(file), 1);
	int status = function(argc, argv);
	fflush(stdout);
	dup2(saved, 1);
	close(saved);
	rewind(file);
	output[fread(output, 1, sizeof(output) - 1, file)] = '\0';
	fclose(file);
	return status;
}

#define ARG(text) ((char *)(uintptr_t)(text))

static json_t *output_json(void)
{
	json_t *value = json_loads(output, 0, NULL);
	if (!value)
		fail_msg("not JSON: %s", output);
	return value;
}

static void test_order(void **state)
{
	struct policy_options *options = NULL;
	struct policy *policy = NULL;
	struct errmsg msg = {0};

	(void)state;
	write_file("scrim/profiles/one.profile", "hide /nowhere/1\n");
	write_file("f.conf", "hide /nowhere/2\n");
	assert_int_equal(policy_options_new(&options), 0);
	assert_false(policy_options_any(options));
	/* Given in the opposite order of what counts. */
	assert_true(policy_options_take(options, OPT_DENY, "/nowhere/3"));
	assert_true(policy_options_take(options, 'r', "mask /nowhere/4"));
	assert_true(policy_options_take(options, 'c', "f.conf"));
	assert_true(policy_options_take(options, 'p', "one"));
	assert_false(policy_options_take(options, '?', NULL));
	assert_false(policy_options_take(options, 0, NULL));
	assert_true(policy_options_any(options));
	if (policy_options_load(options, &policy, &msg) < 0)
		fail_msg("%s", msg.text);
	static const char *const expected[] = {"/nowhere/1", "/nowhere/2", "/nowhere/3", "/nowhere/4"};
	assert_int_equal(policy_rule_count(policy), 4);
	for (uint32_t i = 0; i < 4; i++)
		assert_string_equal(policy_rule(policy, i)->pattern, expected[i]);
	assert_string_equal(policy_rule(policy, 0)->origin, "profile one");
	assert_string_equal(policy_rule(policy, 2)->verb, "deny");
	policy_free(policy);
	policy_options_free(options);
}

/* Instead of key_options.c's: there is one key. */
int key_look(const char *name, struct errmsg *msg)
{
	return strcmp(name, "mine") == 0 ? 0 : errmsg_set(msg, -ENOKEY, "there is no key %s", name);
}

static void test_check_keys(void **state)
{
	(void)state;
	write_file("keys.conf", "crypt /nowhere key=mine\ncrypt /nowhere/else key=absent\ncrypt /nowhere/none key=ephemeral\n");
	assert_int_equal(CALL(cmd_check, ARG("--json"), ARG("keys.conf")), 0);
	json_t *all = output_json(), *warnings = json_object_get(json_array_get(json_object_get(all, "policies"), 0), "warnings");
	assert_int_equal(json_array_size(warnings), 1);
	assert_non_null(strstr(json_string_value(json_array_get(warnings, 0)),
			       "keys.conf:2: crypt /nowhere/else key=absent: there is no key absent"));
	json_decref(all);
}

static void test_check(void **state)
{
	(void)state;
	write_file("good.conf", "hide ~/x\nenv hide A\n");
	write_file("bad.conf", "hdie ~/x\n");
	write_file("empty.conf", "# nothing\n");
	assert_int_equal(CALL(cmd_check, ARG("good.conf")), 0);
	assert_string_equal(output, "good.conf: 1 rule, 1 for the environment, good\n");
	assert_int_equal(CALL(cmd_check, ARG("good.conf"), ARG("bad.conf")), 1);
	assert_int_equal(CALL(cmd_check, ARG("--nonsense")), EXIT_SCRIM_FAILED);

	assert_int_equal(CALL(cmd_check, ARG("--json"), ARG("good.conf"), ARG("bad.conf"), ARG("empty.conf")), 1);
	json_t *all = output_json(), *policies = json_object_get(all, "policies");
	assert_true(json_is_false(json_object_get(all, "ok")));
	assert_int_equal(json_array_size(policies), 3);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(policies, 0), "rules")), 1);
	assert_non_null(strstr(json_string_value(json_object_get(json_array_get(policies, 1), "error")),
			       "bad.conf:1:1: unknown verb: hdie"));
	assert_int_equal(json_array_size(json_object_get(json_array_get(policies, 2), "warnings")), 1);
	json_decref(all);
}

static void test_explain(void **state)
{
	char expected[512];

	(void)state;
	write_file("e.conf", "hide ~\nshow ~/p\nmask **/k\n");
	snprintf(expected, sizeof(expected),
		 "%s/p/k\n  visibility  show      show %s/p (e.conf:2)\n"
		 "                        overruled: hide %s (e.conf:1)\n"
		 "  content     mask      mask /**/k (e.conf:3)\n  write       free      no rule\n",
		 directory, directory, directory);
	assert_int_equal(CALL(cmd_explain, ARG("-c"), ARG("e.conf"), ARG("./p/../p/k")), 0);
	assert_string_equal(output, expected);

	assert_int_equal(CALL(cmd_explain, ARG("--json"), ARG("-c"), ARG("e.conf"), ARG("/n\xff/k")), 0);
	json_t *all = output_json(), *one = json_array_get(all, 0);
	assert_string_equal(json_string_value(json_object_get(json_object_get(one, "content"), "value")), "mask");
	assert_string_equal(json_string_value(json_object_get(one, "path")), "/n\xc3\xbf/k");
	json_decref(all);

	/* A symlink is a name and what it leads to. */
	assert_int_equal(symlink("e.conf", "link"), 0);
	assert_int_equal(CALL(cmd_explain, ARG("-r"), ARG("hide e.conf"), ARG("link")), 0);
	assert_non_null(strstr(output, "/link (a symlink)\n  visibility  show"));
	assert_non_null(strstr(output, "/e.conf (what it leads to)\n  visibility  hide"));
	assert_int_equal(CALL(cmd_explain, ARG("-c"), ARG("e.conf")), EXIT_SCRIM_FAILED);
}

static void test_last(void **state)
{
	static const char event[] = "{\"time\":\"T%d\",\"pid\":%d,\"comm\":\"cat\",\"syscall\":\"openat\",\"path\":\"/a"
				    "\\u001b[2J\",\"verdict\":\"hide\",\"errno\":\"ENOENT\",\"rule\":\"hide /a\"}\n";
	char text[4096];
	int n = snprintf(text, sizeof(text), event, 1, 11);

	(void)state;
	unlink("scrim/last.log");
	assert_int_equal(CALL(cmd_explain, ARG("--last")), EXIT_SCRIM_FAILED);
	n += snprintf(text + n, sizeof(text) - (size_t)n,
		      "{\"syscall\":\"stat\",\"path\":\"/b\",\"verdict\":\"deny\",\"new\":[1]}\nnot json\n");
	n += snprintf(text + n, sizeof(text) - (size_t)n, event, 2, 12);
	snprintf(text + n, sizeof(text) - (size_t)n, "{\"dropped\":7}\n");
	write_file("scrim/last.log", text);
	assert_int_equal(CALL(cmd_explain, ARG("--last")), 0);
	assert_non_null(strstr(output, "      1  deny      stat /b\n"));
	assert_non_null(strstr(output, "      2  hide      openat /a\\x1b[2J\n"));
	assert_non_null(strstr(output, "cat[12]: ENOENT, rule: hide /a, last at T2\n"));
	assert_non_null(strstr(output, "7 more were dropped\n1 lines were not understood\n"));
	assert_null(strchr(output, '\x1b'));

	assert_int_equal(CALL(cmd_explain, ARG("--last"), ARG("-n"), ARG("1"), ARG("--json")), 0);
	json_t *all = output_json(), *refusals = json_object_get(all, "refusals");
	assert_int_equal(json_array_size(refusals), 1);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(refusals, 0), "count")), 2);
	json_decref(all);
}

static void test_tree(void **state)
{
	char expected[4096];

	(void)state;
	setenv("LC_ALL", "C", 1);
	assert_int_equal(system("mkdir -p t/a/deep t/b t/gone/in && touch t/a/.env t/a/deep/.env t/a/x t/b/log t/gone/in/x &&"
				" ln -s ../a/.env t/b/alias && ln -s nowhere t/dangling && mkfifo t/fifo && touch 't/\033[1m'"), 0);
	static char *const rules[] = {ARG("scrim"), ARG("--hide"), ARG("**/.env"), ARG("--deny"), ARG("t/gone"),
				      ARG("--append"), ARG("t/b"), ARG("-r"), ARG("free t/b/alias"), ARG("--mask"), ARG("t/a/x"),
				      ARG("--readonly"), ARG("t/a")};
	char *argv[24];

#define TREE(...)                                                                                                      \
	({                                                                                                             \
		char *const more_[] = {__VA_ARGS__, NULL};                                                             \
		memcpy(argv, rules, sizeof(rules));                                                                    \
		memcpy(argv + ARRAY_LEN(rules), more_, sizeof(more_));                                                 \
		call(cmd_tree, argv);                                                                                  \
	})
	assert_int_equal(TREE(ARG("t")), 0);
	snprintf(expected, sizeof(expected),
		 "%1$s/t/\n"
		 "|-- \\x1b[1m\n"
		 "|-- a/  read only (readonly %1$s/t/a)\n"
		 "|   |-- .env  hidden (hide /**/.env)\n"
		 "|   |-- deep/  read only\n"
		 "|   |   `-- .env  hidden (hide /**/.env)\n"
		 "|   `-- x  masked (mask %1$s/t/a/x), read only\n"
		 "|-- b/  append only (append %1$s/t/b)\n"
		 "|   |-- alias -> ../a/.env [hidden]\n"
		 "|   `-- log  append only\n"
		 "|-- dangling -> nowhere\n"
		 "|-- fifo\n"
		 "`-- gone/  denied (deny %1$s/t/gone)\n"
		 "\n4 directories, 8 files, 2 hidden, 1 denied, 1 masked, 2 append only, 3 read only\n",
		 directory);
	assert_string_equal(output, expected);
	assert_int_equal(TREE(ARG("-m"), ARG("t")), 0);
	assert_null(strstr(output, "log"));
	assert_null(strstr(output, "fifo"));
	assert_null(strstr(output, "[1m"));
	assert_non_null(strstr(output, "|   |-- deep/  read only\n|   |   `-- .env  hidden"));
	assert_non_null(strstr(output, "`-- gone/  denied"));
	assert_int_equal(TREE(ARG("--level"), ARG("1"), ARG("t")), 0);
	assert_null(strstr(output, ".env  "));
	assert_non_null(strstr(output, "|-- b/"));
	/* What is shown within what is hidden is gone to. */
	assert_int_equal(CALL(cmd_tree, ARG("--hide"), ARG("t"), ARG("-r"), ARG("show t/a/deep"), ARG("t")), 0);
	assert_non_null(strstr(output, "|-- a/\n|   |-- .env  hidden"));
	assert_non_null(strstr(output, "|   |   `-- .env\n"));
	assert_non_null(strstr(output, "`-- gone/  hidden (hide"));
	setenv("LC_ALL", "C.UTF-8", 1);
	assert_int_equal(TREE(ARG("t")), 0);
	assert_non_null(strstr(output, "\u251c\u2500\u2500 a/"));

	assert_int_equal(TREE(ARG("--json"), ARG("t")), 0);
	json_t *all = output_json(), *entry = json_array_get(all, 3), *marks = json_object_get(entry, "marks");
	assert_int_equal(json_array_size(all), 13);
	snprintf(expected, sizeof(expected), "%s/t/a/.env", directory);
	assert_string_equal(json_string_value(json_object_get(entry, "path")), expected);
	assert_string_equal(json_string_value(json_object_get(entry, "type")), "file");
	assert_string_equal(json_string_value(json_object_get(json_array_get(marks, 0), "is")), "hidden");
	assert_string_equal(json_string_value(json_object_get(json_array_get(marks, 0), "pattern")), "/**/.env");
	json_decref(all);

	assert_int_equal(TREE(ARG("t/a/x")), EXIT_SCRIM_FAILED);
	assert_int_equal(TREE(ARG("t/absent")), EXIT_SCRIM_FAILED);
	assert_int_equal(TREE(ARG("-L"), ARG("0"), ARG("t")), EXIT_SCRIM_FAILED);
	assert_int_equal(TREE(ARG("t"), ARG("t")), EXIT_SCRIM_FAILED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_check_keys),
		cmocka_unit_test(test_explain),
		cmocka_unit_test(test_last),
		cmocka_unit_test(test_tree),
	};
	return cmocka_run_group_tests(tests, enter_directory, leave_directory);
}
