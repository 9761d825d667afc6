/* SPDX-License-Identifier: Apache-2.0 */
#include "filter_cell.h"

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/filter.h>
#include <linux/seccomp.h>

#include "intercept/filter/filter.h"
#include "intercept/steer/guard.h"

#define PROBE_SECONDS 10

struct shared {
	volatile size_t current;
	struct probe_result results[];
};

static void fail(const char *what)
{
	fprintf(stderr, "cell: %s: %s\n", what, strerror(errno));
	abort();
}

/* ---- Inside ---- */

static int64_t raw_call(const struct probe *p)
{
	int64_t value;
	register uint64_t r10 __asm__("r10") = p->args[3];
	register uint64_t r8 __asm__("r8") = p->args[4];
	register uint64_t r9 __asm__("r9") = p->args[5];
	__asm__ volatile("syscall"
			 : "=a"(value)
			 : "a"(p->nr), "D"(p->args[0]), "S"(p->args[1]), "d"(p->args[2]), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return value;
}

/* The first bytes of the cell's guard are `syscall; ret`. */
static int64_t raw_guard(const struct probe *p)
{
	int64_t value;
	register uint64_t r10 __asm__("r10") = p->args[3];
	register uint64_t r8 __asm__("r8") = p->args[4];
	register uint64_t r9 __asm__("r9") = p->args[5];
	__asm__ volatile("sub $128, %%rsp\n\tcall *%%rbx\n\tadd $128, %%rsp"
			 : "=a"(value)
			 : "a"(p->nr), "D"(p->args[0]), "S"(p->args[1]), "d"(p->args[2]), "r"(r10), "r"(r8), "r"(r9),
			   "b"(GUARD_ADDRESS)
			 : "rcx", "r11", "memory");
	return value;
}

static int64_t raw_int80(const struct probe *p)
{
	int64_t value;
	__asm__ volatile("int $0x80"
			 : "=a"(value)
			 : "a"(p->nr), "b"(p->args[0]), "c"(p->args[1]), "d"(p->args[2])
			 : "r8", "r9", "r10", "r11", "memory");
	return (int32_t)value;
}

static void make_call(const struct probe *p, struct probe_result *result)
{
	/* Before the call: exit and its like never come back. */
	signal(SIGALRM, SIG_DFL);
	alarm(PROBE_SECONDS);
	pid_t self = getpid();
	int64_t value = p->abi == ABI_INT80 ? raw_int80(p) : p->abi == ABI_GUARD ? raw_guard(p) : raw_call(p);
	/* A call that made a process: only the one we started may write. */
	if (getpid() == self)
		result->value = value;
	syscall(SYS_exit_group, 0);
}

static void become(uid_t uid)
{
	uid_t r, e, s;
	if (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
		fail("becoming an ordinary user");
	if (getresuid(&r, &e, &s) < 0 || r != uid || e != uid || s != uid || setuid(0) == 0)
		fail("still privileged");
}

static void map_guard(void)
{
	int fd = memfd_create("guard", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, (off_t)GUARD_BYTES) < 0 || write(fd, "\x0f\x05\xc3", 3) != 3)
		fail("guard memfd");
	void *at = mmap((void *)GUARD_ADDRESS, GUARD_BYTES, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0);
	if (at == MAP_FAILED)
		fail("guard mapping");
	close(fd);
}

static void run_inside(const struct cell_config *config, const struct sock_fprog *program, int tell, int go,
		       const struct probe *probes, size_t count, struct shared *shared)
{
	int listener = -1;
	char byte;
	if (config->guarded)
		map_guard();
	if (config->uid)
		become(config->uid);
	/* Natively as well: some calls ask for it. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		fail("no_new_privs");
	if (config->filtered) {
		listener = filter_install(program);
		if (listener < 0) {
			errno = -listener;
			fail("filter_install");
		}
	}
	if (write(tell, &listener, sizeof(listener)) != sizeof(listener) || read(go, &byte, 1) != 1)
		fail("cell pipes");
	if (listener >= 0)
		close(listener);

	for (size_t i = 0; i < count; i++) {
		shared->current = i;
		pid_t pid = fork();
		if (pid < 0)
			fail("fork in the cell");
		if (pid == 0)
			make_call(&probes[i], &shared->results[i]);
		int status;
		while (waitpid(pid, &status, __WALL) < 0)
			if (errno != EINTR)
				fail("waitpid in the cell");
		if (WIFSIGNALED(status))
			shared->results[i].signal = WTERMSIG(status);
	}
	_exit(0);
}

/* ---- The supervisor ---- */

static bool has_ended(pid_t cell)
{
	siginfo_t info = {0};
	return waitid(P_PID, (id_t)cell, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == cell;
}

static void serve(int listener, pid_t cell, struct shared *shared)
{
	for (;;) {
		struct pollfd ready = {.fd = listener, .events = POLLIN};
		int n = poll(&ready, 1, 200);
		if (n < 0 && errno != EINTR)
			fail("poll");
		/* The hangup comes with the last process's exit, on older kernels only when it is waited for. */
		if ((ready.revents & POLLHUP) || (n == 0 && has_ended(cell)))
			return;
		if (n <= 0)
			continue;
		struct seccomp_notif call = {0};
		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) < 0) {
			if (errno == ENOENT || errno == EINTR)
				continue;
			fail("NOTIF_RECV");
		}
		struct probe_result *result = &shared->results[shared->current];
		result->notified = true;
		result->notified_nr = call.data.nr;
		for (int i = 0; i < 6; i++)
			result->notified_args[i] = call.data.args[i];
		struct seccomp_notif_resp answer = {.id = call.id, .val = CELL_ANSWER};
		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer) < 0 && errno != ENOENT)
			fail("NOTIF_SEND");
	}
}

