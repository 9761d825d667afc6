/* SPDX-License-Identifier: Apache-2.0 */
/* scrim cat: the plaintext of files on standard output. */
#include <unistd.h>

#include "cli/store_command.h"

static const char usage[] = "usage: scrim cat [OPTION]... FILE...\n\n"
			    "Write the plaintext of encrypted files to standard output; \"-\" is standard input.\n\n"
			    "  -f, --force      also binary data to a terminal\n" STORE_OPTIONS_HELP;

static void cat(struct store_command *c, const char *path)
{
	struct errmsg msg = {0};
	struct output o = {.fd = STDOUT_FILENO, .terminal = isatty(STDOUT_FILENO), .force = c->files.force, .msg = &msg};
	int fd = store_open_input(path, &msg);
	int r = fd < 0 ? fd : files_convert_into(&c->files, FILES_DECRYPT, fd, path, output_write, &o, &msg);

	store_report_result(c, path, r, &msg, NULL);
}

int cmd_cat(int argc, char **argv)
{
	static const struct option long_options[] = {STORE_LONG_OPTIONS, FORCE_LONG_OPTION, {0}};
	struct store_command c = {.name = "cat", .usage = usage};

	if (store_command_parse(&c, argc, argv, "hqf", long_options, NULL, NULL))
		return c.status;
	if (optind == argc)
		return store_command_misused(&c, "no file was given");
	if (c.json)
		return store_command_misused(&c, "--json has no place beside the content");
	if (store_command_start(&c))
		return c.status;
	if (isatty(STDOUT_FILENO))
		progress_off(&c.progress);
	for (int i = optind; i < argc; i++) {
		progress_one(&c.progress, argv[i]);
		cat(&c, argv[i]);
	}
	return store_command_finish(&c);
}
