/* SPDX-License-Identifier: Apache-2.0 */
/* scrim info: what an encrypted file is. Nothing that it prints is secret. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cleanup.h"
#include "cli/safe_text.h"
#include "cli/store_command.h"

static const char usage[] =
	"usage: scrim info [OPTION]... FILE...\n\n"
	"Say what encrypted files are: layout, ids of file and keys. That stands in clear; with a key (--key, --key-file...) also\n"
	"the size of the content, its time and how it is stored.\n\n" STORE_OPTIONS_HELP;

static const char *wrap_text(unsigned kind)
{
	return kind == WRAP_KEK ? "key" : kind == WRAP_KERNEL ? "kernel" : "unknown";
}

/* A file knows the same key in both slots, mostly. */
static void add_keys(json_t *extra, const struct files_head *h)
{
	json_t *keys = json_array();
	char id[KEK_ID_TEXT];

	for (size_t i = 0; i < h->id_count; i++) {
		unsigned kind = 0;

		for (size_t k = 0; k < 2 * FORMAT_WRAPS; k++) {
			const struct wrap *w = &h->slots[k / FORMAT_WRAPS].wraps[k % FORMAT_WRAPS];

			if (h->present[k / FORMAT_WRAPS] && w->kind && memcmp(w->key_id, h->ids[i], FORMAT_ID) == 0)
				kind = w->kind;
		}
		kek_id_text(h->ids[i], id);
		json_array_append_new(keys, json_pack("{s:s, s:s}", "id", id, "kind", wrap_text(kind)));
	}
	json_object_set_new(extra, "keys", keys);
}

static void add_clear(json_t *extra, const struct files_head *h, const struct stat *st)
{
	const struct head *head = &h->slots[h->present[0] ? 0 : 1];
	char id[KEK_ID_TEXT];

	kek_id_text(head->file_id, id);
	json_object_set_new(extra, "format", json_integer(FORMAT_VERSION));
	json_object_set_new(extra, "algorithm", json_string("XAES-256-GCM"));
	json_object_set_new(extra, "file_id", json_string(id));
	json_object_set_new(extra, "slot_size", json_integer(1 << head->slot_shift));
	json_object_set_new(extra, "chunk_size", json_integer(1 << head->chunk_shift));
	json_object_set_new(extra, "slots", json_pack("[b, b]", h->present[0], h->present[1]));
	add_keys(extra, h);
	json_object_set_new(extra, "stored", json_integer((json_int_t)st->st_size));
	json_object_set_new(extra, "on_disk", json_integer((json_int_t)st->st_blocks * 512));
}

static void add_content(json_t *extra, const struct store *s)
{
	struct store_time mtime, ctime;
	struct store_info info;
	char text[64] = "";
	time_t sec;
	struct tm tm;

	store_get_info(s, &info);
	store_get_times(s, &mtime, &ctime);
	sec = (time_t)mtime.sec;
	if (gmtime_r(&sec, &tm))
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text + strlen(text), sizeof(text) - strlen(text), ".%09uZ", mtime.nsec);
	json_object_set_new(extra, "content",
			    json_pack("{s:I, s:s, s:s, s:I, s:b, s:b, s:I, s:I, s:i}", "size", (json_int_t)info.size, "mtime", text, "in",
				      info.is_new ? "nothing" : info.is_inline ? "slot" : "pages", "sequence", (json_int_t)info.sequence,
				      "sealed", info.sealed, "fell_back", info.fell_back, "used_pages", (json_int_t)info.used_pages,
				      "free_pages", (json_int_t)info.free_pages, "height", info.height));
}

static void print_line(const char *name, const json_t *value)
{
	if (json_is_integer(value))
		printf("  %-11s %" JSON_INTEGER_FORMAT "\n", name, json_integer_value(value));
	else if (json_is_boolean(value))
		printf("  %-11s %s\n", name, json_is_true(value) ? "yes" : "no");
	else if (json_is_string(value))
		printf("  %-11s %s\n", name, json_string_value(value));
}

static void print(const char *path, json_t *extra)
{
	char safe[ERRMSG_MAX];
	const char *name;
	json_t *value, *key;
	size_t i;

	safe_text(path, safe, sizeof(safe));
	printf("%s:\n", safe);
	json_object_foreach(extra, name, value)
		print_line(name, value);
	json_array_foreach(json_object_get(extra, "keys"), i, key)
		printf("  %-11s %s (%s)\n", "wrapped for", json_string_value(json_object_get(key, "id")),
		       json_string_value(json_object_get(key, "kind")));
	value = json_object_get(extra, "content");
	if (value)
		printf("  content\n");
	json_object_foreach(value, name, key) {
		printf("  ");
		print_line(name, key);
	}
}

static int info(struct store_command *c, const struct files_place *place, unsigned depth, json_t *extra, struct errmsg *msg)
{
	struct files_head head;
	struct files_store store;
	struct stat st;
	int fd, r = files_open(place, O_RDONLY, &fd, &st, msg);

	(void)depth;
	if (r < 0)
		return r;
	r = files_look(fd, &head);
	if (r < 0 || head.kind != FILES_ENCRYPTED) {
		close(fd);
		if (r == -EPROTONOSUPPORT)
			return errmsg_set(msg, r, "%s: is encrypted, in a later version of the format than this scrim knows", place->path);
		if (r == 0 && head.kind == FILES_SPOILED)
			return errmsg_set(msg, -EBADMSG, "%s: is damaged: the head of an encrypted file without its mark", place->path);
		return errmsg_set(msg, r < 0 ? r : -ENODATA, "%s: is not an encrypted file", place->path);
	}
	add_clear(extra, &head, &st);
	if (c->key_options.count == 0) {
		close(fd);
	} else {
		r = files_store_open(&c->files, fd, place->path, STORE_READ, NULL, &store, msg);
		if (r == 0) {
			add_content(extra, store.store);
			files_store_close(&store);
		}
	}
	if (!c->json)
		print(place->path, extra);
	return r;
}

int cmd_info(int argc, char **argv)
{
	struct store_command c = {.name = "info", .usage = usage};

	return store_command_on_files(&c, argc, argv, false, info);
}
