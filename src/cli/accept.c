/* SPDX-License-Identifier: Apache-2.0 */
/* scrim accept: files that were restored are expected as they are from now on. */
#include <errno.h>

#include "cli/store_command.h"

static const char usage[] =
	"usage: scrim accept [OPTION]... PATH...\n\n"
	"Where scrim writes an encrypted file it remembers which version it wrote, and says so when it finds an older one. If you\n"
	"have put it back yourself, from a backup say, this takes it as it is.\n\n" TREE_OPTIONS_HELP STORE_OPTIONS_HELP;

static int accept_file(struct store_command *c, const struct files_place *place, unsigned depth, json_t *extra, struct errmsg *msg)
{
	int r = files_accept(&c->files, place, msg);

	(void)extra;
	return r == -ENODATA && depth > 0 ? FILES_SKIPPED : r;
}

int cmd_accept(int argc, char **argv)
{
	struct store_command c = {.name = "accept", .usage = usage};

	return store_command_on_files(&c, argc, argv, true, accept_file);
}
