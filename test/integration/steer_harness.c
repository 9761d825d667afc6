/* SPDX-License-Identifier: Apache-2.0 */
#include "integration/steer_harness.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/prctl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/memory.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

struct harness {
	const struct harness_options *options;
	struct steer *steer;
	struct guard *guard;
	int listener;
	_Atomic bool stop;
	struct harness_counts counts;
	pthread_mutex_t lock;
};

static char scratch_dir[PATH_MAX];

double now_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void expect_at(bool holds, const char *text, const char *file, int line)
{
	if (holds)
		return;
	int error = errno;
	dprintf(2, "%s:%d: pid %d: does not hold: %s (errno %d %s)\n", file, line, getpid(), text, error, strerror(error));
	_exit(99);
}

/* ---- the filter ---- */

#define LOW(n) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[n]))
#define HIGH(n) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[n]) + 4)
#define IP_LOW BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer))
#define IP_HIGH BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer) + 4)
#define NR BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))
#define RET(x) BPF_STMT(BPF_RET | BPF_K, x)

static unsigned emit(struct sock_filter *f, unsigned n, struct sock_filter what)
{
	f[n] = what;
	return n + 1;
}
#define EMIT(x) n = emit(f, n, (struct sock_filter)x)

/* Number NR with argument ARG below the guard's end: WHAT. FLAG_ARG >= 0: only when one of FLAGS is set in it. */
static unsigned low_rule(struct sock_filter *f, unsigned n, unsigned nr, int arg, int flag_arg, unsigned flags,
			 unsigned what)
{
	unsigned body = flag_arg >= 0 ? 8 : 6;
	EMIT(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, (unsigned char)body));
	if (flag_arg >= 0) {
		EMIT(LOW(flag_arg));
		EMIT(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, flags, 0, 5));
	}
	EMIT(HIGH(arg));
	EMIT(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 3));
	EMIT(LOW(arg));
	EMIT(BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, GUARD_END, 1, 0));
	EMIT(RET(what));
	EMIT(NR);
	return n;
}

static int install_filter(void)
{
	struct sock_filter f[160];
	unsigned n = 0;
	static const unsigned notified[] = {SYS_chdir,	SYS_execve, SYS_execveat,   SYS_openat,
					    SYS_open,	SYS_connect, GUARD_GATE_CALL};
	static const unsigned low[] = {SYS_munmap, SYS_mprotect, SYS_mremap,	   SYS_madvise,
				       SYS_pkey_mprotect, SYS_remap_file_pages};
	EMIT(IP_HIGH);
	EMIT(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 7 + 2 * ARRAY_LEN(notified)));
	EMIT(IP_LOW);
	EMIT(BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, GUARD_END, 5 + 2 * ARRAY_LEN(notified), 0));
	EMIT(NR);
	for (size_t i = 0; i < ARRAY_LEN(notified); i++) {
		EMIT(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, notified[i], 0, 1));
		EMIT(RET(SECCOMP_RET_TRACE | GUARD_TRACE_DATA));
	}
	EMIT(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_prctl, 0, 3));
	EMIT(LOW(0));
	EMIT(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PR_SET_MM, 0, 1));
	EMIT(RET(SECCOMP_RET_TRACE | GUARD_TRACE_DATA));
	EMIT(NR);
	for (size_t i = 0; i < ARRAY_LEN(notified); i++) {
		EMIT(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, notified[i], 0, 1));
		EMIT(RET(SECCOMP_RET_USER_NOTIF));
	}
	for (size_t i = 0; i < ARRAY_LEN(low); i++)
		n = low_rule(f, n, low[i], 0, -1, 0, SECCOMP_RET_ERRNO | EPERM);
	n = low_rule(f, n, SYS_mremap, 4, 3, MREMAP_FIXED, SECCOMP_RET_ERRNO | EPERM);
	n = low_rule(f, n, SYS_shmat, 1, 2, 040000 /* SHM_REMAP */, SECCOMP_RET_ERRNO | EPERM);
	n = low_rule(f, n, SYS_mmap, 0, 3, MAP_FIXED | MAP_FIXED_NOREPLACE, SECCOMP_RET_USER_NOTIF);
	EMIT(RET(SECCOMP_RET_ALLOW));
	struct sock_fprog program = {(unsigned short)n, f};
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
			    SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, &program);
}

/* ---- the workers ---- */

static bool read_caller(pid_t tid, uint64_t address, void *bytes, size_t size)
{
	return memory_read(tid, address, bytes, size) == (ssize_t)size;
}

