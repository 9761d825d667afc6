/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The start of a run proves what filter_check_requirements() tries on processes of its own, by the very processes and
 * the very filter that are to be relied on: which is more, and takes a twentieth of the time.
 */
#include "intercept/filter/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/seccomp.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "intercept/steer/guard.h"

/* Notified under every policy, and without effect should anything let it through: a length of 0 is EINVAL. */
#define PROBE_CALL SYS_mmap
#define PROBE_FLAGS (MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED)

/* How long an end that is under way is waited for. */
#define END_TIMEOUT_MS 10000

/* Read out of the command, which is a fork of us. */
static volatile const char memory_mark[16] = "prove me";

int filter_probe(void)
{
	long fd = syscall(PROBE_CALL, GUARD_ADDRESS, 0L, (long)PROT_NONE, (long)PROBE_FLAGS, -1L, 0L);

	if (fd < 0)
		return -errno;
	if (fcntl((int)fd, F_GETFD) < 0)
		return -EIO;
	close((int)fd);
	return 0;
}

/* The command's probe, or -ECHILD when its parent ended, which it does when the command died. */
static int receive_probe(int listener, int reaper_pidfd, struct seccomp_notif *ret)
{
	for (;;) {
		struct pollfd polled[] = {{.fd = listener, .events = POLLIN}, {.fd = reaper_pidfd, .events = POLLIN}};
		if (poll(polled, ARRAY_LEN(polled), -1) < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (!(polled[0].revents & POLLIN)) {
			if (polled[0].revents || polled[1].revents)
				return -ECHILD; /* nobody is bound by the filter any more; or nobody cares */
			continue;
		}
		memset(ret, 0, sizeof(*ret));
		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, ret) == 0)
			return 0;
		/* ENOENT: a stop or its death took it out of the call. */
		if (errno != EINTR && errno != ENOENT)
			return -errno;
	}
}

static int read_mark(pid_t pid)
{
	char copy[sizeof(memory_mark)];
	ssize_t n = memory_read(pid, (uintptr_t)memory_mark, copy, sizeof(copy));
	if (n < 0)
		return (int)n;
	return n == sizeof(copy) && memcmp(copy, (const char *)memory_mark, sizeof(copy)) == 0 ? 0 : -EIO;
}

/* Seized and interrupted: let it go from whatever stop comes first. */
static int detach(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, __WALL) < 0)
		if (errno != EINTR)
			return -errno;
	if (!WIFSTOPPED(status))
		return -ECHILD;
	/* A signal that was about to be delivered is; a stop of its group goes on by itself (ptrace(2)). */
	long number = status >> 16 == PTRACE_EVENT_STOP ? 0 : WSTOPSIG(status);
	return ptrace(PTRACE_DETACH, pid, NULL, number) < 0 ? -errno : 0;
}

static int inject_and_answer(int listener, uint64_t id, int fd)
{
	struct seccomp_notif_addfd add = {.id = id, .srcfd = (uint32_t)fd, .newfd_flags = O_CLOEXEC};
	int there = ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add);
	if (there < 0)
		return -errno;
	struct seccomp_notif_resp answer = {.id = id, .val = there};
	return ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer) < 0 ? -errno : 0;
}

static int prove(int listener, pid_t command, int reaper_pidfd, int fd)
{
	struct seccomp_notif call;

	int r = receive_probe(listener, reaper_pidfd, &call);
	if (r < 0)
		return r;
	/* A listener of another pid namespace sees no ids. */
	if ((pid_t)call.pid != command)
		return -EXDEV;
	if (call.data.nr != PROBE_CALL || call.data.args[0] != GUARD_ADDRESS || call.data.args[1] != 0)
		return -EPROTO;
	r = read_mark(command);
	if (r < 0)
		return r;
	if (ptrace(PTRACE_SEIZE, command, NULL, NULL) < 0)
		return -errno;
	if (ptrace(PTRACE_INTERRUPT, command, NULL, NULL) < 0)
		r = -errno;
	if (r == 0)
		r = inject_and_answer(listener, call.id, fd);
	/* Killed meanwhile (received, the call is left in no other way): while we trace it its parent is not told. */
	if (r == 0 || r == -ENOENT || r == -ESRCH)
		r = detach(command);
	return r;
}

int filter_prove(int listener, pid_t command, int reaper_pidfd, int fd)
{
	int r = prove(listener, command, reaper_pidfd, fd);
	if (r != -ECHILD && r != -ESRCH && r != -ENOENT)
		return r;

	/* It died. How is its parent's to tell, which does so before it ends. */
	struct pollfd ended = {.fd = reaper_pidfd, .events = POLLIN};
	while ((r = poll(&ended, 1, END_TIMEOUT_MS)) < 0 && errno == EINTR)
		;
	return r > 0 ? -ECHILD : -ETIMEDOUT;
}
