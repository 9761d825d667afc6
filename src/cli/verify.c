/* SPDX-License-Identifier: Apache-2.0 */
/* scrim verify, scrim salvage */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "cli/json_value.h"
#include "cli/store_command.h"

static const char verify_usage[] =
	"usage: scrim verify [OPTION]... PATH...\n\n"
	"Read encrypted files to their ends and say what of them does not authenticate: file, offset, extent.\n\n" TREE_OPTIONS_HELP
		STORE_OPTIONS_HELP;

static const char salvage_usage[] =
	"usage: scrim salvage [OPTION]... FILE -o OUT\n\n"
	"Write what of a damaged encrypted file authenticates to the plain file OUT. What cannot be had is a hole, and is listed.\n\n"
	"  -o, --output OUT where to\n"
	"  -f, --force      replace OUT\n" STORE_OPTIONS_HELP;

struct damage_list {
	struct store_command *c;
	const char *path;
	json_t *json; /* or NULL: say it */
};

static void found(void *data, const struct files_damage *d)
{
	struct damage_list *l = data;
	char text[ERRMSG_MAX];

	if (l->json) {
		json_array_append_new(l->json, json_pack("{s:s, s:I, s:I, s:I}", "what", d->what, "offset",
							 (json_int_t)d->offset,
							 "length", (json_int_t)d->len, "place", (json_int_t)d->place));
		return;
	}
	if (d->len == 0)
		snprintf(text, sizeof(text), "%s: damaged: the spare %s (at byte %" PRIu64 " of the file); %s (scrim compact "
			 "makes both anew)", l->path, d->what, d->place,
			 d->uncertain ? "a power loss may have torn it; the version in the other one stands" :
					"nothing of the content is lost");
	else if (strcmp(d->what, "hole") == 0)
		snprintf(text, sizeof(text), "%s: a hole: %" PRIu64 " bytes at offset %" PRIu64, l->path, d->len,
			 d->offset);
	else
		snprintf(text, sizeof(text), "%s: damaged: %" PRIu64 " bytes at offset %" PRIu64 " (a %s, at byte %" PRIu64
			 " of the file)", l->path, d->len, d->offset, d->what, d->place);
	store_say_always(l->c, text);
}

/* No encrypted file: in a tree that is no failure. */
static bool is_plain(int fd)
{
	struct files_head head;

	return files_look(fd, &head) == 0 && (head.kind == FILES_PLAIN || head.kind == FILES_EMPTY);
}

static int verify(struct store_command *c, const struct files_place *place, unsigned depth, json_t *extra,
		  struct errmsg *msg)
{
	struct damage_list list = {.c = c, .path = place->path, .json = c->json ? json_array() : NULL};
	int fd, r = files_open(place, O_RDONLY, &fd, NULL, msg);
	int64_t n;

	if (list.json)
		json_object_set_new(extra, "damage", list.json);
	if (r < 0)
		return r;
	if (depth > 0 && is_plain(fd)) {
		close(fd);
		return FILES_SKIPPED;
	}
	n = files_verify(&c->files, fd, place->path, found, &list, msg);
	if (n < 0)
		return (int)n;
	if (n > 0)
		return errmsg_set(msg, -EBADMSG, "%s: damaged in %" PRId64 " place%s", place->path, n,
				  n == 1 ? "" : "s");
	if (!c->recursive)
		errmsg_set(msg, 0, "%s: whole", place->path);
	return FILES_DONE;
}

int cmd_verify(int argc, char **argv)
{
	struct store_command c = {.name = "verify", .usage = verify_usage};

	return store_command_on_files(&c, argc, argv, true, verify);
}

struct salvaging {
	struct store_command c;
	const char *out;
};

static bool salvage_option(void *data, int opt, const char *argument)
{
	struct salvaging *s = data;

	if (opt == 'o')
		s->out = argument;
	return opt == 'o';
}

static int salvage(struct salvaging *s, const char *path, json_t *extra, struct errmsg *msg)
{
	struct damage_list list = {.c = &s->c, .path = path, .json = s->c.json ? json_array() : NULL};
	_cleanup_close_ int dir = -EBADF;
	struct files_place out = {.path = s->out};
	struct files_saved saved;
	int fd, r;

	if (list.json)
		json_object_set_new(extra, "damage", list.json);
	r = files_split(s->out, &dir, &out.name, msg);
	if (r < 0)
		return r;
	out.dir = dir;
	fd = store_open_input(path, msg);
	if (fd < 0)
		return fd;
	r = files_salvage(&s->c.files, fd, path, &out, found, &list, &saved, msg);
	if (r < 0)
		return r;
	json_object_set_new(extra, "size", json_integer((json_int_t)saved.size));
	json_object_set_new(extra, "lost", json_integer((json_int_t)saved.lost));
	if (saved.lost > 0)
		return errmsg_set(msg, -EBADMSG, "%s: %" PRIu64 " of %" PRIu64 " bytes are lost; the rest is in %s",
				  path, saved.lost,
				  saved.size, s->out);
	errmsg_set(msg, 0, "%s: all %" PRIu64 " bytes are in %s", path, saved.size, s->out);
	return FILES_DONE;
}

int cmd_salvage(int argc, char **argv)
{
	static const struct option long_options[] = {
		STORE_LONG_OPTIONS, FORCE_LONG_OPTION, {"output", required_argument, NULL, 'o'}, {0}};
	struct salvaging s = {.c = {.name = "salvage", .usage = salvage_usage}};
	struct errmsg msg = {0};

	if (store_command_parse(&s.c, argc, argv, "hqfo:", long_options, salvage_option, &s))
		return s.c.status;
	if (optind + 1 != argc || !s.out)
		return store_command_misused(&s.c, "one file and -o OUT are needed");
	if (store_command_start(&s.c))
		return s.c.status;
	json_t *extra = json_object();
	progress_one(&s.c.progress, argv[optind]);
	int r = salvage(&s, argv[optind], extra, &msg);

	store_report_result(&s.c, argv[optind], r, &msg, extra);
	return store_command_finish(&s.c);
}
