/* SPDX-License-Identifier: Apache-2.0 */
/* scrim learn: run a program, see what it uses, propose a policy. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/errmsg.h"
#include "cli/cli.h"
#include "cli/learned.h"
#include "cli/run.h"
#include "intercept/record.h"

#define COMMAND_MAX 512

static const char usage[] =
	"usage: scrim learn [-o FILE] [OPTION OF RUN]... [--] COMMAND [ARGUMENT]...\n\n"
	"Run COMMAND with nothing hidden but what the options say, note which files it and its descendants use, and when all\n"
	"of them have ended propose a policy: on standard output, or in FILE, which must not exist. On a terminal what was\n"
	"used is shown as a tree.\n"
	"  -o, --output FILE  write the policy there\n"
	"Exit status: the command's; 125 if no policy could be proposed.\n";

/* The options that are not for run: they come first. */
struct learn {
	const char *output;
	int first; /* of run's arguments in argv */
};

static void free_learned(struct learned **learned)
{
	learned_free(*learned);
}

static void close_file(FILE **file)
{
	if (*file)
		fclose(*file);
}

/* Returns 0, 1 when help was wanted, or a negative errno. */
static int parse(struct learn *learn, int argc, char **argv)
{
	learn->first = 1;
	while (learn->first < argc) {
		const char *word = argv[learn->first];

		if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
			return 1;
		if (strcmp(word, "-o") == 0 || strcmp(word, "--output") == 0) {
			if (learn->first + 1 == argc)
				return -EINVAL;
			learn->output = argv[learn->first + 1];
			learn->first += 2;
		} else if (strncmp(word, "--output=", 9) == 0) {
			learn->output = word + 9;
			learn->first++;
		} else {
			break;
		}
	}
	return learn->first < argc ? 0 : -EINVAL;
}

/* Run what is left of ARGV, with its record in the file RECORD. Returns run's exit status. */
static int run_recorded(int argc, char **argv, int record)
{
	_cleanup_free_ char **words = calloc((size_t)argc + 4, sizeof(*words));
	char option[] = "--record-fd", number[16], name[] = "run";
	int count = 0;

	if (!words)
		return EXIT_SCRIM_FAILED;
	snprintf(number, sizeof(number), "%d", record);
	words[count++] = name;
	words[count++] = option;
	words[count++] = number;
	memcpy(words + count, argv, (size_t)argc * sizeof(*words));
	return run_command(count + argc, words, record);
}

static volatile sig_atomic_t child;

static void pass_on(int number)
{
	if (child > 0)
		kill((pid_t)child, number);
}

/*
 * The same in a process of its own, since run lets go of the streams that the policy is printed to. What the terminal sends
 * it gets by itself, like the command; what is sent to us is passed on.
 */
static int run_in_child(int argc, char **argv, int record)
{
	static const int passed[] = {SIGTERM, SIGHUP, SIGUSR1, SIGUSR2};
	sigset_t all, before;
	int status;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	child = fork();
	if (child == 0) {
		sigprocmask(SIG_SETMASK, &before, NULL);
		_exit(run_recorded(argc, argv, record));
	}
	if (child < 0) {
		cli_error("no process can be made: %s", strerror(errno));
		return EXIT_SCRIM_FAILED;
	}
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	for (size_t i = 0; i < ARRAY_LEN(passed); i++)
		sigaction(passed[i], &(struct sigaction){.sa_handler = pass_on, .sa_flags = SA_RESTART}, NULL);
	sigprocmask(SIG_SETMASK, &before, NULL);
	while (waitpid((pid_t)child, &status, 0) < 0)
		if (errno != EINTR)
			return EXIT_SCRIM_FAILED;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* The working directory is used by being there. */
static int add_working_directory(struct learned *learned)
{
	_cleanup_free_ char *cwd = getcwd(NULL, 0);

	return cwd && cwd[0] == '/' ? learned_add(learned, cwd, strlen(cwd), USE_LISTED) : 0;
}

static int read_record(struct learned *learned, int record)
{
	struct stat stat;
	void *text;
	int error;

	if (fstat(record, &stat) < 0)
		return -errno;
	if (stat.st_size == 0)
		return -ENODATA;
	text = mmap(NULL, (size_t)stat.st_size, PROT_READ, MAP_PRIVATE, record, 0);
	if (text == MAP_FAILED)
		return -errno;
	error = learned_read(learned, text, (size_t)stat.st_size);
	munmap(text, (size_t)stat.st_size);
	return error;
}

static void join_words(char **words, char *text, size_t size)
{
	size_t len = 0;

	text[0] = '\0';
	for (; *words && len < size; words++)
		len += (size_t)snprintf(text + len, size - len, "%s%s", len ? " " : "", *words);
}

static int propose(struct learned *learned, const struct learn *learn, const struct proposal *proposal)
{
	_cleanup_(close_file) FILE *file = NULL;
	FILE *to = stdout;
	int error;

	if (learn->output) {
		_cleanup_close_ int fd = open(learn->output, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

		to = file = fd < 0 ? NULL : fdopen(fd, "w");
		if (!file) {
			cli_error("%s: %s", learn->output, strerror(errno));
			return -errno;
		}
		steal_fd(&fd);
	}
	error = learned_propose(learned, proposal, to);
	if (!error && fflush(to) != 0)
		error = -errno;
	if (error)
		cli_error("%s: %s", learn->output ? learn->output : "standard output", strerror(-error));
	return error;
}

int cmd_learn(int argc, char **argv)
{
	_cleanup_(free_learned) struct learned *learned = NULL;
	_cleanup_close_ int record = -EBADF;
	_cleanup_free_ char *home = NULL;
	char command[COMMAND_MAX];
	struct learn learn = {0};
	struct proposal proposal = {.command = command};
	int status, error = parse(&learn, argc, argv);

	if (error) {
		fputs(usage, error > 0 ? stdout : stderr);
		return error > 0 ? 0 : EXIT_SCRIM_FAILED;
	}
	if (learn.output && access(learn.output, F_OK) == 0) {
		cli_error("%s is there already", learn.output);
		return EXIT_SCRIM_FAILED;
	}
	record = memfd_create("scrim-record", MFD_CLOEXEC);
	if (record < 0 || learned_new(&learned) < 0) {
		cli_error("nothing can be recorded: %s", strerror(errno));
		return EXIT_SCRIM_FAILED;
	}
	if (add_working_directory(learned) < 0)
		return EXIT_SCRIM_FAILED;
	status = run_in_child(argc - learn.first, argv + learn.first, record);
	error = read_record(learned, record);
	if (error == -ENODATA) /* nothing was run, and why has been said */
		return status;
	if (error) {
		cli_error("the record cannot be read: %s", strerror(-error));
		return EXIT_SCRIM_FAILED;
	}
	join_words(argv + learn.first, command, sizeof(command));
	home = getenv("HOME") ? realpath(getenv("HOME"), NULL) : NULL;
	proposal.home = home;
	if (isatty(STDERR_FILENO))
		learned_print(learned, &proposal, stderr, cli_in_colour(STDERR_FILENO), cli_in_utf8());
	return propose(learned, &learn, &proposal) < 0 ? EXIT_SCRIM_FAILED : status;
}
