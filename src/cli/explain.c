/* SPDX-License-Identifier: Apache-2.0 */
/* scrim explain: which rules decide about a path. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "cli/cli.h"
#include "cli/explain_last.h"
#include "cli/json_value.h"
#include "cli/policy_options.h"
#include "vfs/policy/internal.h"
#include "vfs/policy/resolve.h"

#define REFUSALS_SHOWN 20

static const char usage[] =
	"usage: scrim explain [--json] [POLICY OPTIONS] PATH...\n"
	"       scrim explain --last[=FILE] [-n N] [--json]\n\n"
	"For each part of the verdict on PATH: the rule that decided, where it stands, and which others matched.\n"
	"      --last[=FILE]  what the last run that was refused anything was refused\n"
	"  -n N               the latest N of these\n"
	"      --json         say it as JSON\n";

static const char *const part_names[] = {"visibility", "content", "write"};
static const char *const value_names[][4] = {
	{[VIS_SHOW] = "show", [VIS_HIDE] = "hide", [VIS_DENY] = "deny", [VIS_WAY] = "way"},
	{[CONTENT_PLAIN] = "plain", [CONTENT_MASK] = "mask", [CONTENT_CRYPT] = "crypt"},
	{[WRITE_FREE] = "free", [WRITE_APPEND] = "append", [WRITE_READONLY] = "readonly"},
};

/* The rules that cover a path, by part. */
struct matches {
	const struct rule **rule;
	size_t count;
};

static void cleanup_matches(struct matches *m)
{
	free(m->rule);
}

static void free_options(struct policy_options **options)
{
	policy_options_free(*options);
}

static void free_policy(struct policy **policy)
{
	policy_free(*policy);
}

static void free_resolver(struct resolver **resolver)
{
	resolver_free(*resolver);
}

static void note_match(const struct rule *rule, void *userdata)
{
	struct matches *m = userdata;
	const struct rule *last = m->count ? m->rule[m->count - 1] : NULL;

	/* One line of a policy can be several rules: braces, and a symlink with its target. */
	if (last && last->origin == rule->origin && last->line == rule->line && last->pattern == rule->pattern)
		m->count--;
	m->rule[m->count++] = rule;
}

static enum part part_of(const struct rule *rule)
{
	return verb_of(rule)->part;
}

static const char *place_of(const struct rule *rule, char *out, size_t size)
{
	return rule_place(rule->origin, rule->line, out, size);
}

static json_t *rule_json(const struct rule *rule)
{
	json_t *object = json_object();

	json_object_set_new(object, "verb", json_bytes(rule->verb));
	json_object_set_new(object, "pattern", json_bytes(rule->pattern));
	if (rule->crypt_key)
		json_object_set_new(object, "key", json_bytes(rule->crypt_key));
	if (rule->create_private)
		json_object_set_new(object, "create", json_string("private"));
	json_object_set_new(object, "origin", json_bytes(rule->origin));
	if (rule->line)
		json_object_set_new(object, "line", json_integer(rule->line));
	return object;
}

static void print_rule(const struct rule *rule)
{
	char place[PATTERN_MAX];

	printf("%s ", rule->verb);
	print_safe(stdout, rule->pattern);
	if (rule->crypt_key) {
		printf(" key=");
		print_safe(stdout, rule->crypt_key);
	}
	if (rule->create_private)
		printf(" create=private");
	printf(rule->files_only ? " files=only (" : " (");
	print_safe(stdout, place_of(rule, place, sizeof(place)));
	printf(")");
}

struct explanation {
	const struct policy *policy;
	const struct matches *matches;
	unsigned value[PART_COUNT];
	int32_t winner[PART_COUNT];
};

static json_t *parts_json(const struct explanation *e)
{
	json_t *parts = json_object();

	for (unsigned p = 0; p < PART_COUNT; p++) {
		json_t *part = json_object(), *others = json_array();
		const struct rule *winner = e->winner[p] == RULE_NONE ? NULL
								      : policy_rule(e->policy, (uint32_t)e->winner[p]);
		json_object_set_new(part, "value", json_string(value_names[p][e->value[p]]));
		json_object_set_new(part, "rule", winner ? rule_json(winner) : json_null());
		for (size_t i = 0; i < e->matches->count; i++)
			if (e->matches->rule[i] != winner && part_of(e->matches->rule[i]) == p)
				json_array_append_new(others, rule_json(e->matches->rule[i]));
		json_object_set_new(part, "also_matched", others);
		json_object_set_new(parts, part_names[p], part);
	}
	return parts;
}

static void print_parts(const struct explanation *e)
{
	for (unsigned p = 0; p < PART_COUNT; p++) {
		const struct rule *winner = e->winner[p] == RULE_NONE ? NULL
								      : policy_rule(e->policy, (uint32_t)e->winner[p]);
		printf("  %-10s  %-8s  ", part_names[p], value_names[p][e->value[p]]);
		if (winner)
			print_rule(winner);
		else
			printf("no rule");
		if (p == PART_VISIBILITY && e->value[p] == VIS_WAY)
			printf("; a way to something shown: it can be walked, and lists only that");
		putchar('\n');
		for (size_t i = e->matches->count; i-- > 0;) {
			const struct rule *rule = e->matches->rule[i];
			if (rule == winner || part_of(rule) != p)
				continue;
			printf("  %-10s  %-8s  overruled: ", "", "");
			print_rule(rule);
			putchar('\n');
		}
	}
}

