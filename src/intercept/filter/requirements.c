/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each mechanism is tried for real, by a process that plays the supervisor: asking for versions would miss what a
 * container's own filter, Yama or a sysctl takes away.
 *
 *	caller ── judge ── target ── grandchild
 *
 * The target takes a listener and sends it to the judge; the grandchild, which inherits the filter, makes the one
 * call that is notified; the judge reads its memory, seizes it, injects a descriptor and answers. What failed comes
 * back through a pipe, the words are found by the caller. Between fork and exit only async-signal-safe calls.
 */
#include "intercept/filter/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include <linux/filter.h>
#include <linux/magic.h>
#include <linux/seccomp.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "intercept/steer/guard.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

#define ANSWER_TIMEOUT_MS 10000

enum requirement {
	NEED_ALL_MET,
	NEED_PROCESSES, /* fork, pipes: the check itself could not run */
	NEED_PIDFD,
	NEED_PROC,
	NEED_GUARD,
	NEED_LISTENER,
	NEED_ANSWERS,
	NEED_MEMORY,
	NEED_PTRACE,
	NEED_ADDFD,
};

struct finding {
	enum requirement unmet;
	int error; /* negative errno */
};

static struct finding unmet(enum requirement what, int error)
{
	return (struct finding){.unmet = what, .error = error};
}

/* ---- The target and the grandchild ---- */

/* getppid: without arguments, and nothing in between makes it. */
#define PROBE_CALL SYS_getppid

static int install_probe(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PROBE_CALL, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = {.len = ARRAY_LEN(code), .filter = code};
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return filter_install(&program);
}

/* One message: an int that says how it went, and a descriptor if it went well. */
static int send_fd(int socket, int result, int fd)
{
	struct iovec iov = {.iov_base = &result, .iov_len = sizeof(result)};
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
	if (fd >= 0) {
		message.msg_control = control.bytes;
		message.msg_controllen = sizeof(control.bytes);
		struct cmsghdr *header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	}
	return sendmsg(socket, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* Returns the descriptor, or the negative errno that was sent or met. */
static int receive_fd(int socket)
{
	int result = 0, fd = -EBADF;
	struct iovec iov = {.iov_base = &result, .iov_len = sizeof(result)};
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes)};
	ssize_t n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
	if (n < 0)
		return -errno;
	if (n != sizeof(result))
		return -EPIPE; /* the target died: a filter that kills */
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	if (result < 0 || !header)
		return result < 0 ? result : -EPROTO;
	memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	return fd;
}

static _Noreturn void run_grandchild(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	long fd = syscall(PROBE_CALL);
	_exit(fd > 0 && fcntl((int)fd, F_GETFD) >= 0 ? 0 : 1);
}

static _Noreturn void run_target(int socket)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	int listener = install_probe();
	if (send_fd(socket, listener, listener) < 0 || listener < 0)
		_exit(1);
	close(listener);
	pid_t pid = fork();
	if (pid == 0)
		run_grandchild();
	int status = 0;
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		_exit(1);
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

/* ---- The judge ---- */

static volatile const char memory_mark[16] = "read me";

static int read_memory_of(pid_t pid)
{
	char copy[sizeof(memory_mark)];
	ssize_t n = memory_read(pid, (uintptr_t)memory_mark, copy, sizeof(copy));
	if (n < 0)
		return (int)n;
	return n == sizeof(copy) ? 0 : -EIO;
}

static int inject_and_answer(int listener, uint64_t id)
{
	struct seccomp_notif_addfd add = {.id = id, .srcfd = (uint32_t)listener};
	int fd = ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add);
	if (fd < 0)
		return -errno;
	struct seccomp_notif_resp answer = {.id = id, .val = fd};
	return ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer) < 0 ? -errno : 0;
}

static struct finding serve_once(int listener)
{
	struct pollfd ready = {.fd = listener, .events = POLLIN};
	int n = poll(&ready, 1, ANSWER_TIMEOUT_MS);
	if (n <= 0)
		return unmet(NEED_ANSWERS, n == 0 ? -ETIMEDOUT : -errno);
	struct seccomp_notif call = {0};
	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) < 0)
		return unmet(NEED_ANSWERS, -errno);
	if (call.pid == 0) /* a listener of another pid namespace sees no ids */
		return unmet(NEED_ANSWERS, -ESRCH);

	pid_t pid = (pid_t)call.pid;
	int r = read_memory_of(pid);
	if (r < 0)
		return unmet(NEED_MEMORY, r);
	/* Seized only, never stopped: its exit is then ours to wait for, too. */
	if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) < 0)
		return unmet(NEED_PTRACE, -errno);
	r = inject_and_answer(listener, call.id);
	if (r < 0)
		return unmet(NEED_ADDFD, r);
	int status = 0;
	if (waitpid(pid, &status, __WALL) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return unmet(NEED_ADDFD, -EIO);
	return unmet(NEED_ALL_MET, 0);
}

