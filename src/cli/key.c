/* SPDX-License-Identifier: Apache-2.0 */
/* scrim key: the table of its subcommands and of the options that each takes. */
#include <errno.h>
#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/cli.h"
#include "cli/key_command.h"
#include "cli/protect.h"
#include "crypt/keys/key_dir.h"

static const char usage[] =
	"usage: scrim key new NAME [--passphrase|--raw] [--no-recovery]\n"
	"       scrim key new NAME --kernel[=KEY]\n"
	"       scrim key import NAME (--recovery [--echo] | FILE) [--passphrase|--raw|--kernel[=KEY]] [--id ID]\n"
	"       scrim key list [--json]\n"
	"       scrim key show NAME [--json]\n"
	"       scrim key passwd NAME [--add [--raw|--kernel[=KEY]] | --remove[=SLOT] | --recovery [--echo]]\n"
	"       scrim key export NAME [--output FILE | --force]\n"
	"       scrim key recovery NAME\n"
	"       scrim key rm NAME [--force]\n\n"
	"Keys for encrypted files. The recovery key that `new` prints is the key itself: keep it on paper.\n\n"
	"  --passphrase       the key file is opened by a passphrase (the default)\n"
	"  --raw              the key stands in its file as it is\n"
	"  --kernel[=KEY]     new: the kernel keeps the key, as user:NAME or logon:NAME; of a key that there is: one there opens it\n"
	"  --cost MEMORY[,N]  what a guess at the passphrase costs: as 256M, and N passes over it (measured by default)\n"
	"  --no-recovery      print no recovery key\n"
	"  --recovery         read the recovery key, from the terminal or standard input; --echo: show what is typed\n"
	"  --id ID            the public id that the imported key must have\n"
	"  --add, --remove    add a passphrase (or a slot of another kind); remove one, or slot number SLOT\n"
	"  --output FILE      write the key there, not to standard output\n"
	"  --force            without asking; even to a terminal\n"
	"  --json             as JSON\n"
	"  --passfile FILE    the passphrase is the first line of FILE; --new-passfile FILE: the new one\n"
	"  --askpass CMD      ... the first line that the shell command CMD prints; $SCRIM_PROMPT says what is asked\n"
	"Exit status: 0 done, 1 failed, 2 wrong usage, 12 wrong passphrase or key, 26 a damaged key file.\n";

enum option_value {
	OPT_HELP = 'h',
	OPT_RECOVERY = 0x1200,
	OPT_PASSPHRASE,
	OPT_RAW,
	OPT_KERNEL,
	OPT_COST,
	OPT_NO_RECOVERY,
	OPT_ECHO,
	OPT_ID,
	OPT_ADD,
	OPT_REMOVE,
	OPT_OUTPUT,
	OPT_FORCE,
	OPT_JSON,
	OPT_NEW_PASSFILE,
};

static const struct option long_options[] = {
	{"passphrase", no_argument, NULL, OPT_PASSPHRASE},
	{"raw", no_argument, NULL, OPT_RAW},
	{"kernel", optional_argument, NULL, OPT_KERNEL},
	{"cost", required_argument, NULL, OPT_COST},
	{"no-recovery", no_argument, NULL, OPT_NO_RECOVERY},
	{"recovery", no_argument, NULL, OPT_RECOVERY},
	{"echo", no_argument, NULL, OPT_ECHO},
	{"id", required_argument, NULL, OPT_ID},
	{"add", no_argument, NULL, OPT_ADD},
	{"remove", optional_argument, NULL, OPT_REMOVE},
	{"output", required_argument, NULL, OPT_OUTPUT},
	{"force", no_argument, NULL, OPT_FORCE},
	{"json", no_argument, NULL, OPT_JSON},
	{"passfile", required_argument, NULL, OPT_PASSFILE},
	{"new-passfile", required_argument, NULL, OPT_NEW_PASSFILE},
	{"askpass", required_argument, NULL, OPT_ASKPASS},
	{"help", no_argument, NULL, OPT_HELP},
	{0},
};

#define KIND_OPTIONS OPT_PASSPHRASE, OPT_RAW, OPT_KERNEL, OPT_COST
#define ASK_OPTIONS  OPT_PASSFILE, OPT_ASKPASS

/* Words: a name, and at most `words` in all; and the options that mean something there. */
static const struct subcommand {
	const char *name;
	int (*function)(const struct key_arguments *arguments);
	int least, most;
	int options[12];
} subcommands[] = {
	{"new", key_new, 1, 1, {KIND_OPTIONS, OPT_NO_RECOVERY, ASK_OPTIONS}},
	{"import", key_import, 1, 2, {KIND_OPTIONS, OPT_RECOVERY, OPT_ECHO, OPT_ID, ASK_OPTIONS, OPT_NEW_PASSFILE}},
	{"list", key_list, 0, 0, {OPT_JSON}},
	{"show", key_show, 1, 1, {OPT_JSON}},
	{"passwd", key_passwd, 1, 1, {OPT_ADD, OPT_REMOVE, OPT_RECOVERY, OPT_ECHO, KIND_OPTIONS, ASK_OPTIONS, OPT_NEW_PASSFILE}},
	{"export", key_export, 1, 1, {OPT_OUTPUT, OPT_FORCE, ASK_OPTIONS}},
	{"recovery", key_recovery, 1, 1, {ASK_OPTIONS}},
	{"rm", key_rm, 1, 1, {OPT_FORCE}},
};