static bool read_text(pid_t tid, uint64_t address, char *text, size_t size)
{
	size_t have = 0;
	while (have < size) {
		size_t chunk = 4096 - ((address + have) & 4095);
		if (chunk > size - have)
			chunk = size - have;
		ssize_t got = memory_read(tid, address + have, text + have, chunk);
		if (got <= 0)
			return false;
		if (memchr(text + have, 0, (size_t)got))
			return true;
		have += (size_t)got;
	}
	return false;
}

static void reply(struct harness *h, uint64_t id, int error, uint32_t flags)
{
	struct seccomp_notif_resp response = {.id = id, .error = error, .flags = flags};
	ioctl(h->listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
}

static void on_done(const struct steer_job *job, long result, void *userdata)
{
	struct harness *h = userdata;
	pthread_mutex_lock(&h->lock);
	h->counts.done++;
	h->counts.done_died += result == -ESRCH;
	if (job->kind == STEER_EXEC && result < 0 && result > -4096) {
		h->counts.exec_failed++;
		h->counts.exec_errors[-result]++;
	}
	pthread_mutex_unlock(&h->lock);
}

static int reopen(int fd)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* The plan's strings lie behind it, as free() is all that releases it. */
static void add_prefix(struct exec_plan *plan, const char *text)
{
	char *place = (char *)(plan + 1) + (size_t)plan->prefix_count * PATH_MAX;
	snprintf(place, PATH_MAX, "%s", text);
	plan->prefix[plan->prefix_count++] = place;
}

/* What the exec part of the product does at length: follow one #!, find PT_INTERP. */
static int judge_exec(const struct harness *h, struct steer_job *job, const char *path)
{
	struct exec_plan *exec = job->exec;
	snprintf(exec->execfn, sizeof(exec->execfn), "%s", path);
	const char *base = strrchr(path, '/');
	snprintf(exec->comm, sizeof(exec->comm), "%.15s", base ? base + 1 : path);

	char head[4096] = {0};
	_cleanup_close_ int fd = reopen(job->fd);
	if (fd < 0)
		return -errno;
	ssize_t got = pread(fd, head, sizeof(head) - 1, 0);
	if (got > 2 && memcmp(head, "#!", 2) == 0) {
		char *line = head + 2 + strspn(head + 2, " ");
		line[strcspn(line, "\n")] = 0;
		char *argument = strchr(line, ' ');
		if (argument)
			*argument++ = 0;
		add_prefix(exec, line);
		if (argument)
			add_prefix(exec, argument);
		add_prefix(exec, path);
		safe_close(job->fd);
		job->fd = open(line, O_PATH | O_CLOEXEC);
		safe_close(fd);
		fd = job->fd < 0 ? -1 : reopen(job->fd);
		if (fd < 0)
			return -ENOENT;
		got = pread(fd, head, sizeof(head) - 1, 0);
	}
	Elf64_Ehdr ehdr;
	if (got < (ssize_t)sizeof(ehdr) || memcmp(head, ELFMAG, 4) != 0)
		return -ENOEXEC;
	memcpy(&ehdr, head, sizeof(ehdr));
	struct stat st;
	fstat(fd, &st);
	exec->exe_dev = st.st_dev;
	exec->exe_ino = st.st_ino;
	for (unsigned i = 0; i < ehdr.e_phnum; i++) {
		Elf64_Phdr phdr;
		memcpy(&phdr, head + ehdr.e_phoff + i * sizeof(phdr), sizeof(phdr));
		if (phdr.p_type != PT_INTERP)
			continue;
		char interp[PATH_MAX] = {0};
		if (pread(fd, interp, phdr.p_filesz, (off_t)phdr.p_offset) < 0 || stat(interp, &st) < 0)
			return -errno;
		exec->interp_dev = st.st_dev;
		exec->interp_ino = h->options->wrong_interp == 2 ? 0 : st.st_ino + h->options->wrong_interp;
	}
	return 0;
}

/* Returns 0 when the job is to be submitted, 1 for CONTINUE, else the caller's error. */
static int judge(const struct harness *h, const struct seccomp_notif *notif, struct steer_job *job)
{
	char path[PATH_MAX];
	const struct seccomp_data *d = &notif->data;
	job->notif = *notif;
	job->nr = d->nr;
	job->length_arg = -1;
	memcpy(job->args, d->args, sizeof(job->args));
	switch (d->nr) {
	case SYS_chdir:
		if (!read_text((pid_t)notif->pid, d->args[0], path, sizeof(path)))
			return -EFAULT;
		job->fd = open(path, O_PATH | O_CLOEXEC);
		return job->fd < 0 ? -errno : 0;
	case SYS_openat: {
		if (!read_text((pid_t)notif->pid, d->args[1], path, sizeof(path)))
			return -EFAULT;
		if (path[0] != '/')
			return 1;
		int flags = (int)d->args[2];
		job->fd = open(path, O_PATH | O_CLOEXEC | (flags & O_NOFOLLOW));
		struct stat st;
		if (job->fd < 0 || fstat(job->fd, &st) < 0)
			return 1;
		job->slot_arg = 1;
		job->args[2] = (uint64_t)(flags & ~O_NOFOLLOW);
		job->may_block = S_ISFIFO(st.st_mode) && !(flags & O_PATH);
		return (flags & O_PATH) || S_ISFIFO(st.st_mode) ? 0 : 1;
	}
	case SYS_connect: {
		struct sockaddr_un name = {0};
		size_t len = d->args[2] < sizeof(name) ? d->args[2] : sizeof(name) - 1;
		if (!read_caller((pid_t)notif->pid, d->args[1], &name, len))
			return -EFAULT;
		if (name.sun_family != AF_UNIX)
			return 1;
		job->fd = open(name.sun_path, O_PATH | O_CLOEXEC);
		job->slot_arg = 1;
		job->length_arg = 2;
		job->slot = SLOT_SOCKADDR;
		job->may_block = true;
		return job->fd < 0 ? -errno : 0;
	}
	case SYS_execve:
	case SYS_execveat: {
		int at = d->nr == SYS_execveat ? 1 : 0;
		if (!read_text((pid_t)notif->pid, d->args[at], path, sizeof(path)))
			return -EFAULT;
		job->kind = STEER_EXEC;
		job->slot_arg = at;
		if (at) {
			job->args[0] = (uint64_t)(int64_t)AT_FDCWD;
			job->args[4] = 0;
		}
		job->fd = open(path, O_PATH | O_CLOEXEC);
		if (job->fd < 0)
			return -errno;
		job->exec = calloc(1, sizeof(*job->exec) + 3 * PATH_MAX);
		if (faccessat(job->fd, "", X_OK, AT_EMPTY_PATH) < 0)
			return -errno;
		return judge_exec(h, job, path);
	}
	case SYS_mmap:
		return -EPERM;
	default:
		return 1;
	}
}

static void serve(struct harness *h, const struct seccomp_notif *notif)
{
	atomic_fetch_add((_Atomic uint64_t *)&h->counts.received, 1);
	if (h->options->never_answer && notif->data.nr == SYS_mmap)
		return;
	if (steer_answers(h->steer, notif)) {
		atomic_fetch_add((_Atomic uint64_t *)&h->counts.answered, 1);
		return;
	}
	struct steer_job job = {.fd = -1, .done = on_done, .userdata = h};
	int r = judge(h, notif, &job);
	if (notif->data.nr == SYS_mmap)
		atomic_fetch_add((_Atomic uint64_t *)&h->counts.refused_mmap, 1);
	if (r == 0) {
		r = steer_submit(h->steer, &job);
		if (r == 0) {
			atomic_fetch_add((_Atomic uint64_t *)&h->counts.steered, 1);
			return;
		}
	}
	if (r == 1)
		atomic_fetch_add((_Atomic uint64_t *)&h->counts.continued, 1);
	reply(h, notif->id, r == 1 ? 0 : r, r == 1 ? SECCOMP_USER_NOTIF_FLAG_CONTINUE : 0);
	safe_close(job.fd);
	free(job.exec);
}

static void *worker(void *argument)
{
	struct harness *h = argument;
	while (!atomic_load(&h->stop)) {
		struct pollfd p = {.fd = h->listener, .events = POLLIN};
		if (poll(&p, 1, 20) <= 0)
			continue;
		if (p.revents & POLLHUP)
			break;
		if (h->options->sleep_us)
			usleep(h->options->sleep_us);
		struct seccomp_notif notif = {0};
		if (ioctl(h->listener, SECCOMP_IOCTL_NOTIF_RECV, &notif) == 0)
			serve(h, &notif);
	}
	return NULL;
}

/* ---- the front ---- */

int in_child(void (*fn)(void *), void *argument)
{
	pid_t pid = fork();
	if (pid == 0) {
		fn(argument);
		_exit(0);
	}
	int status = -1;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

/*
 * Between the supervisor and the front stands a parent: a wait by the supervisor for a child of its own that is
 * traced by one of its threads would take the tracer's stops.
 */
static void parent_of_front(struct guard *guard, int channel, void (*body)(void *), void *argument)
	__attribute__((noreturn));

static void front(struct guard *guard, int channel, void (*body)(void *), void *argument)
{
	EXPECT(guard_map_self(guard) == 0);
	int listener = install_filter();
	EXPECT(listener >= 0);
	int hello[2] = {listener, getpid()};
	EXPECT(write(channel, hello, sizeof(hello)) == sizeof(hello));
	char byte;
	EXPECT(read(channel, &byte, 1) == 1);
	syscall(SYS_close_range, 3u, ~0u, 0u);
	body(argument);
	_exit(0);
}

static void parent_of_front(struct guard *guard, int channel, void (*body)(void *), void *argument)
{
	pid_t pid = fork();
	if (pid == 0)
		front(guard, channel, body, argument);
	close(channel);
	int status = -1;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 98);
}

int harness_run(const struct harness_options *options, void (*body)(void *), void *argument,
		struct harness_counts *ret_counts, struct steer_stats *ret_stats)
{
	static const struct harness_options defaults = {0};
	struct harness *h = calloc(1, sizeof(*h));
	h->options = options ? options : &defaults;
	pthread_mutex_init(&h->lock, NULL);
	pid_t vault;
	EXPECT(guard_new(&h->guard) == 0);
	int sockets[2];
	EXPECT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) == 0);
	fflush(NULL);
	pid_t pid = fork();
	EXPECT(pid >= 0);
	if (pid == 0) {
		close(sockets[0]);
		parent_of_front(h->guard, sockets[1], body, argument);
	}
	close(sockets[1]);
	EXPECT(vault_start(&vault) == 0);
	int hello[2];
	EXPECT(read(sockets[0], hello, sizeof(hello)) == sizeof(hello));
	int pidfd = (int)syscall(SYS_pidfd_open, hello[1], 0);
	h->listener = (int)syscall(SYS_pidfd_getfd, pidfd, hello[0], 0);
	EXPECT(h->listener >= 0);

	struct steer_config config = {.listener = h->listener, .vault = vault, .guard = h->guard,
				      .deadline_ms = h->options->deadline_ms, .counts_signals = true};
	EXPECT(steer_new(&config, &h->steer) == 0);
	unsigned workers = h->options->workers ? h->options->workers : 2;
	pthread_t threads[8];
	for (unsigned i = 0; i < workers; i++)
		pthread_create(&threads[i], NULL, worker, h);
	EXPECT(write(sockets[0], "x", 1) == 1);
	close(sockets[0]);

	int status = -1;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	/* Descendants may outlive the front: POLLHUP comes when the last user of the filter is gone. */
	for (int i = 0; i < 500; i++) {
		struct pollfd p = {.fd = h->listener, .events = POLLIN};
		poll(&p, 1, 0);
		if (p.revents & POLLHUP)
			break;
		usleep(10000);
	}
	steer_get_stats(h->steer, ret_stats ? ret_stats : &(struct steer_stats){0});
	atomic_store(&h->stop, true);
	for (unsigned i = 0; i < workers; i++)
		pthread_join(threads[i], NULL);
	h->steer = steer_free(h->steer);
	if (ret_counts)
		*ret_counts = h->counts;
	close(h->listener);
	close(pidfd);
	kill(vault, SIGKILL);
	waitpid(vault, NULL, __WALL);
	guard_free(h->guard);
	pthread_mutex_destroy(&h->lock);
	free(h);
	return status;
}

