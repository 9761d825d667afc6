/* SPDX-License-Identifier: Apache-2.0 */
#include "intercept/parents.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"

/* The probe runs for microseconds; somebody outside may stop it. */
#define PROBE_MS 1000
#define INIT 1

/* linux/pidfd.h, Linux 6.13. */
struct pidfd_answer {
	uint64_t mask, cgroup;
	uint32_t pid, tgid, ppid;
	uint32_t rest[9];
};
#define PIDFD_ASK _IOWR(0xff, 11, struct pidfd_answer)
#define PIDFD_OF_THREAD O_EXCL /* PIDFD_THREAD, Linux 6.9 */

_Static_assert(sizeof(struct pidfd_answer) == 64, "PIDFD_INFO_SIZE_VER0");

struct parents {
	struct parents_config config;
	int command_pidfd;
	_Atomic bool no_pidfds; /* the kernel answers no PIDFD_ASK */
	pthread_mutex_t lock;	/* what follows */
	pid_t adopter;		/* 0: not known */
	int adopter_pidfd;
};

int parents_new(const struct parents_config *config, struct parents **ret)
{
	_cleanup_free_ struct parents *parents = calloc(1, sizeof(*parents));

	if (!parents)
		return -ENOMEM;
	parents->config = *config;
	parents->adopter_pidfd = -EBADF;
	parents->command_pidfd = -EBADF;
	/* Negative: it has ended already. */
	if (config->command_pidfd >= 0) {
		parents->command_pidfd = fcntl(config->command_pidfd, F_DUPFD_CLOEXEC, 0);
		if (parents->command_pidfd < 0)
			return -errno;
	}
	pthread_mutex_init(&parents->lock, NULL);
	*ret = TAKE_PTR(parents);
	return 0;
}

static int ask_kernel(struct parents *parents, pid_t tid, pid_t *ret_tgid, pid_t *ret_parent)
{
	struct pidfd_answer answer = {0};

	if (parents->no_pidfds)
		return -ENOSYS;
	_cleanup_close_ int pidfd = (int)syscall(SYS_pidfd_open, tid, PIDFD_OF_THREAD);
	if (pidfd < 0 || ioctl(pidfd, PIDFD_ASK, &answer) < 0) {
		int error = -errno;

		if (error != -ESRCH && error != -EMFILE)
			parents->no_pidfds = true;
		return error;
	}
	*ret_tgid = (pid_t)answer.tgid;
	*ret_parent = (pid_t)answer.ppid;
	return 0;
}

static int read_number(const char *text, const char *label, pid_t *ret)
{
	const char *line = strstr(text, label);

	if (!line)
		return -EIO;
	*ret = (pid_t)strtol(line + strlen(label), NULL, 10);
	return 0;
}

static int ask_procfs(const struct parents *parents, pid_t tid, pid_t *ret_tgid, pid_t *ret_parent)
{
	char path[32], text[1024];
	pid_t tgid, parent;

	snprintf(path, sizeof(path), "%d/status", (int)tid);
	_cleanup_close_ int fd = openat(parents->config.proc_fd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	ssize_t len = read(fd, text, sizeof(text) - 1);
	if (len < 0)
		return -errno;
	text[len] = '\0';
	int error = read_number(text, "\nTgid:\t", &tgid);
	if (!error)
		error = read_number(text, "\nPPid:\t", &parent);
	if (error)
		return error;
	*ret_tgid = tgid;
	*ret_parent = parent;
	return 0;
}

static int ask(struct parents *parents, pid_t tid, pid_t *ret_tgid, pid_t *ret_parent)
{
	int error = ask_kernel(parents, tid, ret_tgid, ret_parent);

	return error ? ask_procfs(parents, tid, ret_tgid, ret_parent) : 0;
}

static pid_t fork_with_table(void)
{
	/* No copy of anybody's open file description comes into being. */
	return (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL);
}

/* In the child's child: raw calls only, other threads' locks are held. */
static _Noreturn void be_orphan(pid_t between, int fd)
{
	pid_t parent;

	while ((parent = (pid_t)syscall(SYS_getppid)) == between)
		sched_yield();
	_exit(syscall(SYS_write, fd, &parent, sizeof(parent)) < 0);
}

/* Whose child an orphan below front becomes; 0: it cannot be found out now. */
static pid_t probe(void)
{
	_cleanup_close_ int ours = -EBADF, theirs = -EBADF;
	pid_t parent;
	int pair[2];

	if (pipe2(pair, O_CLOEXEC) < 0)
		return 0;
	ours = pair[0];
	theirs = pair[1];
	/* For this moment it is not ours. What the view orphans is the reaper's, which is nearer. */
	prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
	pid_t between = fork_with_table();
	if (between == 0) {
		pid_t self = (pid_t)syscall(SYS_getpid);

		if (fork_with_table() == 0)
			be_orphan(self, theirs);
		_exit(0);
	}
	while (between > 0 && waitpid(between, NULL, __WALL) < 0 && errno == EINTR)
		;
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);

	struct pollfd polled = {.fd = ours, .events = POLLIN};
	if (between < 0 || poll(&polled, 1, PROBE_MS) <= 0 || read(ours, &parent, sizeof(parent)) != sizeof(parent))
		return 0;
	return parent;
}

static bool has_ended(int pidfd)
{
	struct pollfd polled = {.fd = pidfd, .events = POLLIN};

	return poll(&polled, 1, 0) > 0;
}

static pid_t adopter(struct parents *parents)
{
	pid_t ours = getppid();

	/* Front has ended: the kernel has made of us what it would have made of an orphan. */
	if (ours != parents->config.front)
		return ours;
	pthread_mutex_lock(&parents->lock);
	if (!parents->adopter || (parents->adopter_pidfd >= 0 && has_ended(parents->adopter_pidfd))) {
		safe_close(parents->adopter_pidfd);
		parents->adopter = probe();
		parents->adopter_pidfd = parents->adopter ? (int)syscall(SYS_pidfd_open, parents->adopter, 0) : -EBADF;
	}
	ours = parents->adopter ? parents->adopter : INIT;
	pthread_mutex_unlock(&parents->lock);
	return ours;
}

/* Its number is not another's as long as nobody has waited for it. */
static bool is_command(const struct parents *parents, pid_t tgid)
{
	return tgid == parents->config.command && parents->command_pidfd >= 0 &&
	       (syscall(SYS_pidfd_send_signal, parents->command_pidfd, 0, NULL, 0) == 0 || errno == EPERM);
}

static pid_t shown(struct parents *parents, pid_t tgid, pid_t parent)
{
	pid_t front = parents->config.front, of_front, process;

	if (parent != parents->config.reaper)
		return parent;
	/* Asked about last, it was still there when the answer was had. */
	if (is_command(parents, tgid) && ask(parents, front, &process, &of_front) == 0 && getppid() == front)
		return of_front;
	return adopter(parents);
}

int parents_of(struct parents *parents, pid_t tid, pid_t *ret)
{
	pid_t tgid, parent;
	int error = ask(parents, tid, &tgid, &parent);

	if (error)
		return error;
	*ret = shown(parents, tgid, parent);
	return 0;
}
