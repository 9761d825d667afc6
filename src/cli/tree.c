/* SPDX-License-Identifier: Apache-2.0 */
/* scrim tree: a directory as the view would have it. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/json_value.h"
#include "cli/policy_options.h"
#include "cli/marked_tree.h"

#define LEVELS_MAX 1024

static const char usage[] =
	"usage: scrim tree [OPTION]... [POLICY OPTIONS] [DIRECTORY]\n\n"
	"Show DIRECTORY, or the current one, as a view would have it: what is hidden, denied, masked, encrypted, may only\n"
	"grow or cannot be changed, and by which rule.\n"
	"  -m, --marked       only what a rule makes other than its directory, and the way to it\n"
	"  -L, --level N      go N levels down\n"
	"      --json         one object a name\n"
	"The policy options are those of scrim run (-p, -c, -r, --hide...).\n";

/* How a name differs from what it is outside. */
static const struct mark {
	const char *word, *colour;
} marks[] = {
	[0] = {"hidden", "\033[31m"}, {"denied", "\033[31m"}, {"masked", "\033[33m"},
	{"encrypted", "\033[35m"}, {"append only", "\033[32m"}, {"read only", "\033[34m"},
};

enum { MARK_HIDDEN, MARK_DENIED, MARK_MASKED, MARK_CRYPT, MARK_APPEND, MARK_READONLY, MARK_COUNT };

struct tree {
	const struct policy *policy;
	bool colour, unicode;
	json_t *list; /* NULL: as text */
	bool open[LEVELS_MAX]; /* at each depth: more names follow there */
	int32_t rule[LEVELS_MAX][3]; /* at each depth: the rules that were named */
	unsigned directories, files;
	unsigned counts[MARK_COUNT];
};

/* One part of a verdict that makes a name other than it is; -1: it does not. */
static int mark_of(const struct verdict *verdict, unsigned part)
{
	static const int content[] = {[CONTENT_PLAIN] = -1, [CONTENT_MASK] = MARK_MASKED, [CONTENT_CRYPT] = MARK_CRYPT};
	static const int writing[] = {[WRITE_FREE] = -1, [WRITE_APPEND] = MARK_APPEND, [WRITE_READONLY] = MARK_READONLY};
	bool gone = verdict->visibility == VIS_HIDE || verdict->visibility == VIS_DENY;

	if (part == 0)
		return verdict->visibility == VIS_HIDE ? MARK_HIDDEN : verdict->visibility == VIS_DENY ? MARK_DENIED : -1;
	if (gone)
		return -1;
	return part == 1 ? content[verdict->content] : writing[verdict->write];
}

static int32_t rule_of(const struct verdict *verdict, unsigned part)
{
	return part == 0 ? verdict->visibility_rule : part == 1 ? verdict->content_rule : verdict->write_rule;
}

static void print_mark(const struct tree *tree, int mark)
{
	printf("%s%s%s", tree->colour ? marks[mark].colour : "", marks[mark].word, tree->colour ? "\033[0m" : "");
}

static void print_verdict(struct tree *tree, const struct tree_entry *entry, unsigned depth)
{
	const char *between = "  ";

	for (unsigned part = 0; part < 3; part++) {
		int mark = mark_of(&entry->verdict, part);
		int32_t rule = rule_of(&entry->verdict, part), above = depth ? tree->rule[depth - 1][part] : RULE_NONE;

		tree->rule[depth][part] = mark < 0 ? RULE_NONE : rule;
		if (mark < 0)
			continue;
		fputs(between, stdout);
		between = ", ";
		print_mark(tree, mark);
		tree->counts[mark]++;
		/* What is so because its directory is need not be told again. */
		if (rule == RULE_NONE || rule == above)
			continue;
		const struct rule *decided = policy_rule(tree->policy, (uint32_t)rule);
		printf("%s (%s ", tree->colour ? "\033[2m" : "", decided->verb);
		print_safe(stdout, decided->pattern);
		printf("%s)%s", decided->create_private ? " create=private" : "", tree->colour ? "\033[0m" : "");
	}
}

static void print_target(const struct tree *tree, const struct tree_entry *entry)
{
	bool told = false;

	fputs(" -> ", stdout);
	print_safe(stdout, entry->target);
	for (unsigned part = 0; part < 3; part++) {
		int mark = mark_of(&entry->target_verdict, part);

		if (mark < 0)
			continue;
		fputs(told ? ", " : " [", stdout);
		print_mark(tree, mark);
		told = true;
	}
	if (told)
		putchar(']');
}

static int print_entry(void *data, const struct tree_entry *entry)
{
	static const char *const ascii[] = {"|   ", "    ", "|-- ", "`-- "};
	static const char *const unicode[] = {"\u2502   ", "    ", "\u251c\u2500\u2500 ", "\u2514\u2500\u2500 "};
	struct tree *tree = data;
	const char *const *lines = tree->unicode ? unicode : ascii;
	unsigned depth = entry->depth < LEVELS_MAX ? entry->depth : LEVELS_MAX - 1;

	for (unsigned i = 1; i < depth; i++)
		fputs(lines[tree->open[i] ? 0 : 1], stdout);
	if (depth)
		fputs(lines[entry->last ? 3 : 2], stdout);
	tree->open[depth] = !entry->last;
	print_safe(stdout, entry->name);
	if (S_ISDIR(entry->type) && strcmp(entry->name, "/") != 0)
		putchar('/');
	if (entry->target)
		print_target(tree, entry);
	print_verdict(tree, entry, depth);
	if (entry->error)
		printf("  (%s)", strerror(-entry->error));
	putchar('\n');
	if (depth)
		*(S_ISDIR(entry->type) ? &tree->directories : &tree->files) += 1;
	return ferror(stdout) ? -EIO : 0;
}

