/* SPDX-License-Identifier: Apache-2.0 */
/* scrim run: from the command line to a front process. */
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "cli/arguments.h"
#include "cli/cli.h"
#include "cli/environment.h"
#include "cli/front.h"
#include "cli/policy_options.h"
#include "cli/run.h"
#include "cli/run_crypt.h"
#include "cli/state_log.h"

enum {
	OPT_SETENV = OPT_POLICY_END,
	OPT_UNSETENV,
	OPT_CLEARENV,
	OPT_CHDIR,
	OPT_PASS_FD,
	OPT_DIE_WITH_PARENT,
	OPT_KILL_ON_EXIT,
	OPT_LOG,
	OPT_LOG_FD,
	OPT_STATS,
	OPT_RECORD_FD,
	OPT_ARGS,
	OPT_JSON_STATUS_FD,
	OPT_WORKERS,
};

static const struct option long_options[] = {
	POLICY_LONG_OPTIONS,
	RUN_CRYPT_LONG_OPTIONS,
	{"setenv", required_argument, NULL, OPT_SETENV},
	{"unsetenv", required_argument, NULL, OPT_UNSETENV},
	{"clearenv", no_argument, NULL, OPT_CLEARENV},
	{"chdir", required_argument, NULL, OPT_CHDIR},
	{"pass-fd", required_argument, NULL, OPT_PASS_FD},
	{"die-with-parent", no_argument, NULL, OPT_DIE_WITH_PARENT},
	{"kill-on-exit", no_argument, NULL, OPT_KILL_ON_EXIT},
	{"log", required_argument, NULL, OPT_LOG},
	{"log-fd", required_argument, NULL, OPT_LOG_FD},
	{"stats", required_argument, NULL, OPT_STATS},
	{"record-fd", required_argument, NULL, OPT_RECORD_FD},
	{"workers", required_argument, NULL, OPT_WORKERS},
	{"args", required_argument, NULL, OPT_ARGS},
	{"json-status-fd", required_argument, NULL, OPT_JSON_STATUS_FD},
	{"help", no_argument, NULL, 'h'},
	{0},
};

static const char help_text[] =
	"usage: scrim run [OPTION]... [--] COMMAND [ARGUMENT]...\n"
	"\n"
	"policy (profiles, then files, then the command line; the last match wins):\n"
	"  -p, --profile NAME     a profile: agent, installer, or one of your own\n"
	"  -c, --config FILE      a policy file (man scrim.conf)\n"
	"  -r, --rule RULE        one rule, e.g. -r 'mask ~/.netrc redact=password.*'\n"
	"      --hide GLOB        is not there\n"
	"      --deny GLOB        is listed, but nothing can be done with it\n"
	"      --mask GLOB        is there with harmless content\n"
	"      --append GLOB      may only grow\n"
	"      --readonly GLOB    cannot be changed\n"
	"command:\n"
	"      --setenv NAME=VALUE, --unsetenv NAME, --clearenv\n"
	"      --chdir DIR        start in DIR\n"
	"      --pass-fd N        keep descriptor N open (above 2 all others are closed)\n"
	"      --die-with-parent  kill everything when the caller of scrim dies\n"
	"      --kill-on-exit     when the command ends, kill what it left running\n"
	"      --args FD          take more words of the command line from FD, NUL-ended\n"
	"      --json-status-fd N  tell pid and exit code there, as lines of JSON\n"
	RUN_CRYPT_HELP
	"log:\n"
	"      --log FILE, --log-fd N\n"
	"                         where refusals go (else: scrim explain --last)\n";

/* Everything the command line said, and what was made of it. */
struct run {
	struct policy_options *options;
	struct policy *policy;
	struct environment *environment;
	struct env_change {
		int kind;
		const char *argument;
	} *changes; /* in the order given; at most one per argument */
	size_t change_count;
	int *pass_fds;
	size_t pass_fd_count;
	const char *log_file;
	int log_fd;
	int status_fd;
	struct arguments arguments;
	int kept_fd; /* of our own, for as long as the run lasts; -1: none */
	struct run_crypt crypt;
	char *stats_file;
	struct front_config front;
};

static void run_done(struct run *run)
{
	policy_options_free(run->options);
	policy_free(run->policy);
	environment_free(run->environment);
	log_free(run->front.supervisor.log);
	safe_close(run->log_fd);
	arguments_done(&run->arguments);
	free(run->changes);
	free(run->pass_fds);
	free(run->stats_file);
}

