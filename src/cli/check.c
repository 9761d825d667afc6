/* SPDX-License-Identifier: Apache-2.0 */
/* scrim check: read policies as `scrim run` would and say what is wrong. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/json_value.h"
#include "cli/key_options.h"
#include "cli/policy_options.h"
#include "vfs/policy/internal.h"

#define EXIT_POLICY_WRONG 1

static const char usage[] =
	"usage: scrim check [--json] [POLICY OPTIONS] [FILE...]\n\n"
	"Read and compile each FILE, and what the policy options (-p, -c, -r, --hide...) say as one policy more.\n"
	"      --json         say it as JSON\n"
	"Exit status: 0 all are good (warnings or not), 1 some are not, 125 wrong usage.\n";

static void free_options(struct policy_options **options)
{
	policy_options_free(*options);
}

/* Do it for each thing that is not as it should be. */
typedef void take_warning(void *data, const char *warning);

/* A crypt rule whose key is not there: `scrim run` would stop, unless it is given one. */
static void check_key(const struct policy *policy, uint32_t at, take_warning *take, void *data)
{
	const struct rule *rule = policy_rule(policy, at);
	char place[512], text[4096];
	struct errmsg why = {0};

	if (!rule->crypt_key || strcmp(rule->crypt_key, KEY_EPHEMERAL) == 0)
		return;
	int error = key_look(rule->crypt_key, &why);
	if (error == 0)
		return;
	snprintf(text, sizeof(text), "%s: crypt %s key=%s: %s%s", rule_place(rule->origin, rule->line, place, sizeof(place)),
		 rule->pattern, rule->crypt_key, why.text[0] ? why.text : strerror(-error),
		 error == -ENOKEY ? "; scrim run wants it, or --key-file" : "");
	take(data, text);
}

static void each_warning(const struct policy *policy, take_warning *take, void *data)
{
	const char *warning;

	for (uint32_t i = 0; (warning = policy_warning(policy, i)); i++)
		take(data, warning);
	for (uint32_t i = 0; i < policy_rule_count(policy); i++)
		check_key(policy, i, take, data);
}

static void take_json(void *data, const char *warning)
{
	json_array_append_new(data, json_bytes(warning));
}

static void take_line(void *data, const char *warning)
{
	(void)data;
	cli_warn("%s", warning);
}

static json_t *describe(const char *name, const struct policy *policy, const struct errmsg *msg)
{
	json_t *result = json_object(), *warnings = json_array();

	json_object_set_new(result, "name", json_bytes(name));
	json_object_set_new(result, "ok", json_boolean(policy));
	if (!policy) {
		json_decref(warnings);
		json_object_set_new(result, "error", json_bytes(msg->text));
		return result;
	}
	each_warning(policy, take_json, warnings);
	json_object_set_new(result, "rules", json_integer(policy_rule_count(policy)));
	json_object_set_new(result, "env_rules", json_integer(policy_env_count(policy)));
	json_object_set_new(result, "warnings", warnings);
	return result;
}

static void print(const char *name, const struct policy *policy, const struct errmsg *msg)
{
	if (!policy) {
		cli_error("%s", msg->text);
		return;
	}
	each_warning(policy, take_line, NULL);
	uint32_t rules = policy_rule_count(policy), env = policy_env_count(policy);
	print_safe(stdout, name);
	printf(": %u rule%s", rules, rules == 1 ? "" : "s");
	if (env)
		printf(", %u for the environment", env);
	puts(", good");
}

/* Load one policy and say so. Returns whether it is good. */
static bool check(const char *name, const struct policy_options *options, json_t *results)
{
	struct policy *policy = NULL;
	struct errmsg msg = {0};

	policy_options_load(options, &policy, &msg);
	if (results)
		json_array_append_new(results, describe(name, policy, &msg));
	else
		print(name, policy, &msg);
	bool good = policy != NULL;
	policy_free(policy);
	return good;
}

static bool check_file(const char *path, json_t *results)
{
	_cleanup_(free_options) struct policy_options *options = NULL;

	if (policy_options_new(&options) < 0)
		return false;
	policy_options_take(options, OPT_CONFIG, path);
	return check(path, options, results);
}

int cmd_check(int argc, char **argv)
{
	static const struct option long_options[] = {
		POLICY_LONG_OPTIONS, {"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {0}};
	_cleanup_(free_options) struct policy_options *options = NULL;
	bool json = false, good = true;
	int opt;

	if (policy_options_new(&options) < 0)
		return EXIT_SCRIM_FAILED;
	optind = 1;
	while ((opt = getopt_long(argc, argv, POLICY_SHORT_OPTIONS "h", long_options, NULL)) >= 0) {
		if (opt == 'j') {
			json = true;
		} else if (opt == 'h') {
			fputs(usage, stdout);
			return 0;
		} else if (!policy_options_take(options, opt, optarg)) {
			fputs(usage, stderr);
			return EXIT_SCRIM_FAILED;
		}
	}
	if (optind == argc && !policy_options_any(options)) {
		fputs(usage, stderr);
		return EXIT_SCRIM_FAILED;
	}

	json_t *results = json ? json_array() : NULL;
	for (int i = optind; i < argc; i++)
		good &= check_file(argv[i], results);
	if (policy_options_any(options))
		good &= check("policy options", options, results);
	if (json && !json_print(json_pack("{s:b, s:o}", "ok", good, "policies", results)))
		return EXIT_SCRIM_FAILED;
	return good ? 0 : EXIT_POLICY_WRONG;
}
