/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The least that a supervisor by seccomp notification can do: receive, copy the path, make the call in the caller's
 * stead, answer. No policy. What a view costs above this is its own.
 *
 * Usage: bench_floor send|split|continue[,nosync][,idle][,threads=N][,look][,prove][,valid] COMMAND [ARGUMENT]...
 * send installs a descriptor and answers in one call, while it still holds its copy: wrong for flock after close and
 * the like. split closes its copy first, as a view must. continue lets the kernel make every call: what a notification
 * costs by itself. nosync: without SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP; idle: the supervisor is SCHED_IDLE.
 * What a view has to do besides, step by step: look: fstat of what was opened; prove: stat of an object that was opened
 * through no symlink; valid: is the caller still there, before its memory is written?
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/openat2.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
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

#include "listener.h"

#define PAGE 4096ul
#define THREADS_MAX 16

static struct options {
	bool split, go_on, nosync, idle;
	bool look, prove, valid;
	int threads;
} options = {.threads = 1};

static int listener;

static void fail(const char *what)
{
	perror(what);
	exit(125);
}

struct served {
	const struct seccomp_notif *call;
	int start; /* what the path is relative to */
	const char *path;
	struct seccomp_notif_resp response;
	bool answered;
};

static void send_response(struct seccomp_notif_resp *response)
{
	ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, response);
}

static int64_t serve_open(struct served *served)
{
	const struct seccomp_data *data = &served->call->data;
	struct open_how how = {.flags = (data->args[2] & 0x3fffff & ~0100000ull) | O_CLOEXEC,
			       .mode = (data->args[2] & O_CREAT) ? data->args[3] & 07777 : 0,
			       .resolve = RESOLVE_NO_SYMLINKS};
	struct seccomp_notif_addfd add = {.id = served->call->id, .newfd_flags = data->args[2] & O_CLOEXEC};
	struct stat stat;
	int fd, number;

	fd = (int)syscall(SYS_openat2, served->start, served->path, &how, sizeof(how));
	if (fd < 0 && errno == ELOOP) {
		how.resolve = 0;
		fd = (int)syscall(SYS_openat2, served->start, served->path, &how, sizeof(how));
	}
	if (fd < 0)
		return -errno;
	if (options.look && syscall(SYS_fstat, fd, &stat) < 0)
		fail("fstat");
	add.srcfd = (unsigned)fd;
	add.flags = options.split ? 0 : SECCOMP_ADDFD_FLAG_SEND;
	number = ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add);
	if (number < 0) /* an O_PATH descriptor cannot be installed */
		number = -errno;
	close(fd);
	served->answered = !options.split && number >= 0;
	return number;
}

static int64_t write_back(const struct served *served, uint64_t address, void *bytes, size_t len)
{
	struct iovec local = {bytes, len}, remote = {(void *)(uintptr_t)address, len};

	return process_vm_writev((pid_t)served->call->pid, &local, 1, &remote, 1, 0) < 0 ? -EFAULT : 0;
}

/* A descriptor's own stat in one call: /proc leads to the object itself. */
static int stat_descriptor(const struct served *served, struct stat *ret)
{
	char name[64];

	snprintf(name, sizeof(name), "/proc/%d/fd/%d", (int)served->call->pid, (int)served->call->data.args[0]);
	return fstatat(AT_FDCWD, name, ret, 0);
}

/* stat of an object that is proven to be the one that the path names: opened through no symlink. */
static int stat_proven(const struct served *served, struct stat *ret)
{
	struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS};
	int fd = (int)syscall(SYS_openat2, served->start, served->path, &how, sizeof(how));
	int result = fd < 0 ? -1 : (int)syscall(SYS_fstat, fd, ret);

	if (fd >= 0)
		close(fd);
	return result;
}

static int64_t serve_stat(struct served *served)
{
	const struct seccomp_data *data = &served->call->data;
	uint64_t id = served->call->id;
	struct stat stat;

	if ((!served->path[0]	  ? stat_descriptor(served, &stat)
	     : options.prove ? stat_proven(served, &stat)
				  : fstatat(served->start, served->path, &stat, (int)data->args[3])) < 0)
		return -errno;
	if (options.valid && ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) < 0)
		return -ESRCH;
	return write_back(served, data->args[2], &stat, sizeof(stat));
}

static int64_t serve_access(struct served *served)
{
	return syscall(SYS_faccessat2, served->start, served->path, (int)served->call->data.args[1], AT_EACCESS) < 0 ? -errno
														      : 0;
}

static int64_t serve_readlink(struct served *served)
{
	char target[PAGE];
	size_t cap = served->call->data.args[2] < sizeof(target) ? served->call->data.args[2] : sizeof(target);
	ssize_t len = readlinkat(served->start, served->path, target, cap);
	int64_t error;

	if (len < 0)
		return -errno;
	error = write_back(served, served->call->data.args[1], target, (size_t)len);
	return error ? error : len;
}

static int64_t serve_unlink(struct served *served)
{
	return unlinkat(served->start, served->path, 0) < 0 ? -errno : 0;
}