static bool takes(const struct subcommand *sub, int option)
{
	for (size_t i = 0; i < ARRAY_LEN(sub->options); i++)
		if (sub->options[i] == option)
			return true;
	return false;
}

/* "64M", "8K", "1G", "65536" (KiB), and perhaps ",PASSES". */
static bool parse_cost(const char *text, struct key_cost *ret_cost)
{
	struct key_cost cost = {.passes = 3};
	unsigned long long memory, passes;
	char *end;

	if (text[0] < '0' || text[0] > '9')
		return false;
	memory = strtoull(text, &end, 10);
	unsigned shift = *end == 'M' ? 10 : *end == 'G' ? 20 : 0;
	end += *end == 'K' || *end == 'M' || *end == 'G';
	if (memory > UINT32_MAX >> shift)
		return false;
	cost.memory = (uint32_t)(memory << shift);
	if (*end == ',') {
		if (end[1] < '0' || end[1] > '9')
			return false;
		passes = strtoull(end + 1, &end, 10);
		if (passes > UINT32_MAX)
			return false;
		cost.passes = (uint32_t)passes;
	}
	if (*end)
		return false;
	*ret_cost = cost;
	return true;
}

static int set_kind(struct key_arguments *arguments, enum slot_kind kind)
{
	if (arguments->kind_given && arguments->kind != kind) {
		cli_error("one of --passphrase, --raw and --kernel");
		return -EINVAL;
	}
	arguments->kind_given = true;
	arguments->kind = kind;
	return 0;
}

static int take_cost(struct key_arguments *arguments, const char *text)
{
	struct errmsg msg = {0};

	if (!parse_cost(text, &arguments->cost)) {
		cli_error("--cost wants MEMORY or MEMORY,PASSES, as 256M,3, not '%s'", text);
		return -EINVAL;
	}
	arguments->cost_given = true;
	int r = key_cost_check(&arguments->cost, &msg);
	if (r < 0)
		cli_error("--cost: %s", msg.text);
	return r;
}

static int take_option(struct key_arguments *arguments, int option, const char *argument)
{
	switch (option) {
	case OPT_PASSPHRASE:
		return set_kind(arguments, SLOT_PASSPHRASE);
	case OPT_RAW:
		return set_kind(arguments, SLOT_RAW);
	case OPT_KERNEL:
		arguments->kernel = argument;
		return set_kind(arguments, SLOT_KERNEL);
	case OPT_COST:
		return take_cost(arguments, argument);
	case OPT_NO_RECOVERY:
		arguments->no_recovery = true;
		return 0;
	case OPT_RECOVERY:
		arguments->recovery = true;
		return 0;
	case OPT_ECHO:
		arguments->echo = true;
		return 0;
	case OPT_ID:
		arguments->id = argument;
		return 0;
	case OPT_ADD:
		arguments->add = true;
		return 0;
	case OPT_REMOVE:
		arguments->remove = true;
		arguments->remove_slot = argument;
		return 0;
	case OPT_OUTPUT:
		arguments->output = argument;
		return 0;
	case OPT_FORCE:
		arguments->force = true;
		return 0;
	case OPT_JSON:
		arguments->json = true;
		return 0;
	case OPT_NEW_PASSFILE:
		arguments->new_passfile = argument;
		return 0;
	default:
		return key_options_take(&arguments->options, option, argument) ? 0 : -EINVAL;
	}
}

static const char *option_name(int option)
{
	for (size_t i = 0; long_options[i].name; i++)
		if (long_options[i].val == option)
			return long_options[i].name;
	return "?";
}

static int wrong_usage(void)
{
	cli_error("wrong usage: scrim key --help");
	return EXIT_USAGE;
}

static int run(const struct subcommand *sub, int argc, char **argv)
{
	struct key_arguments arguments = {.kind = SLOT_PASSPHRASE};
	struct errmsg msg = {0};
	int option;

	optind = 1;
	opterr = 0;
	while ((option = getopt_long(argc, argv, ":h", long_options, NULL)) >= 0) {
		if (option == OPT_HELP) {
			fputs(usage, stdout);
			return 0;
		}
		if (option == '?' || option == ':') {
			cli_error("%s %s (scrim key --help)", argv[optind - 1],
				  option == ':' ? "wants an argument" : "is no option, or not in this form");
			return EXIT_USAGE;
		}
		if (!takes(sub, option)) {
			cli_error("scrim key %s takes no --%s", sub->name, option_name(option));
			return EXIT_USAGE;
		}
		if (take_option(&arguments, option, optarg) < 0)
			return EXIT_USAGE;
	}
	if (argc - optind < sub->least || argc - optind > sub->most)
		return wrong_usage();
	arguments.name = optind < argc ? argv[optind] : NULL;
	arguments.file = optind + 1 < argc ? argv[optind + 1] : NULL;
	if (arguments.name && key_name_check(arguments.name, &msg) < 0) {
		cli_error("%s", msg.text);
		return EXIT_USAGE;
	}
	int r = protect_secrets();
	if (r < 0) {
		cli_error("a key would not be safe in this process: %s", strerror(-r));
		return EXIT_FAILED;
	}
	return sub->function(&arguments);
}

int cmd_key(int argc, char **argv)
{
	if (argc < 2)
		return wrong_usage();
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		fputs(usage, stdout);
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(subcommands); i++)
		if (strcmp(argv[1], subcommands[i].name) == 0)
			return run(&subcommands[i], argc - 1, argv + 1);
	cli_error("no such subcommand: key %s (scrim key --help lists them)", argv[1]);
	return EXIT_USAGE;
}