/* A number from 0 to INT_MAX written in digits alone. */
static int parse_number(const char *text, int *ret)
{
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	long number = strtol(text, &end, 10);
	if (errno != 0 || *end != '\0' || number > INT_MAX)
		return -EINVAL;
	*ret = (int)number;
	return 0;
}

static int open_descriptor(const char *option, const char *text, int *ret, struct errmsg *msg)
{
	int fd;

	if (parse_number(text, &fd) < 0)
		return errmsg_set(msg, -EINVAL, "--%s: '%s' is not a descriptor's number", option, text);
	if (fcntl(fd, F_GETFD) < 0)
		return errmsg_set(msg, -EBADF, "--%s: descriptor %d is not open", option, fd);
	*ret = fd;
	return 0;
}

static bool is_passed(const struct run *run, int fd)
{
	for (size_t i = 0; i < run->pass_fd_count; i++)
		if (run->pass_fds[i] == fd)
			return true;
	return false;
}

static int take_pass_fd(struct run *run, const char *text, struct errmsg *msg)
{
	int fd;
	int r = open_descriptor("pass-fd", text, &fd, msg);
	if (r < 0 || fd < 3) /* the standard streams are the command's anyway */
		return r;
	if (!is_passed(run, fd))
		run->pass_fds[run->pass_fd_count++] = fd;
	return 0;
}

static int absolute(const char *path, char **ret, struct errmsg *msg)
{
	_cleanup_free_ char *cwd = NULL;

	if (path[0] == '/') {
		*ret = strdup(path);
		return *ret ? 0 : -ENOMEM;
	}
	cwd = getcwd(NULL, 0);
	if (!cwd)
		return errmsg_set(msg, -errno, "cannot tell the working directory: %s", strerror(errno));
	return asprintf(ret, "%s/%s", cwd, path) < 0 ? -ENOMEM : 0;
}

static int take_option(struct run *run, int opt, const char *argument, struct errmsg *msg)
{
	int number;

	switch (opt) {
	case OPT_SETENV:
		if (!strchr(argument, '=') || argument[0] == '=')
			return errmsg_set(msg, -EINVAL, "--setenv: '%s' is not NAME=VALUE", argument);
		run->changes[run->change_count++] = (struct env_change){opt, argument};
		return 0;
	case OPT_UNSETENV:
		if (argument[0] == '\0' || strchr(argument, '='))
			return errmsg_set(msg, -EINVAL, "--unsetenv: '%s' is not a variable's name", argument);
		run->changes[run->change_count++] = (struct env_change){opt, argument};
		return 0;
	case OPT_CLEARENV:
		run->changes[run->change_count++] = (struct env_change){opt, NULL};
		return 0;
	case OPT_CHDIR:
		run->front.supervisor.launch.chdir = argument;
		return 0;
	case OPT_PASS_FD:
		return take_pass_fd(run, argument, msg);
	case OPT_DIE_WITH_PARENT:
		run->front.die_with_parent = true;
		return 0;
	case OPT_KILL_ON_EXIT:
		run->front.supervisor.launch.kill_on_exit = true;
		return 0;
	case OPT_LOG:
		run->log_file = argument;
		return 0;
	case OPT_LOG_FD:
		return open_descriptor("log-fd", argument, &run->log_fd, msg);
	case OPT_RECORD_FD:
		run->front.wait_for_end = true;
		return open_descriptor("record-fd", argument, &run->front.supervisor.record_fd, msg);
	case OPT_JSON_STATUS_FD:
		return open_descriptor("json-status-fd", argument, &run->status_fd, msg);
	case OPT_STATS:
		free(run->stats_file);
		run->stats_file = NULL;
		run->front.wait_for_end = true;
		return absolute(argument, &run->stats_file, msg);
	case OPT_WORKERS:
		if (parse_number(argument, &number) < 0 || number < 1 || number > 1024)
			return errmsg_set(msg, -EINVAL, "--workers: '%s' is not a number from 1 to 1024", argument);
		run->front.supervisor.workers = (unsigned)number;
		return 0;
	default:
		if (policy_options_take(run->options, opt, argument))
			return 0;
		number = run_crypt_take(&run->crypt, opt, argument, msg);
		return number == 0 ? errmsg_set(msg, -EINVAL, "an option without a meaning") : number < 0 ? number : 0;
	}
}

