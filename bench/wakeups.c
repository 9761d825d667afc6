/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What waking costs: one caller that opens and closes a file, one supervisor that does the opens, in several forms of
 * answering and of scheduling. For a machine with nothing else to do, and with HOGS processes that only compute, which
 * are of the same session and so compete where the kernel groups by session (sched(7), autogroup).
 *
 * Usage: bench_wakeups [TURNS [HOGS [ROUNDS]]]
 * Prints microseconds for each form: median, mean, 99 of 100, and the longest, each the median of the rounds. Pin it
 * with taskset to see it without crossings.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "listener.h"

#define ROUNDS_MAX 100
#define HOGS_MAX 64
#define SPIN_NANOSECONDS 50000.0

enum { MEDIAN, MEAN, P99, LONGEST, FIGURES };

static const struct form {
	const char *name;
	bool nosync; /* without the wake-up on the waker's processor */
	bool send;   /* install and answer in one call: wrong for a view, see floor.c */
	bool spin;   /* look for the next call for a while before blocking */
	bool follow; /* bind the supervisor to the processor that the caller ran on last */
	int policy;
	int nice;
	uint64_t slice; /* nanoseconds; 0: the kernel's own */
} forms[] = {
	{.name = "split"},
	{.name = "split, no sync", .nosync = true},
	{.name = "send", .send = true},
	{.name = "send, no sync", .send = true, .nosync = true},
	{.name = "split, SCHED_IDLE", .policy = SCHED_IDLE},
	{.name = "split, SCHED_BATCH", .policy = SCHED_BATCH},
	{.name = "split, nice 5", .nice = 5},
	{.name = "split, slice 0.1 ms", .slice = 100000},
	{.name = "split, slice 20 ms", .slice = 20000000},
	{.name = "split, spin 50 us", .spin = true},
	{.name = "split, follow", .follow = true},
};
#define FORMS (sizeof(forms) / sizeof(forms[0]))

static double results[FORMS][FIGURES][ROUNDS_MAX];

static _Noreturn void fail(const char *what)
{
	perror(what);
	exit(1);
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The caller: its listener's number goes through CHANNEL, then it is let go, at last its figures go there. */
static _Noreturn void call(int channel, int turns)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};
	double *took = calloc((size_t)turns, sizeof(*took)), figures[FIGURES], start;
	int listener;
	char go;

	if (!took || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		fail("caller");
	listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
				SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, &program);
	if (listener < 0 || write(channel, &listener, sizeof(listener)) < 0 || read(channel, &go, 1) != 1)
		fail("filter");
	start = now();
	for (int i = -turns / 10; i < turns; i++) {
		double begun = now();
		int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			fail("open");
		close(fd);
		if (i >= 0)
			took[i] = now() - begun;
		else
			start = now();
	}
	figures[MEAN] = (now() - start) / turns;
	qsort(took, (size_t)turns, sizeof(*took), compare);
	figures[MEDIAN] = took[turns / 2];
	figures[P99] = took[turns * 99 / 100];
	figures[LONGEST] = took[turns - 1];
	_exit(write(channel, figures, sizeof(figures)) != sizeof(figures));
}

/* Field 39 of proc_pid_stat(5). */
static int processor_of(int stat_fd)
{
	char text[1024];
	ssize_t len = pread(stat_fd, text, sizeof(text) - 1, 0);
	const char *at;

	if (len <= 0)
		return -1;
	text[len] = '\0';
	at = strrchr(text, ')');
	for (int field = 2; at && field < 39; field++)
		at = strchr(at + 1, ' ');
	return at ? atoi(at) : -1;
}

static void schedule(const struct form *form)
{
	struct {
		uint32_t size, policy;
		uint64_t flags;
		int32_t nice;
		uint32_t priority;
		uint64_t runtime, deadline, period;
	} attr = {.size = sizeof(attr), .policy = (uint32_t)form->policy, .nice = form->nice, .runtime = form->slice};

	if (syscall(SYS_sched_setattr, 0, &attr, 0) < 0)
		fail("sched_setattr");
}

