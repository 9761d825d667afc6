/* SPDX-License-Identifier: Apache-2.0 */
/* The supervisor's side of a launch. */
#include "intercept/launch.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "intercept/filter/filter.h"
#include "intercept/launch_parts.h"

pid_t launch_clone(void)
{
	return (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL);
}

void front_tell(int front_socket, enum front_event event, int value, const char *text)
{
	struct front_message message = {.event = (int)event, .value = value};

	if (text)
		snprintf(message.text, sizeof(message.text), "%s", text);
	while (send(front_socket, &message, sizeof(message), MSG_NOSIGNAL) < 0 && errno == EINTR)
		;
}

void launch_tell_supervisor(const struct launch_parts *parts, int error, int listener, const char *what)
{
	struct launch_report report = {.error = error, .command = getpid(), .listener = listener};

	snprintf(report.what, sizeof(report.what), "%s", what);
	while (write(parts->report, &report, sizeof(report)) < 0 && errno == EINTR)
		;
}

/*
 * Keep the user's 0, 1, 2 under higher numbers for the command and put /dev/null in their place: the supervisor
 * outlives the command where descendants do, and a pipeline must see its end.
 */
static int put_stdio_aside(int saved[3])
{
	_cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0)
		return -errno;

	for (int fd = 0; fd < 3; fd++) {
		int flags = fcntl(fd, F_GETFD);
		/* Close-on-exec: it was closed and main() put a stopgap there. */
		if (flags >= 0 && !(flags & FD_CLOEXEC)) {
			saved[fd] = fcntl(fd, F_DUPFD_CLOEXEC, 3);
			if (saved[fd] < 0)
				return -errno;
		}
	}
	for (int fd = 0; fd < 3; fd++)
		if (null != fd && dup3(null, fd, O_CLOEXEC) < 0)
			return -errno;
	if (null < 3)
		steal_fd(&null);
	return 0;
}

