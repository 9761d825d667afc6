/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many system calls the supervisor makes for a call of the program: a number that does not depend on the machine,
 * nor on its load. Runs COMMAND (scrim run ... -- bench_calls DIRECTORY), traces the supervisor's threads as strace
 * would, asks for the rows and prints what was counted as JSON.
 *
 * Usage: bench_count TURNS KIND[,KIND...] COMMAND [ARGUMENT]...
 *
 * A worker's calls from one notification to the next are a sequence. Calls that depend on chance (futexes, the start of
 * another worker, the waking of the watch, waits that a timer interrupted) are left out; those of the watch,
 * which looks twice a millisecond, as well.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS_MAX 128
#define SEQUENCES_MAX 256
#define SEQUENCE_BYTES 4000

/* write: to the eventfd that wakes the watch; workers write nothing else. */
static const int chance[] = {SYS_futex,		  SYS_write,	SYS_clone3,  SYS_clone,		SYS_mmap,
			     SYS_munmap,	  SYS_mprotect, SYS_madvise, SYS_rt_sigprocmask, SYS_set_robust_list,
			     SYS_rseq,		  SYS_unshare,	SYS_sched_yield,	SYS_restart_syscall,
			     SYS_rt_sigreturn, SYS_exit};

struct thread {
	pid_t tid;
	bool worker; /* it has received */
	bool counts; /* the call it is in counts */
	bool serving;
	uint64_t received_at; /* address of the struct seccomp_notif of a receive it is in */
	int served_nr;
	unsigned length;
	char sequence[SEQUENCE_BYTES];
};

struct sequence {
	int nr;
	unsigned times, length;
	char *text;
};

static struct thread threads[THREADS_MAX];
static unsigned thread_count;
static struct sequence sequences[SEQUENCES_MAX];
static unsigned sequence_count;
static unsigned long worker_calls, other_calls, notifications;
static pid_t supervisor;
static bool counting;

static void fail(const char *what)
{
	perror(what);
	exit(2);
}

static struct thread *thread_of(pid_t tid)
{
	for (unsigned i = 0; i < thread_count; i++) {
		if (threads[i].tid == tid)
			return &threads[i];
	}
	if (thread_count == THREADS_MAX)
		fail("too many threads");
	threads[thread_count].tid = tid;
	return &threads[thread_count++];
}

static void add_name(struct thread *thread, const char *name)
{
	size_t used = strlen(thread->sequence);

	snprintf(thread->sequence + used, sizeof(thread->sequence) - used, "%s%s", used ? " " : "", name);
	thread->length++;
}

static void end_sequence(struct thread *thread)
{
	unsigned i = 0;

	if (!thread->serving)
		return;
	thread->serving = false;
	if (!counting)
		return;
	while (i < sequence_count &&
	       (sequences[i].nr != thread->served_nr || strcmp(sequences[i].text, thread->sequence) != 0))
		i++;
	if (i == SEQUENCES_MAX)
		return;
	if (i == sequence_count) {
		sequences[i] = (struct sequence){thread->served_nr, 0, thread->length, strdup(thread->sequence)};
		sequence_count++;
	}
	sequences[i].times++;
}

static const char *name_of(uint64_t nr, uint64_t request)
{
	static char name[64];
	char *resolved;

	if (nr == SYS_ioctl && request == SECCOMP_IOCTL_NOTIF_RECV)
		return "RECV";
	if (nr == SYS_ioctl && request == SECCOMP_IOCTL_NOTIF_SEND)
		return "SEND";
	if (nr == SYS_ioctl && request == SECCOMP_IOCTL_NOTIF_ADDFD)
		return "ADDFD";
	if (nr == SYS_ioctl && request == SECCOMP_IOCTL_NOTIF_ID_VALID)
		return "ID_VALID";
	resolved = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, (int)nr);
	snprintf(name, sizeof(name), "%s", resolved ? resolved : "?");
	free(resolved);
	return name;
}

static void enters(struct thread *thread, uint64_t nr, const uint64_t args[6])
{
	bool receives = nr == SYS_ioctl && (uint32_t)args[1] == SECCOMP_IOCTL_NOTIF_RECV;

	thread->received_at = receives ? args[2] : 0;
	if (receives) {
		thread->worker = true;
		end_sequence(thread);
		thread->counts = false; /* at its return */
		return;
	}
	thread->counts = true;
	for (size_t i = 0; i < sizeof(chance) / sizeof(chance[0]); i++)
		thread->counts = thread->counts && (uint64_t)chance[i] != nr;
	if (thread->counts && thread->serving)
		add_name(thread, name_of(nr, (uint32_t)args[1]));
}

static void leaves(struct thread *thread, int64_t result)
{
	uint64_t at = thread->received_at;

	thread->received_at = 0;
	if (at && result == 0) {
		struct iovec local = {&thread->served_nr, sizeof(int)};
		struct iovec remote = {(void *)(uintptr_t)(at + offsetof(struct seccomp_notif, data.nr)), sizeof(int)};

		thread->counts = process_vm_readv(thread->tid, &local, 1, &remote, 1, 0) == sizeof(int);
		thread->serving = true;
		thread->length = 0;
		thread->sequence[0] = '\0';
		add_name(thread, "RECV");
		notifications += counting;
	}
	/* -512 to -516: the kernel restarts it. */
	if (!counting || !thread->counts || result == -EINTR || (result <= -512 && result >= -516))
		return;
	if (thread->worker)
		worker_calls++;
	else if (thread->tid != supervisor)
		other_calls++;
}