/* Explain one canonical path; into RESULTS, or on standard output. */
static int explain(const struct policy *policy, const char *path, const char *note, json_t *results)
{
	_cleanup_(cleanup_matches) struct matches matches = {0};
	struct verdict verdict;

	matches.rule = calloc(policy_rule_count(policy) + 1, sizeof(*matches.rule));
	if (!matches.rule)
		return -ENOMEM;
	policy_explain(policy, path, strlen(path), note_match, &matches);
	policy_verdict(policy, path, strlen(path), &verdict);
	const struct explanation e = {
		.policy = policy,
		.matches = &matches,
		.value = {verdict.visibility, verdict.content, verdict.write},
		.winner = {verdict.visibility_rule, verdict.content_rule, verdict.write_rule},
	};
	if (results) {
		json_t *result = parts_json(&e);
		json_object_set_new(result, "path", json_bytes(path));
		json_array_append_new(results, result);
		return 0;
	}
	print_safe(stdout, path);
	printf("%s\n", note);
	print_parts(&e);
	return 0;
}

/* PATH as somebody would use it: its name, and what that leads to if it is a symlink. */
static int explain_argument(const struct policy *policy, struct resolver *resolver, const char *path, json_t *results)
{
	_cleanup_free_ char *cwd = path[0] == '/' ? NULL : getcwd(NULL, 0);
	_cleanup_free_ char *absolute = NULL;
	struct resolved resolved;

	if (path[0] == '\0' || (path[0] != '/' && !cwd))
		return -ENOENT;
	if (asprintf(&absolute, "%s/%s", cwd ? cwd : "", path) < 0)
		return -ENOMEM;
	int r = resolver_resolve(resolver, absolute, strlen(absolute), &resolved);
	if (r < 0)
		return r;
	bool link = resolved.name != resolved.target;
	r = explain(policy, resolved.name, link ? " (a symlink)" : "", results);
	return r < 0 || !link ? r : explain(policy, resolved.target, " (what it leads to)", results);
}

static int explain_paths(const struct policy_options *options, char **paths, bool json)
{
	_cleanup_(free_policy) struct policy *policy = NULL;
	_cleanup_(free_resolver) struct resolver *resolver = NULL;
	struct errmsg msg = {0};
	const char *warning;

	if (policy_options_load(options, &policy, &msg) < 0) {
		cli_error("%s", msg.text);
		return EXIT_SCRIM_FAILED;
	}
	for (uint32_t i = 0; (warning = policy_warning(policy, i)); i++)
		cli_warn("%s", warning);
	if (resolver_new(&resolver) < 0)
		return EXIT_SCRIM_FAILED;

	json_t *results = json ? json_array() : NULL;
	for (; *paths; paths++) {
		int r = explain_argument(policy, resolver, *paths, results);
		if (r < 0) {
			cli_error("%s: %s", *paths, strerror(-r));
			json_decref(results);
			return EXIT_SCRIM_FAILED;
		}
	}
	if (json)
		return json_print(results) ? 0 : EXIT_SCRIM_FAILED;
	return fflush(stdout) == 0 ? 0 : EXIT_SCRIM_FAILED;
}

static bool read_number(const char *text, size_t *ret)
{
	char *end;
	errno = 0;
	unsigned long value = strtoul(text, &end, 10);
	if (errno || end == text || *end || text[0] == '-')
		return false;
	*ret = value;
	return true;
}

static int wrong_usage(void)
{
	fputs(usage, stderr);
	return EXIT_SCRIM_FAILED;
}

int cmd_explain(int argc, char **argv)
{
	static const struct option long_options[] = {POLICY_LONG_OPTIONS,
						     {"json", no_argument, NULL, 'j'},
						     {"last", optional_argument, NULL, 'l'},
						     {"help", no_argument, NULL, 'h'},
						     {0}};
	_cleanup_(free_options) struct policy_options *options = NULL;
	bool json = false, last = false;
	const char *log = NULL;
	size_t limit = REFUSALS_SHOWN;
	int opt;

	if (policy_options_new(&options) < 0)
		return EXIT_SCRIM_FAILED;
	optind = 1;
	while ((opt = getopt_long(argc, argv, POLICY_SHORT_OPTIONS "n:h", long_options, NULL)) >= 0) {
		switch (opt) {
		case 'j':
			json = true;
			break;
		case 'l':
			last = true;
			log = optarg;
			break;
		case 'n':
			if (!read_number(optarg, &limit))
				return wrong_usage();
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			if (!policy_options_take(options, opt, optarg))
				return wrong_usage();
		}
	}
	if (last)
		return optind == argc && !policy_options_any(options) ? explain_last(log, limit, json) : wrong_usage();
	if (optind == argc)
		return wrong_usage();
	return explain_paths(options, argv + optind, json);
}