/* One report, or -ECHILD when the reaper died first. */
static int receive_report(int fd, int pidfd, struct launch_report *ret)
{
	for (;;) {
		struct pollfd polled[] = {{.fd = fd, .events = POLLIN}, {.fd = pidfd, .events = POLLIN}};
		if (poll(polled, ARRAY_LEN(polled), -1) < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (polled[0].revents & POLLIN)
			return read(fd, ret, sizeof(*ret)) == (ssize_t)sizeof(*ret) ? 0 : -EIO;
		if (polled[1].revents)
			return -ECHILD;
	}
}

static void close_all(int *fds, size_t count)
{
	for (size_t i = 0; i < count; i++)
		fds[i] = safe_close(fds[i]);
}

/* Everything that exists only while a launch is under way. */
struct launch_work {
	struct launch_parts parts;
	int report[2], go[2];
};

static void launch_work_done(struct launch_work *work)
{
	close_all(work->parts.stdio, 3);
	close_all(work->report, 2);
	close_all(work->go, 2);
	safe_close(work->parts.exited);
	if (work->parts.stands)
		munmap((void *)work->parts.stands, sizeof(*work->parts.stands));
}

static int prepare(struct launch_work *work)
{
	int r = put_stdio_aside(work->parts.stdio);
	if (r < 0)
		return r;
	void *shared = mmap(NULL, sizeof(*work->parts.stands), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return -errno;
	work->parts.stands = shared;
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0 || pipe2(work->report, O_CLOEXEC) < 0 ||
	    pipe2(work->go, O_CLOEXEC) < 0)
		return -errno;
	if (work->parts.config->commits) {
		work->parts.exited = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (work->parts.exited < 0)
			return -errno;
	}
	work->parts.report = work->report[1];
	work->parts.go = work->go[0];
	return 0;
}

/* The processes are there; find out whether the command stands. */
static int finish(const struct launch_config *config, struct launch_work *work, pid_t reaper, struct launch *ret,
		  struct errmsg *msg)
{
	struct launch_report got = {0};

	_cleanup_close_ int reaper_pidfd = (int)syscall(SYS_pidfd_open, reaper, 0);
	if (reaper_pidfd < 0)
		return errmsg_set(msg, -errno, "cannot watch a process: %s", strerror(errno));
	int r = receive_report(work->report[0], reaper_pidfd, &got);
	if (r < 0)
		return errmsg_set(msg, r, "the command died while it was started");
	if (got.error < 0)
		return errmsg_set(msg, got.error, "%s: %s", got.what, strerror(-got.error));
	/* Standard input is /dev/null here by now: a descriptor as good as any to be injected. */
	r = config->proven ? filter_prove(got.listener, got.command, reaper_pidfd, STDIN_FILENO) : 0;
	if (r == -ECHILD)
		return errmsg_set(msg, r, "the command died while it was started");
	if (r < 0)
		return errmsg_set(msg, r, "the command's calls cannot be served: %s", strerror(-r));

	_cleanup_close_ int pidfd = (int)syscall(SYS_pidfd_open, got.command, 0);
	/* ESRCH: killed and reaped already. That is an end like any other, and the reaper has told front. */
	if (pidfd < 0 && errno != ESRCH)
		return errmsg_set(msg, -errno, "cannot watch the command: %s", strerror(errno));
	/* The user's directory must not be busy for as long as a descendant lives. */
	if (chdir("/") < 0)
		return errmsg_set(msg, -errno, "cannot change to /: %s", strerror(errno));
	/* The command has a table of its own by now: what is closed here it does not lose. */
	for (size_t i = 0; i < config->pass_fd_count; i++)
		close(config->pass_fds[i]);
	*ret = (struct launch){
		.reaper = reaper,
		.command = got.command,
		.listener = got.listener,
		.go = steal_fd(&work->go[1]),
		.command_pidfd = steal_fd(&pidfd),
		.exited = steal_fd(&work->parts.exited),
		.front_socket = config->front_socket,
	};
	return 0;
}

int launch_start(const struct launch_config *config, struct launch *ret, struct errmsg *msg)
{
	_cleanup_(launch_work_done) struct launch_work work = {
		.parts = {.config = config, .supervisor = getpid(), .stdio = {-1, -1, -1}, .exited = -EBADF},
		.report = {-1, -1},
		.go = {-1, -1},
	};

	int r = prepare(&work);
	if (r < 0)
		return errmsg_set(msg, r, "cannot prepare the launch: %s", strerror(-r));
	pid_t reaper = launch_clone();
	if (reaper < 0)
		return errmsg_set(msg, -errno, "cannot start a process: %s", strerror(errno));
	if (reaper == 0)
		reaper_run(&work.parts);

	r = finish(config, &work, reaper, ret, msg);
	/* A held command reads the end of the pipe when nobody is left who could let it go. */
	if (r < 0)
		kill(reaper, SIGKILL);
	return r;
}

int launch_go(struct launch *launch)
{
	front_tell(launch->front_socket, FRONT_STARTED, launch->command, NULL);
	/* EPIPE: somebody killed it while it was held. */
	while (write(launch->go, "", 1) < 0 && errno != EPIPE)
		if (errno != EINTR)
			return -errno;
	launch->go = safe_close(launch->go);
	return 0;
}

int launch_wait(struct launch *launch)
{
	siginfo_t info;

	while (waitid(P_PID, (id_t)launch->reaper, &info, WEXITED) < 0)
		if (errno != EINTR)
			return -errno;
	if (info.si_code == CLD_EXITED && info.si_status == 0) {
		launch->command_pidfd = safe_close(launch->command_pidfd);
		return 0;
	}
	/* Nobody adopts, reaps or tells any more; the command must not run on as if it were watched. */
	syscall(SYS_pidfd_send_signal, launch->command_pidfd, SIGKILL, NULL, 0);
	launch->command_pidfd = safe_close(launch->command_pidfd);
	return -ESRCH;
}
