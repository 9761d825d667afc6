/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reaper: parent of the command, adopter of every orphan of the view, and nothing else. Single-threaded, all
 * signals blocked (SIGTERM and its like only wake it), in a session of its own: so the command's process group is
 * orphaned exactly when the front process's would be, and a stop that the kernel would discard is discarded.
 */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "intercept/launch_parts.h"

/* How long the exit of the command is kept back while the rest of the view is being killed. */
#define KILL_ROUNDS_MAX 200
#define KILL_ROUND_MS 10

/* How often, and after how long, a front process that does not answer is woken again. */
#define WAKES_MAX 50
#define WAKE_MS 20

/* How long a command that is to be continued may still be on its way: by the same signal to the whole group. */
#define CONTINUE_MS 30

struct reaper {
	const struct launch_parts *parts;
	const struct launch_config *config;
	pid_t command;
	bool alive;	/* the command has not been reaped */
	bool front;	/* the front process still listens */
	bool killing;	/* everything is to die */
	bool exit_due;	/* the exit status is kept back until the rest is dead */
	int status;
	unsigned rounds;
	bool was_stopped; /* at any time: only then front can be */
	unsigned wakes;	  /* still to be sent, unless front answers */
	bool supervised;  /* the supervisor lives, as far as we know */
	int exited;	  /* eventfd for the supervisor (launch_parts.h); -EBADF: nobody waits */
	int64_t continue_at; /* when to look whether the command still needs a SIGCONT, in ms; 0: it does not */
};

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void tell(struct reaper *reaper, enum front_event event, int value, const char *text)
{
	if (reaper->front)
		front_tell(reaper->config->front_socket, event, value, text);
}

/*
 * A front process that mirrors a stop hears nothing until it is continued. It may be about to stop at this moment, and
 * a stop takes back a SIGCONT that came before it: so it is woken until it answers.
 */
static void wake_front(struct reaper *reaper)
{
	siginfo_t info = {.si_signo = SIGCONT, .si_code = SI_QUEUE};

	info.si_pid = getpid();
	info.si_uid = getuid();
	info.si_value.sival_int = FRONT_WAKE;
	if (reaper->front && reaper->config->front_pidfd >= 0)
		syscall(SYS_pidfd_send_signal, reaper->config->front_pidfd, SIGCONT, &info, 0);
}

#define PF_EXITING 0x4u /* include/linux/sched.h */

struct stat_line {
	char state;
	pid_t parent;
	unsigned flags;
};

/* /proc/PID/stat, behind the name, which may hold anything. */
static int read_stat(pid_t pid, struct stat_line *ret)
{
	char path[64], text[512];

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ssize_t n = read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return n < 0 ? -errno : -ESRCH;
	text[n] = '\0';

	const char *after = strrchr(text, ')');
	struct stat_line line;
	if (!after || sscanf(after + 1, " %c %d %*d %*d %*d %*d %u", &line.state, &line.parent, &line.flags) != 3)
		return -EIO;
	*ret = line;
	return 0;
}

/* Kill our children by looking through all of /proc: for kernels without the list of children. */
static void kill_children_by_scan(void)
{
	DIR *proc = opendir("/proc");
	if (!proc)
		return;
	for (const struct dirent *entry; (entry = readdir(proc));) {
		struct stat_line line;
		pid_t pid = atoi(entry->d_name);
		if (pid > 0 && read_stat(pid, &line) == 0 && line.parent == getpid())
			kill(pid, SIGKILL);
	}
	closedir(proc);
}

/*
 * Kill our children. A child of ours stays ours until we reap it, so no stranger can have its number. What they leave
 * behind becomes our child in turn; the caller repeats until there is none.
 */
static void kill_children(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	FILE *list = fopen(path, "re");
	if (!list) {
		kill_children_by_scan();
		return;
	}
	for (int pid; fscanf(list, "%d", &pid) == 1;)
		kill(pid, SIGKILL);
	fclose(list);
}

static void forward(struct reaper *reaper, int number)
{
	if (!reaper->alive)
		return;
	if (number != SIGCONT) {
		kill(reaper->command, number);
		return;
	}
	/*
	 * A shell's fg continues the whole group: a second SIGCONT would run the program's handler twice. The kernel goes
	 * from one member to the next, so that front may be running before the command is.
	 */
	reaper->continue_at = now_ms() + CONTINUE_MS;
}