/* By pidfd_getfd: the cell's own sendmsg may be a call that is notified. */
static int fetch_listener(pid_t cell, int their_fd)
{
	int pidfd = (int)syscall(SYS_pidfd_open, cell, 0);
	int fd = pidfd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, pidfd, their_fd, 0);
	if (fd < 0)
		fail("fetching the listener");
	close(pidfd);
	return fd;
}

void cell_run(const struct cell_config *config, const struct probe *probes, size_t count, struct probe_result *ret)
{
	size_t bytes = sizeof(struct shared) + count * sizeof(struct probe_result);
	struct shared *shared = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int tell[2], go[2];
	if (shared == MAP_FAILED || pipe(tell) < 0 || pipe(go) < 0)
		fail("setting up a cell");
	for (size_t i = 0; i < count; i++)
		shared->results[i].value = CELL_NO_RESULT;

	struct sock_fprog *program = NULL;
	struct errmsg msg = {0};
	int r = config->filtered ? filter_build(config->needs, &program, &msg) : 0;
	if (r < 0) {
		fprintf(stderr, "cell: %s\n", msg.text);
		abort();
	}

	fflush(NULL);
	pid_t cell = fork();
	if (cell < 0)
		fail("fork");
	if (cell == 0)
		run_inside(config, program, tell[1], go[0], probes, count, shared);
	close(tell[1]);
	close(go[0]);

	int their_fd;
	if (read(tell[0], &their_fd, sizeof(their_fd)) != sizeof(their_fd))
		fail("the cell did not start");
	int listener = config->filtered ? fetch_listener(cell, their_fd) : -1;
	if (write(go[1], "", 1) != 1)
		fail("starting the cell");
	if (listener >= 0)
		serve(listener, cell, shared);
	int status;
	if (waitpid(cell, &status, 0) != cell || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fail("the cell ended badly");

	memcpy(ret, shared->results, count * sizeof(*ret));
	if (listener >= 0)
		close(listener);
	close(tell[0]);
	close(go[1]);
	munmap(shared, bytes);
	filter_free(program);
}