/* Each word can be one of these. */
static int make_room(struct run *run, int argc)
{
	struct env_change *changes = reallocarray(run->changes, (size_t)argc + 1 + run->change_count, sizeof(*changes));
	int *fds = reallocarray(run->pass_fds, (size_t)argc + 1 + run->pass_fd_count, sizeof(*fds));

	run->changes = changes ? changes : run->changes;
	run->pass_fds = fds ? fds : run->pass_fds;
	return changes && fds ? 0 : -ENOMEM;
}

/* Returns 0, 1 when only help was wanted, or a negative errno with MSG. */
static int parse(struct run *run, int argc, char **argv, struct errmsg *msg)
{
	if (make_room(run, argc) < 0 || policy_options_new(&run->options) < 0)
		return -ENOMEM;

	opterr = 0;
	optind = 1;
	for (;;) {
		int at = optind;
		int opt = getopt_long(argc, argv, "+:h" POLICY_SHORT_OPTIONS, long_options, NULL);
		if (opt == -1)
			break;
		if (opt == 'h')
			return 1;
		if (opt == '?')
			return errmsg_set(msg, -EINVAL, "unknown option %s (scrim run --help lists them)", argv[at]);
		if (opt == ':')
			return errmsg_set(msg, -EINVAL, "option %s needs an argument", argv[at]);
		int r;
		if (opt == OPT_ARGS) {
			r = arguments_insert(&run->arguments, optarg, optind, &argc, &argv, msg);
			if (r == 0)
				r = make_room(run, argc);
			optind = 1;
		} else {
			r = take_option(run, opt, optarg, msg);
		}
		if (r < 0)
			return r;
	}
	if (optind >= argc)
		return errmsg_set(msg, -EINVAL, "no command was given (usage: scrim run [OPTION]... [--] COMMAND...)");
	if (argv[optind][0] == '\0')
		return errmsg_set(msg, -EINVAL, "the command's name is empty");
	run->front.supervisor.launch.argv = &argv[optind];
	return 0;
}

/* The lowest of FDS that is not below FROM, or of those and LEAST; -1: none. */
static int lowest(const int *fds, size_t count, unsigned from, int least)
{
	for (size_t i = 0; i < count; i++)
		if (fds[i] >= (int)from && (least < 0 || fds[i] < least))
			least = fds[i];
	return least;
}

/* Nothing that scrim inherited stays open by accident, in it or in the command. */
static int close_others(const struct run *run)
{
	unsigned from = 3;

	for (;;) {
		int kept = lowest(&run->log_fd, 1, from, -1);
		kept = lowest(&run->kept_fd, 1, from, kept);
		kept = lowest(&run->status_fd, 1, from, kept);
		kept = lowest(run->pass_fds, run->pass_fd_count, from, kept);
		kept = lowest(run->crypt.fds, run->crypt.fd_count, from, kept);
		unsigned last = kept < 0 ? ~0u : (unsigned)kept - 1;
		if (last >= from && syscall(SYS_close_range, from, last, 0) < 0)
			return -errno;
		if (kept < 0)
			return 0;
		from = (unsigned)kept + 1;
	}
}

static int load_policy(struct run *run, struct errmsg *msg)
{
	struct verdict verdict;

	int r = policy_options_load(run->options, &run->policy, msg);
	if (r < 0)
		return r;
	/* Who learns what a policy has to say has none yet. */
	for (uint32_t i = 0; !run->front.supervisor.record_fd && policy_warning(run->policy, i); i++)
		cli_warn("%s", policy_warning(run->policy, i));

	_cleanup_free_ char *cwd = getcwd(NULL, 0);
	if (cwd && cwd[0] == '/') {
		policy_verdict(run->policy, cwd, strlen(cwd), &verdict);
		if (verdict.visibility == VIS_HIDE || verdict.visibility == VIS_DENY) {
			const struct rule *rule = policy_rule(run->policy, (uint32_t)verdict.visibility_rule);
			return errmsg_set(msg, -EPERM,
					  "the working directory %s is covered by the rule '%s %s' (%s); "
					  "change to another directory first",
					  cwd, rule->verb, rule->pattern, rule->origin);
		}
	}
	run->front.supervisor.policy = run->policy;
	return 0;
}

