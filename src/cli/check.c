/* SPDX-License-Identifier: Apache-2.0 */
/* scrim check: read policies as `scrim run` would and say what is wrong. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/json_value.h"
#include "cli/policy_options.h"

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

static json_t *warnings_of(const struct policy *policy)
{
	json_t *list = json_array();
	const char *warning;

	for (uint32_t i = 0; (warning = policy_warning(policy, i)); i++)
		json_array_append_new(list, json_bytes(warning));
	return list;
}

static json_t *describe(const char *name, const struct policy *policy, const struct errmsg *msg)
{
	json_t *result = json_object();

	json_object_set_new(result, "name", json_bytes(name));
	json_object_set_new(result, "ok", json_boolean(policy));
	if (!policy) {
		json_object_set_new(result, "error", json_bytes(msg->text));
		return result;
	}
	json_object_set_new(result, "rules", json_integer(policy_rule_count(policy)));
	json_object_set_new(result, "env_rules", json_integer(policy_env_count(policy)));
	json_object_set_new(result, "warnings", warnings_of(policy));
	return result;
}

static void print(const char *name, const struct policy *policy, const struct errmsg *msg)
{
	const char *warning;

	if (!policy) {
		cli_error("%s", msg->text);
		return;
	}
	for (uint32_t i = 0; (warning = policy_warning(policy, i)); i++)
		cli_warn("%s", warning);
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
