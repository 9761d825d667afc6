/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scrim scratch: a run with a fresh encrypted directory for temporary files.
 *
 *   PLACE/scrim-scratch-XXXXXX/	ours, mode 0700, locked (flock) for as long as front or supervisor live
 *   PLACE/scrim-scratch-XXXXXX/tmp	under `crypt key=ephemeral`, the command's TMPDIR
 *
 * What is not locked is left over from a run that was killed, and the next one in the same place removes it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/errmsg.h"
#include "cli/cli.h"
#include "cli/remove_tree.h"
#include "cli/run.h"

#define PREFIX	"scrim-scratch-"
#define INNER	"tmp"
#define TRIES	16
#define ADDED	11 /* words in front of those of the user; see make_words() */

static const char help_text[] =
	"usage: scrim scratch [DIR] [OPTION]... -- COMMAND [ARGUMENT]...\n"
	"\n"
	"COMMAND runs with TMPDIR set to a new directory beneath DIR (else $TMPDIR, else\n"
	"/tmp) in which files are encrypted under a key that nobody else has and that\n"
	"ends with the run. The directory goes when COMMAND ends. Options are those of\n"
	"scrim run.\n";

struct scratch {
	char place[PATH_MAX];
	char name[sizeof(PREFIX) + 6];
	int place_fd;
	int fd; /* of our directory, locked */
};

static void scratch_done(struct scratch *scratch)
{
	safe_close(scratch->place_fd);
	safe_close(scratch->fd);
}

/* The directory NAME of the place, locked; -EAGAIN: its run lives; -ESTALE: it is not there under this name any more. */
static int lock_directory(int place_fd, const char *name, int *ret_fd)
{
	struct stat locked, named;

	_cleanup_close_ int fd = openat(place_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &locked) < 0)
		return -errno;
	if (locked.st_uid != geteuid())
		return -EPERM;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return -errno;
	if (fstatat(place_fd, name, &named, AT_SYMLINK_NOFOLLOW) < 0 || named.st_ino != locked.st_ino ||
	    named.st_dev != locked.st_dev)
		return -ESTALE;
	*ret_fd = steal_fd(&fd);
	return 0;
}

static int remove_directory(int place_fd, const char *name, int fd)
{
	int r = remove_contents(fd);

	if (r == 0 && unlinkat(place_fd, name, AT_REMOVEDIR) < 0)
		r = -errno;
	return r;
}