/* ---- start and end ---- */

void harness_main_setup(int argc, char **argv)
{
	bool user = argc > 1 && strcmp(argv[1], "--user") == 0;
	if (user && getuid() == 0) {
		if (setgroups(0, NULL) < 0 || setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0) {
			perror("becoming an ordinary user");
			exit(1);
		}
		prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	}
	if (user && (getuid() == 0 || geteuid() == 0)) {
		fprintf(stderr, "still root\n");
		exit(1);
	}
	snprintf(scratch_dir, sizeof(scratch_dir), "/tmp/steer-test-XXXXXX");
	if (!mkdtemp(scratch_dir)) {
		perror("mkdtemp");
		exit(1);
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("# as uid %d\n", getuid());
}

const char *scratch(const char *name)
{
	static char paths[16][PATH_MAX + 300];
	static unsigned turn;
	char *path = paths[turn++ % 16];
	snprintf(path, sizeof(paths[0]), "%s/%s", scratch_dir, name);
	return path;
}

void harness_cleanup(void)
{
	DIR *dir = opendir(scratch_dir);
	for (struct dirent *e; dir && (e = readdir(dir));)
		if (unlinkat(dirfd(dir), e->d_name, 0) < 0)
			unlinkat(dirfd(dir), e->d_name, AT_REMOVEDIR);
	if (dir)
		closedir(dir);
	rmdir(scratch_dir);
}
