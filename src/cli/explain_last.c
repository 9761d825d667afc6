/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/explain_last.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/cli.h"
#include "cli/json_value.h"
#include "cli/state_log.h"

#define LINE_MAX_BYTES ((size_t)64 << 10) /* the log's own lines are far shorter */
#define GROUPS_MAX ((size_t)1 << 16)

/* What makes two refusals alike, and is printed of them. */
static const char *const members[] = {"verdict", "syscall", "path", "comm", "errno", "rule", "origin", "note"};

struct group {
	json_t *event; /* the latest of them */
	uint64_t count;
	uint64_t order; /* of the latest */
};

struct log_reading {
	json_t *by_key; /* key -> index in groups */
	struct group *groups;
	size_t count, room;
	uint64_t lines, strange, dropped;
};

static void reading_done(struct log_reading *r)
{
	for (size_t i = 0; i < r->count; i++)
		json_decref(r->groups[i].event);
	free(r->groups);
	json_decref(r->by_key);
}

/* A member as text: a writer may give numbers where we give names. */
static const char *text_of(const json_t *event, const char *member, char *number, size_t size)
{
	const json_t *value = json_object_get(event, member);

	if (json_is_integer(value))
		snprintf(number, size, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else
		snprintf(number, size, "%s", "");
	return json_is_string(value) ? json_string_value(value) : number;
}

static int add_event(struct log_reading *r, json_t *event)
{
	json_t *key_parts = json_array();
	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		json_t *part = json_object_get(event, members[i]);
		json_array_append_new(key_parts, part ? json_incref(part) : json_null());
	}
	_cleanup_free_ char *key = json_dumps(key_parts, JSON_COMPACT);
	json_decref(key_parts);
	if (!key)
		return -ENOMEM;

	json_t *known = json_object_get(r->by_key, key);
	size_t index = known ? (size_t)json_integer_value(known) : r->count;
	if (!known) {
		if (r->count == GROUPS_MAX) {
			r->dropped++;
			return 0;
		}
		if (r->count == r->room) {
			size_t room = r->room ? r->room * 2 : 64;
			struct group *more = reallocarray(r->groups, room, sizeof(*more));
			if (!more)
				return -ENOMEM;
			r->groups = more;
			r->room = room;
		}
		if (json_object_set_new(r->by_key, key, json_integer((json_int_t)index)) < 0)
			return -ENOMEM;
		r->groups[r->count++] = (struct group){0};
	}
	struct group *group = &r->groups[index];
	json_decref(group->event);
	group->event = json_incref(event);
	group->count++;
	group->order = r->lines;
	return 0;
}

static int add_line(struct log_reading *r, const char *line, size_t len)
{
	json_t *event = json_loadb(line, len, JSON_ALLOW_NUL, NULL);
	const json_t *dropped = json_object_get(event, "dropped");
	int result = 0;

	r->lines++;
	if (json_is_integer(dropped))
		r->dropped += (uint64_t)json_integer_value(dropped);
	else if (json_is_object(event) && json_object_get(event, "syscall"))
		result = add_event(r, event);
	else
		r->strange++;
	json_decref(event);
	return result;
}

static int read_log(FILE *file, struct log_reading *r)
{
	_cleanup_free_ char *line = NULL;
	size_t room = 0;
	ssize_t len;

	r->by_key = json_object();
	if (!r->by_key)
		return -ENOMEM;
	while ((len = getline(&line, &room, file)) >= 0) {
		if (len > 0 && line[len - 1] == '\n')
			len--;
		if (len == 0)
			continue;
		int result = (size_t)len > LINE_MAX_BYTES ? (r->strange++, 0) : add_line(r, line, (size_t)len);
		if (result < 0)
			return result;
	}
	return ferror(file) ? -EIO : 0;
}

static int latest_last(const void *a, const void *b)
{
	const struct group *one = a, *two = b;
	return (one->order > two->order) - (one->order < two->order);
}

static void print_group(const struct group *group)
{
	char number[ARRAY_LEN(members)][32];
	const char *text[ARRAY_LEN(members)];

	for (size_t i = 0; i < ARRAY_LEN(members); i++)
		text[i] = text_of(group->event, members[i], number[i], sizeof(number[i]));
	printf("%7" PRIu64 "  %-9s ", group->count, *text[0] ? text[0] : "?");
	print_safe(stdout, *text[1] ? text[1] : "?");
	putchar(' ');
	print_safe(stdout, *text[2] ? text[2] : "-");
	printf("\n         ");
	static const char *const before[] = {[3] = " by ", [4] = ": ", [5] = ", rule: ", [6] = ", from ", [7] = "; "};
	char pid[32];
	/* A process that had ended when its refusal was written has no name, only a number; a write-back has no process. */
	bool nobody = json_integer_value(json_object_get(group->event, "pid")) == 0;
	if (!*text[3])
		text[3] = nobody ? "nobody" : "pid";
	for (size_t i = 3; i < ARRAY_LEN(members); i++) {
		if (!*text[i])
			continue;
		fputs(before[i], stdout);
		print_safe(stdout, text[i]);
		if (i == 3 && !nobody)
			printf("[%s]", text_of(group->event, "pid", pid, sizeof(pid)));
	}
	const char *time = text_of(group->event, "time", pid, sizeof(pid));
	if (*time) {
		fputs(group->count > 1 ? ", last at " : ", at ", stdout);
		print_safe(stdout, time);
	}
	putchar('\n');
}

static int print_json(const struct log_reading *r, size_t from)
{
	json_t *list = json_array();

	for (size_t i = from; i < r->count; i++) {
		json_t *one = json_copy(r->groups[i].event);
		json_object_set_new(one, "count", json_integer((json_int_t)r->groups[i].count));
		json_array_append_new(list, one);
	}
	json_t *all = json_pack("{s:o, s:I, s:I}", "refusals", list, "dropped", (json_int_t)r->dropped, "not_understood",
				(json_int_t)r->strange);
	return json_print(all) ? 0 : EXIT_SCRIM_FAILED;
}

int explain_last(const char *path, size_t limit, bool json)
{
	_cleanup_(reading_done) struct log_reading reading = {0};
	char usual[PATH_MAX];

	if (!path) {
		if (state_log_path(usual, sizeof(usual)) < 0) {
			cli_error("neither XDG_STATE_HOME nor HOME says where the log is: name it, explain --last=FILE");
			return EXIT_SCRIM_FAILED;
		}
		path = usual;
	}
	FILE *file = fopen(path, "re");
	if (!file && errno == ENOENT) {
		cli_error("no run was refused anything yet: there is no %s", path);
		return EXIT_SCRIM_FAILED;
	}
	int r = file ? read_log(file, &reading) : -errno;
	if (file)
		fclose(file);
	if (r < 0) {
		cli_error("%s: cannot read the log: %s", path, strerror(-r));
		return EXIT_SCRIM_FAILED;
	}

	if (reading.count)
		qsort(reading.groups, reading.count, sizeof(*reading.groups), latest_last);
	size_t from = limit < reading.count ? reading.count - limit : 0;
	if (json)
		return print_json(&reading, from);
	if (from)
		printf("%zu older kinds of refusal are not shown: -n N shows more\n", from);
	for (size_t i = from; i < reading.count; i++)
		print_group(&reading.groups[i]);
	if (reading.count == 0)
		puts("no refusals");
	if (reading.dropped)
		printf("%" PRIu64 " more were dropped\n", reading.dropped);
	if (reading.strange)
		printf("%" PRIu64 " lines were not understood\n", reading.strange);
	return fflush(stdout) == 0 ? 0 : EXIT_SCRIM_FAILED;
}