/* A name that we give: the prefix and six letters or digits. */
static bool is_ours(const char *name)
{
	size_t prefix = sizeof(PREFIX) - 1;

	return strncmp(name, PREFIX, prefix) == 0 && strlen(name) == prefix + 6 &&
	       strspn(name + prefix, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789") == 6;
}

/* Nothing but what we make stands in it: who has named a directory of his own so keeps it. */
static bool is_left_over(int fd)
{
	bool others = false;
	int own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = own < 0 ? NULL : fdopendir(own);

	if (!dir) {
		safe_close(own);
		return false;
	}
	for (const struct dirent *d; (d = readdir(dir));)
		others |= strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0 && strcmp(d->d_name, INNER) != 0 &&
			  strncmp(d->d_name, REMOVED_PREFIX, sizeof(REMOVED_PREFIX) - 1) != 0;
	closedir(dir);
	return !others;
}

static void remove_left_overs(int place_fd)
{
	int own = openat(place_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = own < 0 ? NULL : fdopendir(own);

	if (!dir) {
		safe_close(own);
		return;
	}
	for (const struct dirent *d; (d = readdir(dir));) {
		_cleanup_close_ int fd = -EBADF;
		if (is_ours(d->d_name) && lock_directory(place_fd, d->d_name, &fd) == 0 && is_left_over(fd))
			remove_directory(place_fd, d->d_name, fd);
	}
	closedir(dir);
}

/* Another one's remove_left_overs() may come between making and locking: then once more. */
static int make_directory(struct scratch *scratch)
{
	char path[PATH_MAX];
	int r = -EEXIST;

	for (unsigned i = 0; i < TRIES && r < 0; i++) {
		int n = snprintf(path, sizeof(path), "%s/" PREFIX "XXXXXX", scratch->place);
		if (n < 0 || (size_t)n >= sizeof(path))
			return -ENAMETOOLONG;
		if (!mkdtemp(path))
			return -errno;
		snprintf(scratch->name, sizeof(scratch->name), "%s", path + n - (sizeof(PREFIX) + 5));
		r = lock_directory(scratch->place_fd, scratch->name, &scratch->fd);
		if (r < 0)
			continue;
		if (mkdirat(scratch->fd, INNER, 0700) < 0 || fchmodat(scratch->fd, INNER, 0700, 0) < 0) {
			r = -errno;
			unlinkat(scratch->place_fd, scratch->name, AT_REMOVEDIR);
			return r;
		}
	}
	return r;
}

static int make_scratch(struct scratch *scratch, const char *place, struct errmsg *msg)
{
	if (!place) {
		place = getenv("TMPDIR");
		if (!place || place[0] != '/')
			place = "/tmp";
	}
	if (!realpath(place, scratch->place))
		return errmsg_set(msg, -errno, "%s: %s", place, strerror(errno));
	scratch->place_fd = open(scratch->place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (scratch->place_fd < 0)
		return errmsg_set(msg, -errno, "%s: %s", scratch->place, strerror(errno));
	remove_left_overs(scratch->place_fd);
	int r = make_directory(scratch);
	return r < 0 ? errmsg_set(msg, r, "no directory can be made in %s: %s", scratch->place, strerror(-r)) : 0;
}

/* VERB and the directory as a rule: every byte of the path means itself. */
static int make_rule(const char *verb, const char *path, const char *options, struct buffer *rule)
{
	int r = buffer_append_str(rule, verb);

	for (const char *c = path; *c && r == 0; c++) {
		const char escaped[2] = {'\\', *c};
		bool plain = *c == '/' || (*c >= '0' && *c <= '9') || (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z');
		r = buffer_append(rule, escaped + plain, 2u - plain);
	}
	return r < 0 ? r : buffer_append_str(rule, options);
}

struct words {
	char tmpdir[PATH_MAX + 8];
	char rule[3][2 * PATH_MAX];
	char **word;
	int count;
};

static const struct {
	const char *verb, *options;
} added_rules[] = {{"show ", ""}, {"free ", ""}, {"crypt ", " key=ephemeral"}};

/* Not const: getopt_long(3) wants them so. */
static char run_word[] = "run", rule_word[] = "--rule", setenv_word[] = "--setenv", end_word[] = "--";

/* What scrim run is told: the options of the user, ours, the command. OPTIONS end with "--". */
static int make_words(const struct scratch *scratch, char **options, int option_count, char **command, struct words *words)
{
	char path[PATH_MAX];

	int n = snprintf(path, sizeof(path), "%s/%s/" INNER, strcmp(scratch->place, "/") == 0 ? "" : scratch->place, scratch->name);
	if (n < 0 || (size_t)n >= sizeof(path))
		return -ENAMETOOLONG;
	words->count = 0;
	words->word[words->count++] = run_word;
	for (int i = 0; i < option_count; i++)
		words->word[words->count++] = options[i];
	for (size_t i = 0; i < ARRAY_LEN(added_rules); i++) {
		struct buffer rule;
		buffer_init(&rule, words->rule[i], sizeof(words->rule[i]));
		int r = make_rule(added_rules[i].verb, path, added_rules[i].options, &rule);
		if (r < 0)
			return r;
		words->word[words->count++] = rule_word;
		words->word[words->count++] = words->rule[i];
	}
	snprintf(words->tmpdir, sizeof(words->tmpdir), "TMPDIR=%s", path);
	words->word[words->count++] = setenv_word;
	words->word[words->count++] = words->tmpdir;
	words->word[words->count++] = end_word;
	for (; *command; command++)
		words->word[words->count++] = *command;
	words->word[words->count] = NULL;
	return 0;
}

static void cleanup_words(struct words **words)
{
	if (*words)
		free((*words)->word);
	free(*words);
}

static int scratch_run(const char *place, char **options, int option_count, char **command, int argc)
{
	_cleanup_(scratch_done) struct scratch scratch = {.place_fd = -EBADF, .fd = -EBADF};
	_cleanup_(cleanup_words) struct words *words = calloc(1, sizeof(*words));
	struct errmsg msg = {0};

	if (words)
		words->word = calloc((size_t)argc + ADDED, sizeof(*words->word));
	if (!words || !words->word) {
		cli_error("out of memory");
		return EXIT_SCRIM_FAILED;
	}
	int r = make_scratch(&scratch, place, &msg);
	if (r == 0)
		r = make_words(&scratch, options, option_count, command, words);
	if (r < 0) {
		cli_error("%s", msg.text[0] ? msg.text : strerror(-r));
		return EXIT_SCRIM_FAILED;
	}
	int status = run_command(words->count, words->word, scratch.fd);
	/* The place may be another by that name now, or the run have closed its descriptor. */
	_cleanup_close_ int place_fd = open(scratch.place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	scratch.place_fd = -EBADF;
	r = place_fd < 0 ? -errno : remove_directory(place_fd, scratch.name, scratch.fd);
	if (r < 0)
		cli_warn("%s/%s cannot be removed: %s", scratch.place, scratch.name, strerror(-r));
	return status;
}

int cmd_scratch(int argc, char **argv)
{
	int end = 1, first = 1;

	while (end < argc && strcmp(argv[end], "--") != 0) {
		if (strcmp(argv[end], "--help") == 0 || strcmp(argv[end], "-h") == 0) {
			fputs(help_text, stdout);
			return 0;
		}
		end++;
	}
	if (end >= argc - 1) {
		cli_error("no command was given (usage: scrim scratch [DIR] [OPTION]... -- COMMAND...)");
		return EXIT_SCRIM_FAILED;
	}
	const char *place = end > 1 && argv[1][0] != '-' ? argv[first++] : NULL;
	return scratch_run(place, &argv[first], end - first, &argv[end + 1], argc);
}