static const struct row {
	int nr;
	int dirfd_arg; /* -1: the working directory */
	int path_arg;
	int64_t (*serve)(struct served *served);
} rows[] = {
	{SYS_openat, 0, 1, serve_open},	    {SYS_newfstatat, 0, 1, serve_stat},	  {SYS_access, -1, 0, serve_access},
	{SYS_readlink, -1, 0, serve_readlink}, {SYS_unlink, -1, 0, serve_unlink},
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

/* In the child: bind it to the filter. Its listener has this number there. */
static int install_filter(void)
{
	struct sock_filter code[ROWS + 3] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	};
	struct sock_fprog program = {ROWS + 3, code};

	for (size_t i = 0; i < ROWS; i++)
		code[i + 1] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)rows[i].nr,
							   (unsigned char)(ROWS - i), 0);
	code[ROWS + 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	code[ROWS + 2] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
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

	if (n > 0 && memchr(path, '\0', (size_t)n))
		return n;
	/* Rarely: the path crosses a page, or is long. */
	local.iov_len = remote.iov_len = len + PAGE > 4096 ? 4096 : len + PAGE;
	n = process_vm_readv(pid, &local, 1, &remote, 1, 0);
	return n > 0 && memchr(path, '\0', (size_t)n) ? n : -1;
}

/* The directory that the path starts from; relative ones need the caller's. */
static int start_of(pid_t pid, int dirfd, const char *path)
{
	char name[64];

	if (path[0] == '/' || path[0] == '\0')
		return AT_FDCWD;
	if (dirfd == AT_FDCWD)
		snprintf(name, sizeof(name), "/proc/%d/cwd", (int)pid);
	else
		snprintf(name, sizeof(name), "/proc/%d/fd/%d", (int)pid, dirfd);
	return open(name, O_PATH | O_CLOEXEC);
}

static void serve(const struct seccomp_notif *call)
{
	struct served served = {.call = call, .response = {.id = call->id}};
	const struct row *row = rows;
	char path[4096];
	int64_t result;

	if (options.go_on) {
		served.response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
		send_response(&served.response);
		return;
	}
	while (row->nr != call->data.nr)
		row++;
	served.path = path;
	if (copy_path((pid_t)call->pid, call->data.args[row->path_arg], path) < 0) {
		result = -EFAULT;
	} else {
		served.start =
			start_of((pid_t)call->pid, row->dirfd_arg < 0 ? AT_FDCWD : (int)call->data.args[row->dirfd_arg], path);
		result = row->serve(&served);
		if (served.start >= 0)
			close(served.start);
	}
	if (served.answered)
		return;
	if (result < 0)
		served.response.error = (int)result;
	else
		served.response.val = result;
	send_response(&served.response);
}

static void *receive(void *unused)
{
	struct pollfd polled = {.fd = listener};

	(void)unused;
	for (;;) {
		struct seccomp_notif call = {0};

		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) == 0) {
			serve(&call);
			continue;
		}
		if (errno != EINTR && errno != ENOENT)
			return NULL;
		if (poll(&polled, 1, 0) > 0 && (polled.revents & POLLHUP))
			return NULL;
	}
}

static bool parse(char *text)
{
	char *mode = strtok(text, ",");

	if (!mode)
		return false;
	options.split = strcmp(mode, "split") == 0;
	options.go_on = strcmp(mode, "continue") == 0;
	if (!options.split && !options.go_on && strcmp(mode, "send") != 0)
		return false;
	for (char *word = strtok(NULL, ","); word; word = strtok(NULL, ",")) {
		bool *flag = strcmp(word, "nosync") == 0  ? &options.nosync
			     : strcmp(word, "idle") == 0  ? &options.idle
			     : strcmp(word, "look") == 0  ? &options.look
			     : strcmp(word, "prove") == 0 ? &options.prove
			     : strcmp(word, "valid") == 0 ? &options.valid
							  : NULL;

		if (flag)
			*flag = true;
		else if (sscanf(word, "threads=%d", &options.threads) != 1 || options.threads < 1 ||
			 options.threads > THREADS_MAX)
			return false;
	}
	return true;
}

static void supervise(void)
{
	struct sched_param parameters = {0};
	pthread_t thread;

	if (!options.nosync)
		ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SYNC_WAKE_UP);
	if (options.idle)
		sched_setscheduler(0, SCHED_IDLE, &parameters);
	umask(0);
	for (int i = 1; i < options.threads; i++) {
		if (pthread_create(&thread, NULL, receive, NULL) != 0)
			fail("thread");
	}
}

int main(int argc, char **argv)
{
	int channel[2], ready[2], pidfd, status;
	char go;
	pid_t pid;

	if (argc < 3 || !parse(argv[1]))
		return 125;
	if (pipe2(channel, O_CLOEXEC) < 0 || pipe2(ready, O_CLOEXEC) < 0)
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
	supervise();
	if (write(ready[1], "", 1) != 1)
		fail("write");
	receive(NULL);
	if (waitpid(pid, &status, 0) != pid)
		fail("waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
