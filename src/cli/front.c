/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/front.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/signals.h"
#include "cli/cli.h"
#include "cli/summary.h"
#include "intercept/filter/filter.h"
#include "lazy/lazy.h"

/* How long the end of the supervisor is awaited when something was refused: so that the log is there to be read. */
#define LOG_WAIT_MS 300
/* The same when it has said that it ends: so that its locks on encrypted files are gone. Nothing but a log keeps it then. */
#define END_WAIT_MS 5000

struct front {
	const struct front_config *config;
	const struct signal_state *original;
	int socket;
	int signals;
	int terminal; /* -1: none */
	bool foreground; /* our group had the terminal at the start */
	pid_t supervisor;
	pid_t command; /* 0: not known yet */
	int status;
	bool exited;	  /* the command has, with `status`; what it wrote is being committed */
	bool committed;
	bool ends;	  /* and the supervisor ends at once */
	int commit_error; /* 0, or why not all of it is */
	bool leave;	  /* the user waits no longer for that */
};

/* As a process of the user's: a signal or the terminal's stop ends or stops it. */
static int prepare(struct front_config *config, struct errmsg *msg)
{
	sigset_t all;

	signal_state_restore(config->supervisor.launch.original_signals);
	int r = config->prepare(config->prepare_data, &config->supervisor, msg);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	return r;
}

/* The supervisor's process: everything that is the user's is let go. */
static _Noreturn void be_supervisor(struct front_config *config, int front_socket)
{
	static const int ignored[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGTERM, SIGPIPE, SIGALRM,
				      SIGUSR1, SIGUSR2, SIGTSTP, SIGTTIN, SIGTTOU};
	struct signal_state state;
	struct errmsg msg = {0};

	prctl(PR_SET_NAME, "scrim-view", 0, 0, 0);
	if (config->status_fd > 0)
		close(config->status_fd);
	/* The policy and keys are in this memory: no core file, no debugger of the same user. */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (config->prepare) {
		int r = prepare(config, &msg);
		if (r < 0) {
			errmsg_set(&msg, r, "the run cannot be prepared: %s", strerror(-r));
			front_tell(front_socket, FRONT_FAILED, FRONT_REASON_KNOWN, msg.text);
			_exit(EXIT_SCRIM_FAILED);
		}
	}
	setpgid(0, 0);
	sigemptyset(&state.mask);
	sigemptyset(&state.ignored);
	for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
		sigaddset(&state.ignored, ignored[i]);
	signal_state_restore(&state);

	int r = supervisor_main(&config->supervisor, &msg);
	if (r < 0) {
		errmsg_set(&msg, r, "the supervisor failed: %s", strerror(-r));
		front_tell(front_socket, FRONT_FAILED, 0, msg.text);
	}
	log_free(config->supervisor.log);
	_exit(r < 0 ? EXIT_SCRIM_FAILED : 0);
}

static void request(const struct front *front, int number)
{
	const struct front_request wanted = {.signal = number};

	send(front->socket, &wanted, sizeof(wanted), MSG_NOSIGNAL);
}

static void stop_ourselves(struct front *front, int number);

/* The supervisor has been stopped at its question for a passphrase (Ctrl-Z): so are we, and go on together. */
static void mirror_stop(struct front *front)
{
	siginfo_t info = {0};

	if (waitid(P_PID, (id_t)front->supervisor, &info, WSTOPPED | WNOHANG) < 0 || info.si_pid == 0)
		return;
	stop_ourselves(front, info.si_status);
	kill(front->supervisor, SIGCONT);
}

/*
 * What the terminal sends reaches the command by itself: it is in our group. What a process sends by kill(2) is meant
 * for the command that we stand for. (Sent to the whole group it arrives twice: that cannot be told apart.)
 */
static void take_signal(struct front *front, const struct signalfd_siginfo *info)
{
	int number = (int)info->ssi_signo;
	bool from_kernel = info->ssi_code == SI_KERNEL;

	if (front->exited) {
		front->leave |= number == SIGINT || number == SIGTERM || number == SIGHUP || number == SIGQUIT;
		return;
	}
	switch (number) {
	case SIGCHLD:
		if (front->command == 0 && front->config->prepare)
			mirror_stop(front);
		return;
	case SIGPIPE:
	case SIGWINCH:
	case SIGURG:
		return;
	case SIGCONT:
		/* Not when it only wakes us. The reaper continues the command only where that is stopped. */
		if (info->ssi_code == SI_QUEUE && info->ssi_int == FRONT_WAKE)
			return;
		break;
	case SIGHUP:
		/* At a hangup the kernel tells the session leader alone. */
		if (from_kernel && getsid(0) != getpid())
			return;
		break;
	default:
		if (from_kernel || sigismember(&front->original->ignored, number) == 1)
			return;
	}
	/* While passphrases are asked for there is no command yet, and afterwards the supervisor minds no signal. */
	if (front->command == 0 && front->config->prepare)
		kill(front->supervisor, number);
	request(front, number);
}