static _Noreturn void serve(const struct form *form, int listener, pid_t caller)
{
	char name[64], path[256];
	int last = -1, stat_fd;

	schedule(form);
	snprintf(name, sizeof(name), "/proc/%d/stat", (int)caller);
	stat_fd = open(name, O_RDONLY | O_CLOEXEC);
	for (;;) {
		struct seccomp_notif notif = {0};
		struct pollfd polled = {.fd = listener, .events = POLLIN};

		if (form->spin) {
			double until = now() + SPIN_NANOSECONDS;

			while (poll(&polled, 1, 0) == 0 && now() < until)
				;
		}
		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &notif) < 0) {
			if (errno == EINTR || (errno == ENOENT && poll(&polled, 1, 0) == 0))
				continue;
			_exit(0);
		}
		if (form->follow) {
			int processor = processor_of(stat_fd);
			cpu_set_t set;

			CPU_ZERO(&set);
			if (processor >= 0 && processor != last) {
				CPU_SET((unsigned)processor, &set);
				sched_setaffinity(0, sizeof(set), &set);
				last = processor;
			}
		}
		struct iovec local = {path, 64}, remote = {(void *)(uintptr_t)notif.data.args[1], 12};
		int fd;

		memset(path, 0, sizeof(path));
		if (process_vm_readv((pid_t)notif.pid, &local, 1, &remote, 1, 0) < 0)
			fail("process_vm_readv");
		fd = open(path, O_RDONLY | O_CLOEXEC);
		struct seccomp_notif_addfd add = {.id = notif.id, .srcfd = (unsigned)fd,
						  .flags = form->send ? SECCOMP_ADDFD_FLAG_SEND : 0};
		struct seccomp_notif_resp response = {.id = notif.id};

		response.val = ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add);
		close(fd);
		if (!form->send)
			ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
	}
}

static void run(size_t which, int round, int turns)
{
	const struct form *form = &forms[which];
	double figures[FIGURES];
	int channel[2], listener, pidfd;
	pid_t caller, supervisor;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel) < 0)
		fail("socketpair");
	caller = fork();
	if (caller == 0)
		call(channel[1], turns);
	if (caller < 0 || read(channel[0], &listener, sizeof(listener)) != sizeof(listener))
		fail("caller");
	pidfd = (int)syscall(SYS_pidfd_open, caller, 0);
	listener = (int)syscall(SYS_pidfd_getfd, pidfd, listener, 0);
	if (listener < 0)
		fail("pidfd_getfd");
	if (!form->nosync)
		ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SYNC_WAKE_UP);
	supervisor = fork();
	if (supervisor == 0)
		serve(form, listener, caller);
	close(listener);
	close(pidfd);
	if (write(channel[0], "", 1) != 1 || read(channel[0], figures, sizeof(figures)) != sizeof(figures))
		fail(form->name);
	for (int i = 0; i < FIGURES; i++)
		results[which][i][round] = figures[i] / 1000;
	waitpid(caller, NULL, 0);
	kill(supervisor, SIGKILL);
	waitpid(supervisor, NULL, 0);
	close(channel[0]);
	close(channel[1]);
}

int main(int argc, char **argv)
{
	int turns = argc > 1 ? atoi(argv[1]) : 5000, hogs = argc > 2 ? atoi(argv[2]) : 0,
	    rounds = argc > 3 ? atoi(argv[3]) : 5;
	pid_t hog[HOGS_MAX];

	if (turns < 100 || hogs < 0 || hogs > HOGS_MAX || rounds < 1 || rounds > ROUNDS_MAX)
		return 2;
	for (int i = 0; i < hogs; i++) {
		hog[i] = fork();
		if (hog[i] == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (;;)
				__asm__ volatile("");
		}
	}
	for (int round = 0; round < rounds; round++) {
		for (size_t i = 0; i < FORMS; i++)
			run(i, round, turns);
	}
	for (int i = 0; i < hogs; i++) {
		kill(hog[i], SIGKILL);
		waitpid(hog[i], NULL, 0);
	}
	printf("%-20s %9s %9s %9s %9s   (us)\n", "", "median", "mean", "99 of 100", "longest");
	for (size_t i = 0; i < FORMS; i++) {
		printf("%-20s", forms[i].name);
		for (int k = 0; k < FIGURES; k++) {
			qsort(results[i][k], (size_t)rounds, sizeof(double), compare);
			printf(" %9.1f", results[i][k][rounds / 2]);
		}
		printf("\n");
	}
	return 0;
}