static int make_environment(struct run *run)
{
	int r = environment_new((const char *const *)environ, &run->environment);
	if (r == 0)
		r = environment_apply_policy(run->environment, run->policy);
	for (size_t i = 0; r == 0 && i < run->change_count; i++) {
		const struct env_change *change = &run->changes[i];
		if (change->kind == OPT_CLEARENV) {
			environment_clear(run->environment);
		} else if (change->kind == OPT_UNSETENV) {
			environment_unset(run->environment, change->argument);
		} else {
			const char *equals = strchr(change->argument, '=');
			_cleanup_free_ char *name = strndup(change->argument, (size_t)(equals - change->argument));
			r = name ? environment_set(run->environment, name, equals + 1) : -ENOMEM;
		}
	}
	if (r == 0)
		run->front.supervisor.launch.envp = environment_vars(run->environment);
	return r;
}

static int make_log(struct run *run, struct errmsg *msg)
{
	struct run_counters *counters =
		mmap(NULL, sizeof(*counters), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (counters == MAP_FAILED)
		return -errno;
	run->front.supervisor.counters = counters;

	struct log_config config = {.fd = -1, .counters = counters};
	if (run->log_fd >= 0) {
		config.fd = fcntl(run->log_fd, F_DUPFD_CLOEXEC, 3);
		if (config.fd < 0)
			return errmsg_set(msg, -errno, "--log-fd %d: %s", run->log_fd, strerror(errno));
	} else if (run->log_file) {
		config.fd = open(run->log_file, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0600);
		if (config.fd < 0)
			return errmsg_set(msg, -errno, "--log %s: %s", run->log_file, strerror(errno));
	} else {
		config.open = state_log_create;
		run->front.hint = "scrim explain --last";
	}
	int r = log_new(&config, &run->front.supervisor.log);
	if (r < 0)
		safe_close(config.fd);
	return r;
}

/* A descriptor for us alone is not the command's; one that is passed too is closed with those. */
static void let_go(struct run *run, int *fd)
{
	if (*fd > 2 && !is_passed(run, *fd))
		safe_close(*fd);
	*fd = -EBADF;
}

static int prepare(struct run *run, struct errmsg *msg)
{
	int r = run_crypt_find_fds(&run->crypt, msg);
	if (r < 0)
		return r;
	for (size_t i = 0; i < run->crypt.fd_count; i++)
		if (run->crypt.fds[i] == run->log_fd || is_passed(run, run->crypt.fds[i]))
			return errmsg_set(msg, -EINVAL, "--key-fd: descriptor %d is wanted for something else, too",
					  run->crypt.fds[i]);
	r = close_others(run);
	if (r < 0)
		return errmsg_set(msg, r, "close_range: %s (Linux 5.19 or later is needed)", strerror(-r));
	r = load_policy(run, msg);
	if (r < 0)
		return r;
	r = make_environment(run);
	if (r < 0)
		return r;
	r = make_log(run, msg);
	if (r < 0)
		return r;
	r = run_crypt_prepare(&run->crypt, run->policy, &run->front, msg);
	if (r < 0)
		return r;
	/* The streams are let go of while the command runs. */
	if (run->status_fd >= 0) {
		run->front.status_fd = fcntl(run->status_fd, F_DUPFD_CLOEXEC, 3);
		if (run->front.status_fd < 0)
			return errmsg_set(msg, -errno, "--json-status-fd %d: %s", run->status_fd, strerror(errno));
	}
	let_go(run, &run->log_fd);
	let_go(run, &run->status_fd);
	run->front.supervisor.launch.pass_fds = run->pass_fds;
	run->front.supervisor.launch.pass_fd_count = run->pass_fd_count;
	run->front.supervisor.stats_file = run->stats_file;
	return 0;
}

int cmd_run(int argc, char **argv)
{
	return run_command(argc, argv, -1);
}

int run_command(int argc, char **argv, int kept_fd)
{
	_cleanup_(run_done) struct run run = {.log_fd = -EBADF, .status_fd = -EBADF, .kept_fd = kept_fd};
	struct errmsg msg = {0};

	int r = parse(&run, argc, argv, &msg);
	if (r == 0)
		r = prepare(&run, &msg);
	if (r == 1) {
		fputs(help_text, stdout);
		return 0;
	}
	if (r < 0) {
		cli_error("%s", msg.text[0] ? msg.text : strerror(-r));
		return EXIT_SCRIM_FAILED;
	}
	return front_run(&run.front);
}
