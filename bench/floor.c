/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The least that a supervisor by seccomp notification can do for open and stat: receive, copy the path, open or stat
 * it without symlinks, answer. No policy, one thread. What a view costs above this is its own.
 *
 * Usage: bench_floor addfd_send|split COMMAND [ARGUMENT]...
 * addfd_send installs the descriptor and answers in one call, while it still holds its copy: wrong for flock after
 * close and the like. split closes its copy first, as a view must.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#endif
#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif
#define SYNC_WAKE_UP 1UL
#define PAGE 4096ul

static void fail(const char *what)
{
	perror(what);
	exit(125);
}

/* In the child: bind it to the filter. Its listener has this number there. */
static int install_filter(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_newfstatat, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		fail("no_new_privs");
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
			    SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, &program);
}

static ssize_t copy_path(pid_t pid, uint64_t address, char path[4096])
{
	size_t len = PAGE - (address & (PAGE - 1));
	struct iovec local = {path, len < 256 ? len : 256}, remote = {(void *)(uintptr_t)address, local.iov_len};
	ssize_t n = process_vm_readv(pid, &local, 1, &remote, 1, 0);

	/* A benchmark's paths are short and do not cross pages in parts. */
	return n > 0 && memchr(path, '\0', (size_t)n) ? n : -1;
}

/* The directory that the path starts from; relative ones need the caller's. */
static int start_of(pid_t pid, int dirfd, const char *path)
{
	char name[64];

	if (path[0] == '/')
		return AT_FDCWD;
	if (dirfd == AT_FDCWD)
		snprintf(name, sizeof(name), "/proc/%d/cwd", (int)pid);
	else
		snprintf(name, sizeof(name), "/proc/%d/fd/%d", (int)pid, dirfd);
	return open(name, O_PATH | O_CLOEXEC);
}

static void send_response(int listener, struct seccomp_notif_resp *response)
{
	ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, response);
}

static void serve_open(int listener, const struct seccomp_notif *call, int start, const char *path, bool split)
{
	struct open_how how = {.flags = (call->data.args[2] & 0x3fffff & ~0100000ull) | O_CLOEXEC,
			       .mode = (call->data.args[2] & O_CREAT) ? call->data.args[3] & 07777 : 0,
			       .resolve = RESOLVE_NO_SYMLINKS};
	struct seccomp_notif_resp response = {.id = call->id};
	struct seccomp_notif_addfd add = {.id = call->id, .newfd_flags = call->data.args[2] & O_CLOEXEC};
	int fd = (int)syscall(SYS_openat2, start, path, &how, sizeof(how)), number;

	if (fd < 0 && errno == ELOOP) {
		how.resolve = 0;
		fd = (int)syscall(SYS_openat2, start, path, &how, sizeof(how));
	}
	if (fd < 0) {
		response.error = -errno;
		send_response(listener, &response);
		return;
	}
	add.srcfd = (unsigned)fd;
	add.flags = split ? 0 : SECCOMP_ADDFD_FLAG_SEND;
	number = ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add);
	close(fd);
	if (split) {
		response.val = number;
		send_response(listener, &response);
	}
}

static void serve_stat(int listener, const struct seccomp_notif *call, int start, const char *path)
{
	struct seccomp_notif_resp response = {.id = call->id};
	struct stat stat;
	struct iovec local = {&stat, sizeof(stat)}, remote = {(void *)(uintptr_t)call->data.args[2], sizeof(stat)};

	if (fstatat(start, path, &stat, (int)call->data.args[3] | (path[0] ? 0 : AT_EMPTY_PATH)) < 0)
		response.error = -errno;
	else if (process_vm_writev((pid_t)call->pid, &local, 1, &remote, 1, 0) < 0)
		response.error = -EFAULT;
	send_response(listener, &response);
}

static void serve(int listener, bool split)
{
	char path[4096];

	for (;;) {
		struct seccomp_notif call = {0};
		struct pollfd polled = {.fd = listener};
		int start;

		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) < 0) {
			if (errno != EINTR && errno != ENOENT)
				return;
			if (poll(&polled, 1, 0) > 0 && (polled.revents & POLLHUP))
				return;
			continue;
		}
		if (copy_path((pid_t)call.pid, call.data.args[1], path) < 0) {
			struct seccomp_notif_resp response = {.id = call.id, .error = -EFAULT};

			send_response(listener, &response);
			continue;
		}
		start = start_of((pid_t)call.pid, (int)call.data.args[0], path);
		if (call.data.nr == SYS_openat)
			serve_open(listener, &call, start, path, split);
		else
			serve_stat(listener, &call, start, path);
		if (start >= 0)
			close(start);
	}
}

int main(int argc, char **argv)
{
	int channel[2], ready[2], listener, pidfd, status;
	char go;
	pid_t pid;

	if (argc < 3)
		return 125;
	if (pipe(channel) < 0 || pipe(ready) < 0)
		fail("pipe");
	pid = fork();
	if (pid < 0)
		fail("fork");
	if (pid == 0) {
		/* Not mediated until the parent has the listener: what it needs is open already. */
		listener = install_filter();
		if (write(channel[1], &listener, sizeof(listener)) != sizeof(listener) || read(ready[0], &go, 1) != 1 ||
		    listener < 0)
			_exit(125);
		close(listener);
		execvp(argv[2], argv + 2);
		_exit(127);
	}
	if (read(channel[0], &listener, sizeof(listener)) != sizeof(listener) || listener < 0)
		fail("no listener");
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	listener = (int)syscall(SYS_pidfd_getfd, pidfd, listener, 0);
	if (listener < 0)
		fail("pidfd_getfd");
	ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SYNC_WAKE_UP);
	if (write(ready[1], "", 1) != 1)
		fail("write");
	umask(0);
	serve(listener, strcmp(argv[1], "split") == 0);
	if (waitpid(pid, &status, 0) != pid)
		fail("waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
