/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random system calls with arguments that lead to files rather than nowhere. A life is a child with a tree of its own and
 * some hundred calls; a seed and its number make it again. What comes back is searched for a text that only hidden files
 * have, and in mode compare told call by call.
 *   fuzz_calls MODE SEED FIRST LIVES CALLS DIR CANARY
 *      compare   calls that are to be the same natively and inside, each with its result
 *      show      the same with the arguments
 *      leak      all calls, in a tree where the names hidden, .env, secret, masked and denied are the driver's
 *   CANARY: the text, each byte plus one, so that it stands nowhere in this process
 * Tells at the end how many calls were made, how many got past their first check, how many lives did not end well; and, as the
 * exit status 3, that the text was seen.
 */
#include "fuzz_calls.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "escape.h"

#define LOG_SIZE (1UL << 20)
#define SCANNED (80UL << 10) /* of the arena, after each call */
#define STUCK_MS 60	     /* a life that makes no call for so long gets a signal */
#define HANG_MS 30000
#define KEEP_FD 600 /* ours stand from here on */

enum mode { COMPARE, SHOW, LEAK };

/* Shared with the children. */
static struct shared {
	volatile unsigned long calls, past, seen;
	volatile int alive; /* the life has made its tree */
	volatile size_t used;
	char log[LOG_SIZE];
} *all;

static enum mode mode;
static unsigned char canary[64];
static size_t canary_length;
static int scan_pipe[2] = {-1, -1};

__attribute__((format(printf, 1, 2))) static void note(const char *format, ...)
{
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(all->log + all->used, LOG_SIZE - all->used, format, args);
	va_end(args);
	if (length > 0 && all->used + (size_t)length < LOG_SIZE)
		all->used += (size_t)length;
}

/* The text is decoded nowhere: a process that holds it would find it in what it wrote itself. */
static bool has_canary(const unsigned char *bytes, size_t length)
{
	for (size_t i = 0; i + canary_length <= length; i++) {
		size_t k = 0;

		while (k < canary_length && (unsigned char)(bytes[i + k] + 1) == canary[k])
			k++;
		if (k == canary_length)
			return true;
	}
	return false;
}

/* ---- the tree ---- */