/* One stop of one thread. */
static void stopped(pid_t tid, int status)
{
	struct __ptrace_syscall_info info;
	struct thread *thread = thread_of(tid);
	int sig = WSTOPSIG(status), event = status >> 16;

	if (sig == (SIGTRAP | 0x80)) {
		if (ptrace(PTRACE_GET_SYSCALL_INFO, tid, sizeof(info), &info) > 0) {
			if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
				enters(thread, info.entry.nr, (const uint64_t *)info.entry.args);
			else if (info.op == PTRACE_SYSCALL_INFO_EXIT)
				leaves(thread, info.exit.rval);
		}
		sig = 0;
	} else if (event == PTRACE_EVENT_STOP && sig != SIGTRAP) {
		ptrace(PTRACE_LISTEN, tid, 0, 0);
		return;
	} else if (event) {
		sig = 0;
	}
	ptrace(PTRACE_SYSCALL, tid, 0, sig);
}

static void reap_stops(void)
{
	pid_t tid;
	int status;

	while ((tid = waitpid(-1, &status, __WALL | WNOHANG)) > 0) {
		if (WIFSTOPPED(status))
			stopped(tid, status);
	}
}

/* A line from the program, stops served meanwhile. */
static void await_line(int from, int children, char *line, size_t size)
{
	struct pollfd polled[] = {{.fd = from, .events = POLLIN}, {.fd = children, .events = POLLIN}};
	size_t len = 0;

	while (len == 0 || line[len - 1] != '\n') {
		struct signalfd_siginfo info;

		if (poll(polled, 2, 60000) <= 0)
			fail("no answer");
		if (polled[1].revents) {
			if (read(children, &info, sizeof(info)) < 0)
				fail("signalfd");
			reap_stops();
		}
		if (polled[0].revents) {
			ssize_t n = read(from, line + len, size - 1 - len);

			if (n <= 0)
				fail("the program has ended");
			len += (size_t)n;
		}
	}
	line[len] = '\0';
}

static void seize_threads(void)
{
	char path[64];
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)supervisor);
	dir = opendir(path);
	if (!dir)
		fail(path);
	while ((entry = readdir(dir))) {
		pid_t tid = atoi(entry->d_name);

		if (tid <= 0)
			continue;
		if (ptrace(PTRACE_SEIZE, tid, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE) < 0)
			fail("PTRACE_SEIZE");
		if (ptrace(PTRACE_INTERRUPT, tid, 0, 0) < 0)
			fail("PTRACE_INTERRUPT");
	}
	closedir(dir);
}

static pid_t first_child(pid_t pid)
{
	char path[64];
	FILE *f;
	int child = 0;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
	f = fopen(path, "re");
	if (!f || fscanf(f, "%d", &child) != 1)
		fail("no supervisor");
	fclose(f);
	return child;
}

static void print_row(const char *kind, int turns)
{
	const char *comma = "";

	printf("\"%s\": {\"turns\": %d, \"notifications\": %.2f, \"worker\": %.2f, \"steer\": %.2f, \"sequences\": [", kind,
	       turns, (double)notifications / turns, (double)worker_calls / turns, (double)other_calls / turns);
	for (unsigned i = 0; i < sequence_count; i++) {
		char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, sequences[i].nr);

		printf("%s\n  {\"call\": \"%s\", \"times\": %u, \"length\": %u, \"made\": \"%s\"}", comma, name ? name : "?",
		       sequences[i].times, sequences[i].length, sequences[i].text);
		free(name);
		free(sequences[i].text);
		comma = ",";
	}
	printf("]}");
	sequence_count = 0;
	worker_calls = other_calls = notifications = 0;
}

static void count_rows(int turns, char *kinds, int to, int from, int children)
{
	const char *comma = "";
	char line[256];

	printf("{");
	for (char *kind = strtok(kinds, ","); kind; kind = strtok(NULL, ",")) {
		/* The first turn warms up: caches of names, a worker's start. The last sequence ends with the next receive. */
		for (int round = 0; round < 2; round++) {
			counting = round == 1;
			dprintf(to, "%s %d 1 threads\n", kind, round ? turns : 2);
			await_line(from, children, line, sizeof(line));
			if (line[0] == '?')
				fail(kind);
		}
		for (int i = 0; i < 5; i++) {
			usleep(2000);
			reap_stops();
		}
		counting = false;
		printf("%s", comma);
		print_row(kind, turns);
		comma = ",\n";
	}
	printf("}\n");
}

int main(int argc, char **argv)
{
	int to[2], from[2], children, status;
	sigset_t child_signal;
	char line[256];
	pid_t front;

	if (argc < 4 || atoi(argv[1]) < 1)
		return 2;
	if (pipe2(to, O_CLOEXEC) < 0 || pipe2(from, O_CLOEXEC) < 0)
		fail("pipe");
	front = fork();
	if (front < 0)
		fail("fork");
	if (front == 0) {
		dup2(to[0], 0);
		dup2(from[1], 1);
		execvp(argv[3], argv + 3);
		_exit(127);
	}
	close(to[0]);
	close(from[1]);
	sigemptyset(&child_signal);
	sigaddset(&child_signal, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child_signal, NULL);
	children = signalfd(-1, &child_signal, SFD_CLOEXEC);
	await_line(from[0], children, line, sizeof(line));
	supervisor = first_child(front);
	seize_threads();
	count_rows(atoi(argv[1]), argv[2], to[1], from[0], children);
	fflush(stdout);
	close(to[1]);
	/* The supervisor goes on untraced once this has ended. */
	for (int i = 0; i < 1000 && waitpid(front, &status, __WALL | WNOHANG) != front; i++) {
		usleep(1000);
		reap_stops();
	}
	return 0;
}