static struct finding judge_listener(void)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return unmet(NEED_PROCESSES, -errno);
	pid_t target = fork();
	if (target < 0)
		return unmet(NEED_PROCESSES, -errno);
	if (target == 0) {
		close(pair[0]);
		run_target(pair[1]);
	}
	close(pair[1]);
	int listener = receive_fd(pair[0]);
	struct finding finding = listener < 0 ? unmet(NEED_LISTENER, listener) : serve_once(listener);
	kill(target, SIGKILL);
	waitpid(target, NULL, 0);
	return finding;
}

static struct finding judge_pidfd(void)
{
	long fd = syscall(SYS_pidfd_open, getpid(), 0);
	if (fd < 0)
		return unmet(NEED_PIDFD, -errno);
	close((int)fd);
	return unmet(NEED_ALL_MET, 0);
}

static struct finding judge_proc(void)
{
	struct statfs fs;
	if (statfs("/proc/self", &fs) < 0)
		return unmet(NEED_PROC, -errno);
	return fs.f_type == PROC_SUPER_MAGIC ? unmet(NEED_ALL_MET, 0) : unmet(NEED_PROC, -ENOTDIR);
}

int filter_prove_calls(void)
{
	return judge_proc().error;
}

static struct finding judge_guard(void)
{
	int fd = memfd_create("probe", MFD_CLOEXEC | MFD_NOEXEC_SEAL);
	if (fd < 0 && errno == EINVAL) /* before Linux 6.3 */
		fd = memfd_create("probe", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, (off_t)GUARD_BYTES) < 0)
		return unmet(NEED_GUARD, -errno);
	void *at = mmap((void *)GUARD_ADDRESS, GUARD_BYTES, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0);
	int error = -errno;
	close(fd);
	/* EEXIST: something of scrim's own lies there, which says nothing of other programs. */
	if (at == MAP_FAILED && error != -EEXIST)
		return unmet(NEED_GUARD, error);
	return unmet(NEED_ALL_MET, 0);
}

static struct finding judge_all(void)
{
	/* The listener before the rest: inside another view that is the answer that explains the others. */
	static struct finding (*const judges[])(void) = {judge_listener, judge_pidfd, judge_proc, judge_guard};
	struct finding finding = unmet(NEED_ALL_MET, 0);
	for (size_t i = 0; i < ARRAY_LEN(judges) && finding.unmet == NEED_ALL_MET; i++)
		finding = judges[i]();
	return finding;
}

static _Noreturn void run_judge(int result_fd)
{
	/* Whatever the caller made of SIGCHLD: our waits need children that wait. */
	signal(SIGCHLD, SIG_DFL);
	struct finding finding = judge_all();
	ssize_t n = write(result_fd, &finding, sizeof(finding));
	_exit(n == sizeof(finding) ? 0 : 1);
}

static struct finding ask_judge(void)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return unmet(NEED_PROCESSES, -errno);
	_cleanup_close_ int result = ends[0];
	_cleanup_close_ int theirs = ends[1];
	pid_t judge = fork();
	if (judge < 0)
		return unmet(NEED_PROCESSES, -errno);
	if (judge == 0)
		run_judge(theirs);
	theirs = safe_close(theirs);

	struct finding finding = {0};
	ssize_t n;
	do
		n = read(result, &finding, sizeof(finding));
	while (n < 0 && errno == EINTR);
	while (waitpid(judge, NULL, 0) < 0 && errno == EINTR)
		;
	return n == sizeof(finding) ? finding : unmet(NEED_PROCESSES, -EPIPE);
}

/* ---- The words ---- */

/* A number from a sysctl file, or -1. */
static long read_sysctl(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	char text[32];
	ssize_t n = read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return -1;
	text[n] = '\0';
	return strtol(text, NULL, 10);
}