/* A command that nobody else has continued meanwhile, nor stopped again. */
static void continue_command(struct reaper *reaper)
{
	struct stat_line line;
	pid_t group = getpgid(reaper->command);

	reaper->continue_at = 0;
	if (!reaper->alive || read_stat(reaper->command, &line) < 0 || (line.state != 'T' && line.state != 't'))
		return;
	if (group > 0 && group != reaper->config->process_group)
		kill(-group, SIGCONT);
	else
		kill(reaper->command, SIGCONT);
}

static void take_requests(struct reaper *reaper)
{
	for (;;) {
		struct front_request request;
		ssize_t n = recv(reaper->config->front_socket, &request, sizeof(request), MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			reaper->front = false;
			if (reaper->alive) {
				kill(reaper->command, SIGKILL);
				reaper->killing |= reaper->config->die_with_front;
			}
			return;
		}
		if (n == (ssize_t)sizeof(request) && request.signal == 0)
			reaper->wakes = 0;
		else if (n == (ssize_t)sizeof(request) && request.signal > 0 && request.signal < NSIG)
			forward(reaper, request.signal);
	}
}

/* Ended by a signal that somebody sent, not by something that went wrong in the start. */
static bool was_told_to_die(int status)
{
	switch (WIFSIGNALED(status) ? WTERMSIG(status) : SIGSYS) {
	case SIGSYS:
	case SIGSEGV:
	case SIGBUS:
	case SIGILL:
	case SIGABRT:
		return false;
	default:
		return true;
	}
}

static void command_changed(struct reaper *reaper, int status)
{
	reaper->continue_at = 0;
	if (WIFSTOPPED(status)) {
		reaper->was_stopped = true;
		reaper->wakes = 0;
		tell(reaper, FRONT_STOPPED, WSTOPSIG(status), NULL);
	} else if (WIFCONTINUED(status)) {
		tell(reaper, FRONT_CONTINUED, 0, NULL);
		wake_front(reaper);
		reaper->wakes = WAKES_MAX;
	} else {
		reaper->alive = false;
		reaper->status = status;
		reaper->exit_due = true;
		reaper->killing |= reaper->config->kill_on_exit;
		/* The supervisor waits for a report that nobody will write any more: it must see us end. */
		if (!*reaper->parts->stands) {
			if (was_told_to_die(status))
				tell(reaper, FRONT_EXITED, status, NULL);
			_exit(1);
		}
	}
}

/*
 * Is PID at its end, or killed? proc(5): of its main thread, PF_EXITING among the flags of /proc/PID/stat, SIGKILL in SigPnd of
 * /proc/PID/status. What cannot be read is dead.
 */
static bool is_dying(pid_t pid)
{
	unsigned long long pending = 0;
	char path[64], text[256];
	struct stat_line line;

	if (read_stat(pid, &line) < 0 || line.flags & PF_EXITING)
		return true;
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	FILE *file = fopen(path, "re");
	while (file && fgets(text, sizeof(text), file))
		if (sscanf(text, "SigPnd: %llx", &pending) == 1)
			break;
	if (file)
		fclose(file);
	return !file || (pending >> (SIGKILL - 1) & 1);
}

/*
 * The supervisor's threads trace callers: who kills it kills the command too, by PTRACE_O_EXITKILL, and that may be seen before
 * its own end is. Then it is that end which is told.
 */
static bool died_with_supervisor(const struct reaper *reaper)
{
	return reaper->supervised && WIFSIGNALED(reaper->status) && WTERMSIG(reaper->status) == SIGKILL &&
	       is_dying(reaper->parts->supervisor);
}

static void tell_exit(struct reaper *reaper)
{
	if (!reaper->exit_due || died_with_supervisor(reaper))
		return;
	reaper->exit_due = false;
	if (reaper->exited >= 0)
		eventfd_write(reaper->exited, 1);
	tell(reaper, FRONT_EXITED, reaper->status, NULL);
	/* It ends at once, unless it has stopped. */
	for (unsigned i = 0; reaper->was_stopped && i < WAKES_MAX; i++) {
		struct pollfd polled = {.fd = reaper->config->front_socket, .events = POLLRDHUP};
		wake_front(reaper);
		if (poll(&polled, 1, WAKE_MS) > 0)
			break;
	}
}

static int next_timeout(struct reaper *reaper)
{
	if (reaper->killing || (reaper->exit_due && reaper->supervised))
		return KILL_ROUND_MS;
	if (reaper->continue_at) {
		int64_t left = reaper->continue_at - now_ms();
		return left > 0 ? (int)left : 0;
	}
	return reaper->wakes > 0 ? WAKE_MS : -1;
}

