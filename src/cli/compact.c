/* SPDX-License-Identifier: Apache-2.0 */
/* scrim compact, scrim cp: the space of encrypted files; copies of them. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "cli/store_command.h"

enum { OPT_RAW = OPT_STORE_END };

static const char compact_usage[] =
	"usage: scrim compact [OPTION]... PATH...\n\n"
	"Give the space that encrypted files do not use back to the file system.\n\n" TREE_OPTIONS_HELP STORE_OPTIONS_HELP;

static const char cp_usage[] =
	"usage: scrim cp --raw [OPTION]... SRC DST\n\n"
	"Copy an encrypted file as it is, also while it is in use: the copy is one of its versions, whole. No key is needed.\n\n"
	"  --raw            has to be said: the copy is encrypted too (scrim decrypt -o writes a plain one)\n"
	"  -f, --force      replace DST\n" STORE_OPTIONS_HELP;

static int compact(struct store_command *c, const struct files_place *place, unsigned depth, json_t *extra,
		   struct errmsg *msg)
{
	struct files_sizes sizes;
	char before[32], after[32];
	int r = files_compact(&c->files, place, &sizes, msg);

	if (r == -ENODATA && depth > 0)
		return FILES_SKIPPED;
	if (r != FILES_DONE)
		return r;
	json_object_set_new(extra, "on_disk_before", json_integer((json_int_t)sizes.before));
	json_object_set_new(extra, "on_disk_after", json_integer((json_int_t)sizes.after));
	format_bytes(sizes.before, before, sizeof(before));
	format_bytes(sizes.after, after, sizeof(after));
	if (!c->recursive)
		errmsg_set(msg, 0, "%s: takes %s, took %s", place->path, after, before);
	return r;
}

int cmd_compact(int argc, char **argv)
{
	struct store_command c = {.name = "compact", .usage = compact_usage};

	return store_command_on_files(&c, argc, argv, true, compact);
}

static bool cp_option(void *data, int opt, const char *argument)
{
	(void)argument;
	if (opt == OPT_RAW)
		*(bool *)data = true;
	return opt == OPT_RAW;
}

static int copy(struct store_command *c, const char *from, const char *to, json_t *extra, struct errmsg *msg)
{
	const char *slash = strrchr(from, '/');
	_cleanup_free_ char *within = NULL;
	_cleanup_close_ int dir = -EBADF;
	struct files_place out = {.path = to};
	struct files_sizes sizes;
	struct stat st;
	int fd, r;

	if (stat(to, &st) == 0 && S_ISDIR(st.st_mode)) {
		if (asprintf(&within, "%s/%s", to, slash ? slash + 1 : from) < 0)
			return within = NULL, -ENOMEM;
		out.path = within;
	}
	r = files_split(out.path, &dir, &out.name, msg);
	if (r < 0)
		return r;
	out.dir = dir;
	fd = store_open_input(from, msg);
	if (fd < 0)
		return fd;
	r = files_copy_raw(&c->files, fd, from, &out, &sizes, msg);
	if (r == FILES_DONE)
		store_add_sizes(extra, &sizes);
	return r;
}

int cmd_cp(int argc, char **argv)
{
	static const struct option long_options[] = {STORE_LONG_OPTIONS, FORCE_LONG_OPTION, {"raw", no_argument, NULL, OPT_RAW}, {0}};
	struct store_command c = {.name = "cp", .usage = cp_usage};
	struct errmsg msg = {0};
	bool raw = false;

	if (store_command_parse(&c, argc, argv, "hqf", long_options, cp_option, &raw))
		return c.status;
	if (!raw)
		return store_command_misused(&c, "--raw is needed: the copy will be encrypted as SRC is");
	if (optind + 2 != argc)
		return store_command_misused(&c, "one SRC and one DST are needed");
	if (store_command_start(&c))
		return c.status;
	json_t *extra = json_object();
	progress_one(&c.progress, argv[optind]);
	int r = copy(&c, argv[optind], argv[optind + 1], extra, &msg);

	store_report_result(&c, argv[optind], r, &msg, extra);
	return store_command_finish(&c);
}
