/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/store_command.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "cli/json_value.h"
#include "cli/places.h"
#include "cli/protect.h"
#include "cli/safe_text.h"

static volatile sig_atomic_t caught;

static void note_signal(int number)
{
	caught = number;
}

/* What ends us waits until the file at hand is let go of. A second one does not wait. */
static void hear_signals(bool hear)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction action = {.sa_handler = hear ? note_signal : SIG_DFL, .sa_flags = (int)SA_RESETHAND}, old;

	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		if (sigaction(numbers[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
			sigaction(numbers[i], &action, NULL);
}

bool store_command_take(struct store_command *c, int opt, const char *argument)
{
	switch (opt) {
	case OPT_PROVIDER:
		c->provider = argument;
		return true;
	case OPT_JSON:
		c->json = true;
		return true;
	case OPT_QUIET:
	case 'q':
		c->quiet = true;
		return true;
	case OPT_RECURSIVE:
	case 'r':
		c->recursive = true;
		return true;
	case OPT_CROSS_DEVICE:
		c->cross_device = true;
		return true;
	case OPT_STRICT_FRESHNESS:
		c->fresh.strict = true;
		return true;
	case OPT_FORCE:
	case 'f':
		c->files.force = true;
		return true;
	default:
		return key_options_take(&c->key_options, opt, argument);
	}
}

int store_command_parse(struct store_command *c, int argc, char **argv, const char *letters, const struct option *options,
			bool (*own)(void *data, int opt, const char *argument), void *data)
{
	int opt;

	optind = 1;
	while ((opt = getopt_long(argc, argv, letters, options, NULL)) >= 0) {
		if (opt == OPT_HELP || opt == 'h') {
			fputs(c->usage, stdout);
			c->status = 0;
			return 1;
		}
		if (opt == '?' || (!store_command_take(c, opt, optarg) && !(own && own(data, opt, optarg)))) {
			fputs(c->usage, stderr);
			c->status = EXIT_USAGE;
			return 1;
		}
	}
	return 0;
}

int store_command_misused(const struct store_command *c, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	cli_error("%s (scrim %s --help)", text, c->name);
	return EXIT_USAGE;
}

int store_command_keys(void *data, const uint8_t (*ids)[FORMAT_ID], size_t count, const struct store_key **ret_keys,
		       size_t *ret_count, struct errmsg *msg)
{
	struct store_command *c = data;
	int r = 0;

	hear_signals(false); /* a question for a passphrase ends at once */
	progress_clear(&c->progress);
	if (!c->keys_opened && (count == 0 || c->key_options.count > 0)) {
		r = keys_open_given(&c->key_options, &c->keys, msg);
		c->keys_opened = r == 0;
		c->keys_failed = r < 0;
	}
	if (r == 0 && count > 0)
		r = keys_open_for(&c->key_options, &c->keys, ids, count, msg);
	hear_signals(true);
	if (r < 0)
		return r;
	*ret_keys = c->keys.store;
	*ret_count = c->keys.count;
	return 0;
}

static int show_progress(void *data, uint64_t done, uint64_t total)
{
	struct store_command *c = data;

	if (caught)
		return -ECANCELED;
	progress_update(&c->progress, done, total);
	return 0;
}

static void say_note(void *data, const char *path, const char *text)
{
	struct store_command *c = data;
	char safe[ERRMSG_MAX];

	progress_clear(&c->progress);
	safe_text(path, safe, sizeof(safe));
	cli_warn("%s: %s", safe, text);
}

static unsigned processors(void)
{
	cpu_set_t set;
	int n = sched_getaffinity(0, sizeof(set), &set) < 0 ? 1 : CPU_COUNT(&set);

	return n < 1 ? 1 : n > CREW_MAX ? CREW_MAX : (unsigned)n;
}

int store_command_start(struct store_command *c)
{
	const struct aead_provider *provider = aead_provider_find(c->provider);
	const char *why = NULL;

	c->status = EXIT_USAGE;
	if (!provider) {
		cli_error("there is no provider '%s'", c->provider);
		return 1;
	}
	const struct aead_provider *used = aead_provider_or_instead(provider, &why);
	if (used && why)
		cli_warn("the provider %s cannot be used here: %s; OpenSSL computes the same", provider->name, why);
	if (!used) {
		cli_error("the provider %s cannot be used here: %s%s", provider->name, why ? why : "no reason known",
			  why_no_memory(-ENOMEM));
		c->status = EXIT_FAILED;
		return 1;
	}
	c->files.provider = used;
	if (crew_new(processors(), &c->files.crew) < 0)
		c->files.crew = NULL; /* slower, no more */
	c->files.keys = store_command_keys;
	c->files.progress = show_progress;
	c->files.note = say_note;
	c->files.data = c;
	c->files.fresh = &c->fresh;
	if (state_path("freshness", c->fresh_directory, sizeof(c->fresh_directory)) == 0)
		c->fresh.directory = c->fresh_directory;
	c->status = 0;
	progress_init(&c->progress, c->quiet || c->json);
	signal(SIGXFSZ, SIG_IGN); /* EFBIG instead */
	hear_signals(true);
	return 0;
}

void store_say(struct store_command *c, const char *format, ...)
{
	char text[ERRMSG_MAX], safe[ERRMSG_MAX];
	va_list args;

	if (c->quiet)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	safe_text(text, safe, sizeof(safe));
	progress_clear(&c->progress);
	cli_note("%s", safe);
}

void store_say_always(struct store_command *c, const char *text)
{
	char safe[ERRMSG_MAX];

	safe_text(text, safe, sizeof(safe));
	progress_clear(&c->progress);
	puts(safe);
}

bool store_command_interrupted(void)
{
	return caught != 0;
}

static void print_json(const struct store_command *c, const char *path, const char *result, int error, const char *message,
		       json_t *extra)
{
	json_t *object = json_object();

	json_object_set_new(object, "command", json_string(c->name));
	json_object_set_new(object, "path", json_bytes(path));
	json_object_set_new(object, "result", json_string(result));
	if (error < 0)
		json_object_set_new(object, "error", json_string(strerrorname_np(-error) ? strerrorname_np(-error) : "EIO"));
	if (message && *message)
		json_object_set_new(object, "message", json_bytes(message));
	if (extra)
		json_object_update(object, extra);
	json_dumpf(object, stdout, JSON_COMPACT);
	putchar('\n');
	fflush(stdout);
	json_decref(object);
}

void store_report(struct store_command *c, const char *path, enum outcome outcome, int error, const char *message, json_t *extra)
{
	static const char *const results[] = {"done", "skipped", "passed", "failed"};
	unsigned *const counts[] = {&c->done, &c->skipped, &c->passed, &c->failed};
	int status = outcome == OUTCOME_FAILED ? exit_status_of(error) : 0;
	char safe[ERRMSG_MAX + 64];

	++*counts[outcome];
	if (status > c->status)
		c->status = status;
	if (c->json) {
		print_json(c, path, results[outcome], error, message, extra);
	} else if (message && *message) {
		safe_text(message, safe, sizeof(safe));
		progress_clear(&c->progress);
		if (outcome == OUTCOME_FAILED)
			cli_error("%s", safe);
		else if (!c->quiet)
			cli_note("%s", safe);
	}
	json_decref(extra);
}

void store_report_result(struct store_command *c, const char *path, int result, const struct errmsg *msg, json_t *extra)
{
	char text[ERRMSG_MAX];

	if (result == REPORTED) {
		json_decref(extra);
		return;
	}
	snprintf(text, sizeof(text), "%s", msg->text);
	if (result < 0 && !*text)
		snprintf(text, sizeof(text), "%s: %s", path, strerror(-result));
	snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s", why_no_memory(result));
	store_report(c, path, result < 0 ? OUTCOME_FAILED : result == FILES_SKIPPED ? OUTCOME_SKIPPED : OUTCOME_DONE,
		     result < 0 ? result : 0, text, extra);
}

/* What a file weighs in the unit of the command's progress. 0: it is not there. */
static uint64_t weigh(const struct store_command *c, const struct files_place *place)
{
	struct stat st;

	if (!c->progress.wanted || fstatat(place->dir, place->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	return c->progress_unit == PROGRESS_FILES ? 1 : (uint64_t)st.st_size;
}

struct count {
	const struct store_command *c;
	uint64_t total;
};

static int count_file(void *data, const struct files_place *place, unsigned depth)
{
	struct count *count = data;

	(void)depth;
	count->total += weigh(count->c, place);
	return caught ? -ECANCELED : 0;
}

/* For the bar alone: how much there is to do. What there is to say of it is said later. */
static void plan(struct store_command *c, char **paths)
{
	struct count count = {.c = c};
	struct files_walk walk = {
		.recursive = c->recursive,
		.cross_device = c->cross_device,
		.look_only = true,
		.file = count_file,
		.data = &count,
	};
	struct errmsg msg;

	for (; c->progress.wanted && *paths && !caught; paths++)
		(void)files_walk(&walk, *paths, &msg);
	progress_plan(&c->progress, c->progress_unit, count.total);
}

struct each {
	struct store_command *c;
	int (*act)(struct store_command *c, const struct files_place *place, unsigned depth, json_t *extra, struct errmsg *msg);
};

static int each_file(void *data, const struct files_place *place, unsigned depth)
{
	struct each *e = data;
	struct errmsg msg = {0};
	json_t *extra = json_object();

	progress_begin(&e->c->progress, place->path, weigh(e->c, place));
	int r = e->act(e->c, place, depth, extra, &msg);

	progress_done(&e->c->progress);
	store_report_result(e->c, place->path, r, &msg, extra);
	/* Without the keys that were asked for no other file fares better. */
	return caught || e->c->keys_failed ? -ECANCELED : 0;
}

static void each_passed(void *data, const char *path, const char *why)
{
	struct each *e = data;
	char text[ERRMSG_MAX];

	snprintf(text, sizeof(text), "%s: passed by: %s", path, why);
	store_report(e->c, path, OUTCOME_PASSED, 0, text, NULL);
}

void store_command_each(struct store_command *c, char **paths,
			int (*act)(struct store_command *c, const struct files_place *place, unsigned depth, json_t *extra,
				   struct errmsg *msg))
{
	struct each e = {.c = c, .act = act};
	struct files_walk walk = {
		.recursive = c->recursive,
		.cross_device = c->cross_device,
		.file = each_file,
		.passed = each_passed,
		.data = &e,
	};

	plan(c, paths);
	for (; *paths && !caught && !c->keys_failed; paths++) {
		struct errmsg msg = {0};
		int r = files_walk(&walk, *paths, &msg);

		if (r < 0 && !caught && !c->keys_failed)
			store_report_result(c, *paths, r, &msg, NULL);
	}
	if (c->recursive && !c->json)
		store_say(c, "%s: %u done, %u skipped, %u failed, %u passed by", c->name, c->done, c->skipped, c->failed, c->passed);
}

int store_command_on_files(struct store_command *c, int argc, char **argv, bool trees,
			   int (*act)(struct store_command *c, const struct files_place *place, unsigned depth,
				      json_t *extra, struct errmsg *msg))
{
	static const struct option tree_options[] = {STORE_LONG_OPTIONS, TREE_LONG_OPTIONS, {0}};
	static const struct option file_options[] = {STORE_LONG_OPTIONS, {0}};

	if (store_command_parse(c, argc, argv, trees ? "hqr" : "hq", trees ? tree_options : file_options, NULL, NULL))
		return c->status;
	if (optind == argc)
		return store_command_misused(c, trees ? "no path was given" : "no file was given");
	if (store_command_start(c))
		return c->status;
	store_command_each(c, argv + optind, act);
	return store_command_finish(c);
}

int store_command_finish(struct store_command *c)
{
	int number = caught;

	progress_clear(&c->progress);
	crew_free(c->files.crew);
	keys_close(&c->keys);
	hear_signals(false);
	if (number)
		raise(number);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		cli_error("standard output: %s", strerror(errno));
		return c->status ? c->status : EXIT_FAILED;
	}
	return c->status;
}

/* Would a terminal act on it, or show nonsense? */
static bool is_binary(const char *text, size_t len)
{
	size_t cut = len;

	for (size_t i = 0; i < len; i++)
		if (((unsigned char)text[i] < 0x20 && !strchr("\t\n\v\f\r\b", text[i])) || text[i] == 0x7f || !text[i])
			return true;
	/* A character may go on in the next piece. */
	while (cut > 0 && len - cut < 3 && ((unsigned char)text[cut - 1] & 0xc0) == 0x80)
		cut--;
	if (cut > 0 && (unsigned char)text[cut - 1] >= 0xc0)
		cut--;
	else
		cut = len;
	if (cut == len && utf8_is_valid(text, len))
		return false;
	/* ... and have begun in the one before. */
	size_t from = 0;
	while (from < 3 && from < cut && ((unsigned char)text[from] & 0xc0) == 0x80)
		from++;
	return !utf8_is_valid(text + from, cut - from);
}

int store_open_input(const char *path, struct errmsg *msg)
{
	int fd = strcmp(path, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3) : open(path, O_RDONLY | O_NOCTTY | O_CLOEXEC);

	return fd < 0 ? errmsg_set(msg, -errno, "%s: cannot be opened: %s", path, strerror(errno)) : fd;
}

void store_add_sizes(json_t *extra, const struct files_sizes *sizes)
{
	json_object_set_new(extra, "size_before", json_integer((json_int_t)sizes->before));
	json_object_set_new(extra, "size_after", json_integer((json_int_t)sizes->after));
}

int output_write(void *data, const void *bytes, size_t len)
{
	struct output *o = data;
	const char *from = bytes;

	if (o->terminal && !o->force && is_binary(from, len))
		return errmsg_set(o->msg, -EINVAL, "binary data is not written to a terminal (--force does)");
	while (len > 0) {
		ssize_t n = write(o->fd, from, len);

		if (n < 0 && errno == EINTR && !caught)
			continue;
		if (n < 0)
			return -errno;
		from += n;
		len -= (size_t)n;
	}
	return 0;
}

bool parse_power(const char *text, unsigned low, unsigned high, uint8_t *ret_shift)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (strcmp(end, "K") == 0 || strcmp(end, "k") == 0)
		n *= 1024;
	else if (*end || end == text)
		return false;
	for (unsigned shift = low; shift <= high; shift++)
		if (n == 1ul << shift) {
			*ret_shift = (uint8_t)shift;
			return true;
		}
	return false;
}