/* Stop as the command did, so that the shell sees the job stopped by that very signal. */
static void stop_ourselves(struct front *front, int number)
{
	sigset_t one;

	if (sigismember(&front->original->ignored, number) == 1 ||
	    (number != SIGTSTP && number != SIGTTIN && number != SIGTTOU))
		number = SIGSTOP;
	if (number == SIGSTOP) {
		raise(SIGSTOP);
		return;
	}
	/* The terminal's own may be pending too: stopping twice for one key would need two fg. */
	struct signalfd_siginfo info;
	while (read(front->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
		if ((int)info.ssi_signo != number)
			take_signal(front, &info);
	signal(number, SIG_DFL);
	raise(number);
	sigemptyset(&one);
	sigaddset(&one, number);
	/* Stops here, or, in an orphaned group, not at all: as the kernel treats the command. */
	sigprocmask(SIG_UNBLOCK, &one, NULL);
	sigprocmask(SIG_BLOCK, &one, NULL);
}

/*
 * A pipeline must see its end when the command closes its side, not when we end; a terminal does not mind. Standard
 * error stays: why a run ended with 125 has to be said.
 */
static void let_streams_go(void)
{
	_cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = 0; null >= 0 && fd < 2; fd++)
		if (!isatty(fd))
			dup2(null, fd);
}

/* If the command took the terminal for a group that is dead or was its own, take it back for ours. */
static void take_terminal_back(const struct front *front)
{
	if (front->terminal < 0 || !front->foreground)
		return;
	pid_t holder = tcgetpgrp(front->terminal);
	if (holder > 0 && holder != getpgrp() &&
	    (holder == front->command || (kill(-holder, 0) < 0 && errno == ESRCH)))
		tcsetpgrp(front->terminal, getpgrp()); /* SIGTTOU is blocked: allowed from the background */
}

static int exit_status(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* At its question for a passphrase, by Ctrl-C or somebody's signal: then nothing has failed. */
static bool ended_by_signal(struct front *front)
{
	siginfo_t info = {0};

	if (front->command != 0 || !front->config->prepare ||
	    waitid(P_PID, (id_t)front->supervisor, &info, WEXITED | WNOWAIT) < 0 || info.si_code == CLD_EXITED)
		return false;
	front->status = 128 + info.si_status;
	switch (info.si_status) {
	case SIGINT:
	case SIGTERM:
	case SIGHUP:
	case SIGQUIT:
		return true;
	default:
		return false;
	}
}

/* As bubblewrap has it. */
static void tell_status(const struct front *front, const char *what, int value)
{
	if (front->config->status_fd > 0)
		dprintf(front->config->status_fd, "{\"%s\": %d}\n", what, value);
}

/* One message. Returns true when the command's part is over and `status` is set. */
static bool take_message(struct front *front)
{
	struct front_message message, next;

	ssize_t n = recv(front->socket, &message, sizeof(message), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n != (ssize_t)sizeof(message)) {
		if (ended_by_signal(front))
			return true;
		if (front->exited) {
			front->commit_error = -EOWNERDEAD;
			return true;
		}
		cli_error("the supervisor ended unexpectedly; the command was killed");
		front->status = EXIT_SCRIM_FAILED;
		return true;
	}
	switch ((enum front_event)message.event) {
	case FRONT_STARTED:
		front->command = message.value;
		tell_status(front, "child-pid", front->command);
		let_streams_go();
		return false;
	case FRONT_STOPPED:
		/* Unless it has gone on or ended since: we may have been stopped along with it. */
		if (recv(front->socket, &next, sizeof(next), MSG_DONTWAIT | MSG_PEEK) < 0)
			stop_ourselves(front, message.value);
		return false;
	case FRONT_CONTINUED:
		request(front, 0);
		return false;
	case FRONT_EXITED:
		front->status = exit_status(message.value);
		front->exited = true;
		return front->committed || !front->config->commits;
	case FRONT_ENDS:
	case FRONT_COMMITTED:
		front->ends = message.event == FRONT_ENDS;
		front->committed = true;
		front->commit_error = message.value;
		return front->exited;
	case FRONT_FAILED:
		message.text[sizeof(message.text) - 1] = '\0';
		/* Why nothing could start: what the machine does not allow is looked for only now, it takes as long as a start. */
		struct errmsg reason = {0};
		if (front->command == 0 && message.value != FRONT_REASON_KNOWN && filter_check_requirements(&reason) < 0)
			cli_error("%s", reason.text);
		else
			cli_error("%s", message.text);
		front->status = EXIT_SCRIM_FAILED;
		return true;
	}
	return false;
}

static void loop(struct front *front)
{
	for (;;) {
		struct pollfd polled[] = {{.fd = front->socket, .events = POLLIN},
					  {.fd = front->signals, .events = POLLIN}};
		if (poll(polled, ARRAY_LEN(polled), -1) < 0)
			continue;
		struct signalfd_siginfo info;
		while (read(front->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
			take_signal(front, &info);
		if (front->leave || (polled[0].revents && take_message(front)))
			return;
	}
}

static void wait_for_supervisor(const struct front *front, int timeout_ms)
{
	_cleanup_close_ int pidfd = (int)syscall(SYS_pidfd_open, front->supervisor, 0);
	struct pollfd polled = {.fd = pidfd, .events = POLLIN};

	if (pidfd >= 0)
		while (poll(&polled, 1, timeout_ms) < 0 && errno == EINTR)
			;
}

/* It survives an exec: the command that is started in our place would be a subreaper, and is one instead of us. */
static bool give_up_subreaper(void)
{
	int is = 0;

	return prctl(PR_GET_CHILD_SUBREAPER, &is, 0, 0, 0) == 0 && is && prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0) == 0;
}

/* Returns the supervisor's pid with our end of the socket in RET_SOCKET, or a negative errno. Blocks all signals. */
static pid_t start_supervisor(struct front_config *config, int *ret_socket)
{
	int pair[2];
	sigset_t all;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	config->supervisor.launch.front_socket = pair[1];
	config->supervisor.launch.front_pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	config->supervisor.launch.process_group = getpgrp();
	config->supervisor.launch.die_with_front = config->die_with_parent;
	config->supervisor.launch.subreaper = give_up_subreaper();
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	signal(SIGCHLD, SIG_DFL);

	pid_t pid = fork();
	if (pid == 0) {
		close(pair[0]);
		be_supervisor(config, pair[1]);
	}
	int error = -errno;
	safe_close(config->supervisor.launch.front_pidfd);
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		return error;
	}
	*ret_socket = pair[0];
	return pid;
}

/* The command's own failure is told before ours. */
static void say_not_committed(struct front *front)
{
	cli_error("not all that was written to encrypted files is on the disk: %s",
		  front->commit_error == -EOWNERDEAD ? "the supervisor ended" : strerror(-front->commit_error));
	if (front->status == 0)
		front->status = EXIT_SCRIM_FAILED;
}

int front_run(struct front_config *config)
{
	struct signal_state original;
	struct front front = {.config = config, .original = &original, .terminal = -1};
	sigset_t all;

	signal_state_save(&original);
	config->supervisor.launch.original_signals = &original;
	config->supervisor.before_start = lazy_seal;
	if (config->die_with_parent) {
		pid_t parent = getppid();
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		if (getppid() != parent)
			return EXIT_SCRIM_FAILED;
	}

	front.supervisor = start_supervisor(config, &front.socket);
	lazy_seal();
	if (front.supervisor < 0) {
		cli_error("cannot start the supervisor: %s", strerror(-front.supervisor));
		return EXIT_SCRIM_FAILED;
	}
	for (size_t i = 0; i < config->supervisor.launch.pass_fd_count; i++)
		close(config->supervisor.launch.pass_fds[i]);
	for (size_t i = 0; i < config->private_fd_count; i++)
		close(config->private_fds[i]);
	front.terminal = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	front.foreground = front.terminal >= 0 && tcgetpgrp(front.terminal) == getpgrp();
	sigfillset(&all);
	front.signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	if (front.signals < 0) {
		cli_error("cannot watch signals: %s", strerror(errno));
		return EXIT_SCRIM_FAILED;
	}

	loop(&front);
	take_terminal_back(&front);
	if (front.commit_error < 0)
		say_not_committed(&front);
	if (config->wait_for_end)
		wait_for_supervisor(&front, -1);
	else if (front.ends)
		wait_for_supervisor(&front, END_WAIT_MS);
	else if (summary_total(config->supervisor.counters) > 0)
		wait_for_supervisor(&front, LOG_WAIT_MS);
	summary_print(config->supervisor.counters, config->hint);
	tell_status(&front, "exit-code", front.status);
	return front.status;
}