static int explain_listener(int error, struct errmsg *msg)
{
	switch (-error) {
	case EBUSY:
		return errmsg_set(msg, error,
				  "another program already answers system calls of this process (scrim inside a view, or a "
				  "container manager): start scrim outside of it");
	case EINVAL:
	case ENOSYS:
		return errmsg_set(msg, error,
				  "this kernel gives no seccomp listener (%s): it needs CONFIG_SECCOMP_FILTER and Linux 5.19; in "
				  "a container or sandbox, allow seccomp(2)",
				  strerror(-error));
	default:
		return errmsg_set(msg, error,
				  "seccomp(2) is refused here (%s): in a container, allow it (for Docker or Podman "
				  "--security-opt seccomp=unconfined)",
				  strerror(-error));
	}
}

static int explain_ptrace(const char *what, int error, struct errmsg *msg)
{
	long scope = read_sysctl("/proc/sys/kernel/yama/ptrace_scope");
	if (scope == 2)
		return errmsg_set(msg, error,
				  "%s is refused: kernel.yama.ptrace_scope is 2: set it to 1 (sysctl kernel.yama.ptrace_scope=1) or "
				  "run scrim as root",
				  what);
	if (scope >= 3)
		return errmsg_set(msg, error,
				  "%s is refused: kernel.yama.ptrace_scope is 3, which lasts until the machine restarts: set it to 1 "
				  "in /etc/sysctl.d and restart",
				  what);
	return errmsg_set(msg, error,
			  "%s is refused here (%s): in a container, allow ptrace (for Docker or Podman --cap-add SYS_PTRACE)",
			  what, strerror(-error));
}

static int explain_guard(int error, struct errmsg *msg)
{
	long lowest = read_sysctl("/proc/sys/vm/mmap_min_addr");
	if (lowest > (long)GUARD_ADDRESS)
		return errmsg_set(msg, error, "vm.mmap_min_addr is %ld: set it to %lu (sysctl vm.mmap_min_addr=%lu)", lowest,
				  GUARD_ADDRESS, GUARD_ADDRESS);
	long noexec = read_sysctl("/proc/sys/vm/memfd_noexec");
	if (noexec == 2)
		return errmsg_set(msg, error, "vm.memfd_noexec is 2 and memfds are refused: set it to 1 (sysctl vm.memfd_noexec=1)");
	return errmsg_set(msg, error,
			  "an executable mapping of a memfd at address %#lx is refused (%s): a security module (SELinux execmem) or "
			  "a container forbids it",
			  GUARD_ADDRESS, strerror(-error));
}

static int explain(struct finding finding, struct errmsg *msg)
{
	int error = finding.error;
	const char *text = strerror(-error);
	switch (finding.unmet) {
	case NEED_ALL_MET:
		return 0;
	case NEED_PROCESSES:
		return errmsg_set(msg, error, "cannot try what this machine allows: %s", text);
	case NEED_PIDFD:
		return errmsg_set(msg, error,
				  "pidfd_open(2) is refused here (%s): in a container, allow it (its seccomp profile is older than 2020)", text);
	case NEED_PROC:
		return errmsg_set(msg, error, "/proc is not mounted (%s): mount -t proc proc /proc", text);
	case NEED_GUARD:
		return explain_guard(error, msg);
	case NEED_LISTENER:
		return explain_listener(error, msg);
	case NEED_ANSWERS:
		return errmsg_set(msg, error, "a seccomp listener gets no notifications here: %s", text);
	case NEED_MEMORY:
		return explain_ptrace("reading a child's memory (process_vm_readv, /proc/PID/mem)", error, msg);
	case NEED_PTRACE:
		return explain_ptrace("tracing a descendant (ptrace)", error, msg);
	case NEED_ADDFD:
		return errmsg_set(msg, error, "a descriptor cannot be passed through a seccomp listener here: %s", text);
	}
	return errmsg_set(msg, -EINVAL, "an unknown requirement is not met");
}

/* WAIT_KILLABLE_RECV came with Linux 5.19. Returns 0 or -EOPNOTSUPP; a version nobody can read is not held against it. */
static int check_version(struct errmsg *msg)
{
	struct utsname name;
	unsigned major, minor;
	if (uname(&name) < 0 || sscanf(name.release, "%u.%u", &major, &minor) != 2)
		return 0;
	if (major > 5 || (major == 5 && minor >= 19))
		return 0;
	return errmsg_set(msg, -EOPNOTSUPP, "this kernel (%s) is older than 5.19, the first that can hold a view: use a newer one",
			  name.release);
}

int filter_check_requirements(struct errmsg *msg)
{
	int r = check_version(msg);
	if (r < 0)
		return r;
	return explain(ask_judge(), msg);
}