static const char *type_name(mode_t type)
{
	switch (type) {
	case S_IFDIR:
		return "directory";
	case S_IFREG:
		return "file";
	case S_IFLNK:
		return "symlink";
	case S_IFSOCK:
		return "socket";
	case S_IFIFO:
		return "fifo";
	case S_IFCHR:
	case S_IFBLK:
		return "device";
	default:
		return "unknown";
	}
}

static json_t *marks_json(const struct tree *tree, const struct verdict *verdict)
{
	json_t *list = json_array();

	for (unsigned part = 0; part < 3; part++) {
		int mark = mark_of(verdict, part);
		int32_t rule = rule_of(verdict, part);

		if (mark < 0)
			continue;
		json_t *told = json_pack("{s:s}", "is", marks[mark].word);
		if (rule != RULE_NONE) {
			const struct rule *decided = policy_rule(tree->policy, (uint32_t)rule);

			json_object_set_new(told, "verb", json_bytes(decided->verb));
			json_object_set_new(told, "pattern", json_bytes(decided->pattern));
			json_object_set_new(told, "origin", json_bytes(decided->origin));
			if (decided->line)
				json_object_set_new(told, "line", json_integer(decided->line));
		}
		json_array_append_new(list, told);
	}
	return list;
}

static int add_entry(void *data, const struct tree_entry *entry)
{
	struct tree *tree = data;
	json_t *object = json_object();

	json_object_set_new(object, "path", json_bytes(entry->path));
	json_object_set_new(object, "type", json_string(type_name(entry->type)));
	json_object_set_new(object, "marks", marks_json(tree, &entry->verdict));
	if (entry->target) {
		json_object_set_new(object, "target", json_bytes(entry->target));
		json_object_set_new(object, "target_marks", marks_json(tree, &entry->target_verdict));
	}
	if (entry->error)
		json_object_set_new(object, "error", json_string(strerror(-entry->error)));
	return json_array_append_new(tree->list, object) < 0 ? -ENOMEM : 0;
}

static void print_counts(const struct tree *tree)
{
	printf("\n%u director%s, %u file%s", tree->directories, tree->directories == 1 ? "y" : "ies", tree->files,
	       tree->files == 1 ? "" : "s");
	for (int i = 0; i < MARK_COUNT; i++)
		if (tree->counts[i])
			printf(", %u %s", tree->counts[i], marks[i].word);
	putchar('\n');
}

static void free_options(struct policy_options **options)
{
	policy_options_free(*options);
}

static void free_policy(struct policy **policy)
{
	policy_free(*policy);
}

static int show(struct tree_config *config, const char *start, bool json)
{
	_cleanup_free_ struct tree *tree = calloc(1, sizeof(*tree));
	struct errmsg msg = {0};

	if (!tree)
		return EXIT_SCRIM_FAILED;
	tree->policy = config->policy;
	tree->colour = cli_in_colour(STDOUT_FILENO);
	tree->unicode = cli_in_utf8();
	tree->list = json ? json_array() : NULL;
	config->entry = json ? add_entry : print_entry;
	config->data = tree;
	if (marked_tree_walk(config, start, &msg) < 0) {
		cli_error("%s", msg.text[0] ? msg.text : "cannot write");
		json_decref(tree->list);
		return EXIT_SCRIM_FAILED;
	}
	if (json)
		return json_print(tree->list) ? 0 : EXIT_SCRIM_FAILED;
	print_counts(tree);
	return fflush(stdout) == 0 && !ferror(stdout) ? 0 : EXIT_SCRIM_FAILED;
}

int cmd_tree(int argc, char **argv)
{
	static const struct option long_options[] = {POLICY_LONG_OPTIONS,
						     {"marked", no_argument, NULL, 'm'},
						     {"level", required_argument, NULL, 'L'},
						     {"json", no_argument, NULL, 'j'},
						     {"help", no_argument, NULL, 'h'},
						     {0}};
	_cleanup_(free_options) struct policy_options *options = NULL;
	_cleanup_(free_policy) struct policy *policy = NULL;
	struct tree_config config = {0};
	struct errmsg msg = {0};
	bool json = false;
	int opt;

	if (policy_options_new(&options) < 0)
		return EXIT_SCRIM_FAILED;
	optind = 1;
	while ((opt = getopt_long(argc, argv, POLICY_SHORT_OPTIONS "mL:h", long_options, NULL)) >= 0) {
		char *end = NULL;

		switch (opt) {
		case 'm':
			config.marked_only = true;
			break;
		case 'L':
			config.depth_max = (unsigned)strtoul(optarg, &end, 10);
			if (optarg[0] < '1' || optarg[0] > '9' || *end) {
				cli_error("--level: '%s' is not a number above 0", optarg);
				return EXIT_SCRIM_FAILED;
			}
			break;
		case 'j':
			json = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			if (!policy_options_take(options, opt, optarg)) {
				fputs(usage, stderr);
				return EXIT_SCRIM_FAILED;
			}
		}
	}
	if (optind + 1 < argc) {
		cli_error("one directory at a time");
		return EXIT_SCRIM_FAILED;
	}
	if (policy_options_load(options, &policy, &msg) < 0) {
		cli_error("%s", msg.text);
		return EXIT_SCRIM_FAILED;
	}
	for (uint32_t i = 0; policy_warning(policy, i); i++)
		cli_warn("%s", policy_warning(policy, i));
	config.policy = policy;
	return show(&config, optind < argc ? argv[optind] : ".", json);
}