/* Returns false when no descendant is left. */
static bool reap(struct reaper *reaper)
{
	for (;;) {
		int status;
		pid_t pid = waitpid(-1, &status, WNOHANG | WUNTRACED | WCONTINUED);
		if (pid < 0 && errno == EINTR)
			continue;
		if (pid < 0)
			return false;
		if (pid == 0)
			return true;
		if (pid == reaper->command)
			command_changed(reaper, status);
	}
}

/* The table is ours alone now: whoever waits for an answer gets ENOSYS as soon as the listener is gone. */
static void supervisor_died(struct reaper *reaper, int signals)
{
	unsigned low = (unsigned)(signals < reaper->config->front_socket ? signals : reaper->config->front_socket);
	unsigned high = (unsigned)(signals < reaper->config->front_socket ? reaper->config->front_socket : signals);

	if (low > 0)
		syscall(SYS_close_range, 0u, low - 1, 0u);
	if (high > low + 1)
		syscall(SYS_close_range, low + 1, high - 1, 0u);
	syscall(SYS_close_range, high + 1, ~0u, 0u);
	if (reaper->alive || reaper->exit_due) {
		if (reaper->alive)
			kill(reaper->command, SIGKILL);
		tell(reaper, FRONT_FAILED, 0, "the supervisor died; the command was killed");
	} else if (reaper->config->commits) {
		tell(reaper, FRONT_FAILED, 0, "the supervisor died; what was written to encrypted files and not synced may be lost");
	}
	reaper->front = false;
	reaper->exited = -EBADF; /* closed, and the number may come to be another's */
	reaper->killing |= reaper->config->kill_on_exit;
}

static int reaper_loop(struct reaper *reaper, int signals)
{
	for (;;) {
		struct signalfd_siginfo info;
		while (read(signals, &info, sizeof(info)) > 0)
			;
		if (reaper->supervised && getppid() != reaper->parts->supervisor) {
			reaper->supervised = false;
			supervisor_died(reaper, signals);
		}
		bool left = reap(reaper);
		if (reaper->killing && left) {
			kill_children();
			left = reap(reaper);
		}
		if (!reaper->killing || !left || ++reaper->rounds > KILL_ROUNDS_MAX)
			tell_exit(reaper);
		if (!left && !reaper->exit_due)
			return 0;

		struct pollfd polled[] = {
			{.fd = signals, .events = POLLIN},
			{.fd = reaper->front ? reaper->config->front_socket : -1, .events = POLLIN},
		};
		int ready = poll(polled, ARRAY_LEN(polled), next_timeout(reaper));
		if (reaper->continue_at && now_ms() >= reaper->continue_at)
			continue_command(reaper);
		else if (ready == 0 && reaper->wakes > 0) {
			reaper->wakes--;
			wake_front(reaper);
		}
		if (ready <= 0)
			continue;
		if (polled[1].revents)
			take_requests(reaper);
	}
}

_Noreturn void reaper_run(const struct launch_parts *parts)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	/* An ignored SIGCHLD would reap behind our back; a default one is dropped unless blocked, which it is. */
	signal(SIGCHLD, SIG_DFL);
	prctl(PR_SET_NAME, "scrim-reaper", 0, 0, 0);
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	/* Callers reach objects by /proc/REAPER/fd/N, which the kernel allows for a dumpable process only. */
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	/* Any signal will do: what it means is seen by getppid(). */
	signal(SIGUSR2, SIG_DFL);
	prctl(PR_SET_PDEATHSIG, SIGUSR2, 0, 0, 0);

	int signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signals < 0) {
		launch_tell_supervisor(parts, -errno, -1, "signalfd");
		_exit(1);
	}
	pid_t command = launch_clone();
	if (command == 0)
		command_run(parts);
	if (command < 0) {
		launch_tell_supervisor(parts, -errno, -1, "cannot start a process");
		_exit(1);
	}
	/* Only now: the command had to be born in the caller's session. */
	setsid();
	if (chdir("/") < 0) {
		/* Stays where it is: an inconvenience, not a danger. */
	}

	struct reaper reaper = {
		.parts = parts, .config = parts->config, .command = command, .alive = true, .front = true,
		.supervised = true, .exited = parts->exited};
	_exit(reaper_loop(&reaper, signals));
}
