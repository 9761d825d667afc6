/* SPDX-License-Identifier: Apache-2.0 */
#include "integration/steer_vault.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/cleanup.h"

/* After a bare clone in a threaded process: system calls only, and no descriptor may be touched, the table is shared. */
static void vault_main(pid_t parent, int ready) __attribute__((noreturn));

static void vault_main(pid_t parent, int ready)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {{0}};
	/* Without capabilities of its own, any caller's set is enough to look at it. */
	bool ok = syscall(SYS_capset, &header, none) == 0;
	ok = ok && prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0;
	ok = ok && prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0; /* last: a change of credentials clears it */
	prctl(PR_SET_NAME, "scrim-vault", 0, 0, 0);
	char byte = ok && getppid() == parent ? 1 : 0;
	ssize_t written = write(ready, &byte, 1);
	if (!byte || written != 1)
		_exit(1);
	for (;;)
		pause();
}

int vault_start(pid_t *ret)
{
	int pipe_fds[2];
	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return -errno;
	_cleanup_close_ int read_end = pipe_fds[0];
	_cleanup_close_ int write_end = pipe_fds[1];

	/* Born with everything blocked: the terminal's signals are not for it. */
	sigset_t all, old;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pid_t parent = getpid();
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
	if (pid == 0)
		vault_main(parent, write_end);
	int error = errno;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (pid < 0)
		return -error;

	/* The table is shared, so a dead vault gives no end of file: look for its death as well. */
	char byte = 0;
	struct pollfd ready = {.fd = read_end, .events = POLLIN};
	while (poll(&ready, 1, 100) <= 0) {
		siginfo_t info = {0};
		if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) < 0 || info.si_pid == pid)
			break;
	}
	if (!(ready.revents & POLLIN) || read(read_end, &byte, 1) != 1 || byte != 1) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, __WALL);
		return -EPERM;
	}
	*ret = pid;
	return 0;
}