static void remove_beneath(int dir)
{
	int copy = dup(dir);
	DIR *listing;

	fchmod(dir, 0755);
	listing = copy < 0 ? NULL : fdopendir(copy);
	if (!listing) {
		if (copy >= 0)
			close(copy);
		return;
	}
	for (struct dirent *e; (e = readdir(listing));) {
		int inner;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (unlinkat(dir, e->d_name, 0) == 0 || (errno != EISDIR && errno != EPERM && errno != EBUSY))
			continue;
		inner = openat(dir, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
		if (inner < 0 && fchmodat(dir, e->d_name, 0755, 0) == 0)
			inner = openat(dir, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
		if (inner < 0)
			continue;
		/* What is hidden stays: the driver's, and only its own view removes it. */
		remove_beneath(inner);
		close(inner);
		unlinkat(dir, e->d_name, AT_REMOVEDIR);
	}
	closedir(listing);
}

static void put(const char *name, size_t size, mode_t mode_)
{
	static char content[20000];
	int fd = open(name, O_CREAT | O_RDWR | O_TRUNC | O_NOFOLLOW, mode_);

	memset(content, 'c', sizeof(content));
	if (fd < 0)
		return;
	if (write(fd, content, size) != (ssize_t)size)
		note("short write\n");
	fsetxattr(fd, "user.there", "value", 5, 0);
	close(fd);
}

static void make_tree(void)
{
	struct sockaddr_un un = {AF_UNIX, "sock"};
	int fd;

	mkdir("dir", 0755);
	mkdir("dir/dir", 0755);
	mkdir("empty", 0755);
	put("file", 100, 0644);
	put("big", 20000, 0644);
	put("dir/inner", 10, 0644);
	put("dir/file", 0, 0600);
	put("dir/odd name\n", 5, 0644);
	fd = open("script", O_CREAT | O_WRONLY | O_TRUNC | O_NOFOLLOW, 0755);
	if (fd >= 0 && write(fd, "#!/bin/echo\n", 12) != 12)
		note("short write\n");
	close(fd);
	if (symlink("file", "link") || symlink("dir", "to-dir") || symlink("..", "dir/up") || symlink("nothing", "dangling") ||
	    symlink("loop", "loop") || symlink("hidden", "to-hidden") || symlink("dir/.env", "dir/to-env") || link("big", "dir/alias") ||
	    mkfifo("fifo", 0600))
		note("tree: %s\n", strerror(errno));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(fd, (struct sockaddr *)&un, sizeof(un)))
		note("sock: %s\n", strerror(errno));
	close(fd);
}

/* ---- a life ---- */

static void on_signal(int signal)
{
	(void)signal;
}

/* What a mapping shows, as far as it can be read. */
static bool mapping_has(uint64_t at, const struct fuzz *fuzz)
{
	ssize_t length = write(scan_pipe[1], (void *)(uintptr_t)at, 4096);

	if (length <= 0)
		return false;
	length = read(scan_pipe[0], fuzz->arena + FUZZ_ARENA - 8192, (size_t)length);
	return length > 0 && has_canary((unsigned char *)fuzz->arena + FUZZ_ARENA - 8192, (size_t)length);
}

/* So that nothing blocks for ever, and nothing of ours is closed. */
static void tame(struct fuzz *fuzz, const struct fuzz_call *call, uint64_t args[6])
{
	uint64_t wait = fuzz_below(fuzz, 150) ? O_NONBLOCK : 0;

	if (call->nr == SYS_open)
		args[1] |= wait;
	else if (call->nr == SYS_openat)
		args[2] |= wait;
	else if (call->nr == SYS_socket || call->nr == SYS_socketpair)
		args[1] |= SOCK_NONBLOCK;
	else if (call->nr == SYS_fcntl && (int)args[1] == F_SETFL)
		args[2] |= O_NONBLOCK;
	/* One event at least: what a mask without any means is another question. */
	else if (call->nr == SYS_inotify_add_watch)
		args[2] |= IN_ATTRIB;
	/* A file that is read by the paths of all is not made larger than the disk likes. */
	else if (call->nr == SYS_pwrite64 || call->nr == SYS_pwritev2 || call->nr == SYS_fallocate)
		args[call->nr == SYS_fallocate ? 2 : 3] &= 0xfffff;
}

static long execute(long nr, const uint64_t args[6])
{
	int status;
	pid_t child = fork();

	if (child < 0)
		return -errno;
	if (child == 0) {
		dup2(scan_pipe[1], 1);
		dup2(scan_pipe[1], 2);
		syscall(nr, args[0], args[1], args[2], args[3], args[4], args[5]);
		_exit(errno);
	}
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		continue;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -1000 - WTERMSIG(status);
}

static bool past_first_check(long result)
{
	switch (-result) {
	case EBADF:
	case EFAULT:
	case EINVAL:
	case ENOSYS:
	case EPERM:
	case ENOTSOCK:
	case ENOTDIR:
	case ENAMETOOLONG:
		return false;
	default:
		return true;
	}
}

static void note_text(const char *before, const char *text)
{
	note("%s\"", before);
	for (size_t i = 0; text[i] && i < 300; i++)
		note((unsigned char)text[i] < ' ' || (unsigned char)text[i] > 126 ? "\\x%02x" : "%c", (unsigned char)text[i]);
	note("\"%s", strlen(text) > 300 ? "..." : "");
}

static void show(const struct fuzz_call *call, const uint64_t args[6], const struct fuzz *fuzz)
{
	note("%s(", call->name);
	for (int i = 0; i < 6 && call->args[i].kind != F_NONE; i++) {
		const char *at = (const char *)(uintptr_t)args[i];

		if ((call->args[i].kind == F_PATH || call->args[i].kind == F_CREATE) && at >= fuzz->text && at < fuzz->text + FUZZ_TEXT)
			note_text(i ? ", " : "", at);
		else
			note("%s%#lx", i ? ", " : "", (unsigned long)args[i]);
	}
	note(") ");
}

static bool is_comparable(const struct fuzz_call *call)
{
	return !(call->flags & FUZZ_REFUSED);
}

static const struct fuzz_call *pick(struct fuzz *fuzz)
{
	static uint64_t total;

	if (!total)
		for (size_t i = 0; i < fuzz_call_count; i++)
			total += fuzz_calls[i].weight;
	for (;;) {
		uint64_t at = fuzz_below(fuzz, total);
		const struct fuzz_call *call = fuzz_calls;

		while (at >= call->weight)
			at -= call++->weight;
		if (mode == LEAK || is_comparable(call))
			return call;
	}
}

static void one_call(struct fuzz *fuzz)
{
	const struct fuzz_call *call = pick(fuzz);
	uint64_t args[6];
	long result;

	fuzz_arguments(fuzz, call, args);
	tame(fuzz, call, args);
	if (mode == SHOW)
		show(call, args, fuzz);
	errno = 0;
	if (call->flags & FUZZ_EXEC) {
		result = execute(call->nr, args);
	} else {
		result = syscall(call->nr, args[0], args[1], args[2], args[3], args[4], args[5]);
		if (result < 0)
			result = -errno;
		if (result == 0 && call->flags & FUZZ_CHILD)
			_exit(0);
		/* It has copies of descriptors: what they are the end of is not ended before. */
		while (call->flags & FUZZ_CHILD && result > 0 && waitpid((pid_t)result, NULL, 0) < 0 && errno == EINTR)
			continue;
	}
	all->calls++;
	if (past_first_check(result))
		all->past++;
	if (result > 2 && result < KEEP_FD)
		fuzz->last_fd = (int)result;
	if (mode == LEAK) {
		bool mapped = call->flags & FUZZ_MAPS && result > 0 && mapping_has((uint64_t)result, fuzz);

		if (call->flags & FUZZ_EXEC) {
			ssize_t length = read(scan_pipe[0], fuzz->arena, 65536);

			if (length <= 0)
				fuzz->arena[0] = '\0';
		}
		if (mapped || has_canary((unsigned char *)fuzz->arena, SCANNED)) {
			all->seen++;
			if (all->seen < 20) {
				note("SEEN by ");
				show(call, args, fuzz);
				note("= %ld\n", result);
			}
			memset(fuzz->arena, 0, SCANNED);
		}
		return;
	}
	if (call->flags & FUZZ_EXEC && mode != LEAK)
		while (read(scan_pipe[0], fuzz->arena, 4096) > 0)
			continue;
	if (call->flags & (FUZZ_SIGN | FUZZ_CHILD | FUZZ_MAPS) && result > 0)
		result = 1;
	/* As PARITY has it: O_NOFOLLOW may be missing. */
	if (call->nr == SYS_fcntl && (int)args[1] == F_GETFL && result > 0)
		result &= ~O_NOFOLLOW;
	if (call->flags & FUZZ_LOOSE)
		result = 0;
	note("%s %ld\n", call->name, result);
}

/* LENGTH bytes, and behind them a page that nobody may touch: whatever is read into them goes no further. */
static char *fenced(size_t length)
{
	char *at = mmap(NULL, length + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED || mprotect(at + length, 4096, PROT_NONE) < 0)
		broken("no memory: %s", strerror(errno));
	return at;
}

static void live(const char *tree, uint64_t seed, unsigned calls)
{
	struct fuzz fuzz = {.random = seed, .tree = tree, .leak = mode == LEAK, .last_fd = 3};
	struct rlimit files = {256, 1024};
	void *memory;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	umask(022);
	fuzz.arena = fenced(FUZZ_ARENA);
	fuzz.text = fenced(FUZZ_TEXT + 2 * 8192);
	memory = mmap((void *)FUZZ_MEMORY_AT, FUZZ_MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (memory != (void *)FUZZ_MEMORY_AT || chdir(tree) < 0)
		broken("a life cannot begin: %s", strerror(errno));
	make_tree();
	setrlimit(RLIMIT_NOFILE, &files);
	/* What a life begins with: a directory, a file, a pipe, a socket, a queue. Lower numbers are ours. */
	if (dup2(open(tree, O_RDONLY | O_DIRECTORY), 3) != 3 || dup2(open("file", O_RDWR), 4) != 4)
		note("no first descriptors\n");
	for (int fd = 5; fd < 30; fd++)
		close(fd);
	syscall(SYS_pipe2, fuzz.arena, O_NONBLOCK);
	socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	if (mode == LEAK)
		syscall(SYS_inotify_init1, O_NONBLOCK);
	all->alive = 1;
	for (unsigned i = 0; i < calls; i++)
		one_call(&fuzz);
}

/* ---- their parent ---- */

static long milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Until CHILD has ended. Returns its wait status; one that hangs is killed, and that is told. */
static int watch(pid_t child)
{
	const struct timespec tick = {0, 20 * 1000000};
	unsigned long calls = all->calls;
	long moved = milliseconds(), begun = moved;
	sigset_t mask;
	int status;

	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	while (waitpid(child, &status, WNOHANG) != child) {
		long now = milliseconds();

		if (all->calls != calls) {
			calls = all->calls;
			moved = begun = now;
		} else if (now - begun > HANG_MS) {
			note("HANG\n");
			kill(child, SIGKILL);
			begun = now;
		} else if (all->alive && now - moved > STUCK_MS) {
			kill(child, SIGUSR1);
			moved = now;
		}
		sigtimedwait(&mask, NULL, &tick);
	}
	return status;
}

static unsigned long run_lives(const char *dir, uint64_t seed, unsigned first, unsigned lives, unsigned calls)
{
	/* Deep enough that what is made by way of ".." lies in DIR, too. */
	static const char *const levels[] = {"n", "n/n", "n/n/n", "n/n/n/n", "n/n/n/n/t"};
	const size_t depth = sizeof(levels) / sizeof(levels[0]);
	char tree[PATH_MAX];
	unsigned long killed = 0;

	snprintf(tree, sizeof(tree), "%s/%s", dir, levels[depth - 1]);
	for (unsigned i = first; i < first + lives; i++) {
		int status, home;
		pid_t child;

		home = chdir(dir) < 0 ? -1 : open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (home < 0)
			broken("%s: %s", dir, strerror(errno));
		/* Of the first the driver has made the tree. */
		if (i > first)
			remove_beneath(home);
		close(home);
		for (size_t level = 0; level < depth; level++)
			if (mkdir(levels[level], 0755) < 0 && (errno != EEXIST || chmod(levels[level], 0755) < 0))
				broken("%s: %s", levels[level], strerror(errno));
		for (size_t level = depth - 1; level-- > 0;)
			chmod(levels[level], 0555);
		all->used = 0;
		all->alive = 0;
		fflush(stdout);
		child = fork();
		if (child < 0)
			broken("fork: %s", strerror(errno));
		if (child == 0) {
			live(tree, (seed << 32) + i * 0x100000001b3, calls);
			_exit(0);
		}
		status = watch(child);
		killed += status != 0;
		if (mode != LEAK)
			printf("life %u\n", i);
		fwrite(all->log, 1, all->used, stdout);
		if (mode != LEAK || status != 0)
			printf("end %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status));
		/* Children of children that have not been waited for. */
		while (waitpid(-1, NULL, WNOHANG) > 0)
			continue;
	}
	return killed;
}

int main(int argc, char **argv)
{
	unsigned long killed;
	struct sigaction action = {.sa_handler = on_signal};
	sigset_t mask;

	sigaction(SIGUSR1, &action, NULL);
	check_identity();
	if (argc != 8)
		broken("usage: fuzz_calls compare|show|leak SEED FIRST LIVES CALLS DIR CANARY");
	mode = strcmp(argv[1], "leak") == 0 ? LEAK : strcmp(argv[1], "show") == 0 ? SHOW : COMPARE;
	canary_length = strlen(argv[7]);
	if (canary_length < 8 || canary_length > sizeof(canary))
		broken("the canary has %zu bytes", canary_length);
	memcpy(canary, argv[7], canary_length);
	all = mmap(NULL, sizeof(*all), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (all == MAP_FAILED || pipe2(scan_pipe, O_NONBLOCK | O_CLOEXEC) < 0)
		broken("%s", strerror(errno));
	for (int i = 0; i < 2; i++) {
		int fd = fcntl(scan_pipe[i], F_DUPFD_CLOEXEC, KEEP_FD);

		close(scan_pipe[i]);
		scan_pipe[i] = fd;
		if (fd < 0)
			broken("descriptors: %s", strerror(errno));
	}
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	killed = run_lives(argv[6], strtoull(argv[2], NULL, 0), (unsigned)atoi(argv[3]), (unsigned)atoi(argv[4]), (unsigned)atoi(argv[5]));
	printf("calls %lu past %lu killed %lu seen %lu\n", all->calls, all->past, killed, all->seen);
	fflush(stdout);
	return all->seen ? 3 : 0;
}
