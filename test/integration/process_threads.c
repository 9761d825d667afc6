/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many at once, and what a process is given. Natively and in a view the output must be the same.
 *   process_threads crowd DIR      threads that open, stat, unlink, change directory and execute at once
 *   process_threads storm DIR N    N processes, by fork, vfork, posix_spawn
 *   process_threads umask DIR      the umask, also a shared one, with and without default ACLs
 *   process_threads limit DIR      few descriptors
 *   process_threads given DIR      descriptors and signals as inherited
 *   process_threads terminal DIR   controlling terminals
 *   process_threads true|exit
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <termios.h>
#include <unistd.h>

extern char **environ;
static _Atomic int failures;

static void say(const char *what, long result)
{
	int error = errno;

	if (result < 0)
		printf("%s: %s\n", what, strerrorname_np(error));
	else
		printf("%s: %ld\n", what, result);
	fflush(stdout);
}

#define MUST(condition)                                                                                                \
	do {                                                                                                           \
		if (!(condition)) {                                                                                    \
			fprintf(stderr, "line %d: %s: %s\n", __LINE__, #condition, strerror(errno));                   \
			failures++;                                                                                    \
		}                                                                                                      \
	} while (0)

static int spawn_true(void)
{
	char *argv[] = {(char *)"process_threads", (char *)"true", NULL};
	pid_t child;
	int status = 0, error = posix_spawn(&child, "/proc/self/exe", NULL, NULL, argv, environ);

	if (error)
		return error;
	waitpid(child, &status, 0);
	return status;
}

/* ---- a crowd of threads ---- */

#define THREADS 8
#define TURNS 120

static void *crowd_member(void *number)
{
	long me = (long)number;
	char name[64], dir[64];

	snprintf(name, sizeof(name), "file-%ld", me);
	snprintf(dir, sizeof(dir), "dir-%ld", me);
	/* Its own directory to change to, its own umask. */
	MUST(unshare(CLONE_FS) == 0);
	for (int i = 0; i < TURNS; i++) {
		struct stat stat_buffer;
		int fd = open(name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);

		MUST(fd >= 0);
		MUST(write(fd, name, strlen(name)) == (ssize_t)strlen(name));
		MUST(stat(name, &stat_buffer) == 0 && stat_buffer.st_size == (off_t)strlen(name));
		struct stat by_fd;
		MUST(fstat(fd, &by_fd) == 0 && by_fd.st_ino == stat_buffer.st_ino);
		close(fd);
		MUST(stat("hidden-file", &stat_buffer) < 0 && errno == ENOENT);
		MUST(mkdir(dir, 0700) == 0);
		MUST(chdir(dir) == 0);
		MUST(access(name, F_OK) < 0 && errno == ENOENT);
		MUST(chdir("..") == 0);
		MUST(access(name, F_OK) == 0);
		MUST(rmdir(dir) == 0);
		MUST(unlink(name) == 0);
		if (i % 20 == me)
			MUST(spawn_true() == 0);
	}
	return NULL;
}

static int crowd(void)
{
	pthread_t threads[THREADS];

	for (long i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, crowd_member, (void *)i);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	/* One of many executes: the others end, the number stays. */
	for (long i = 0; i < 20; i++) {
		fflush(stdout);
		pid_t child = fork();
		int status;
		if (child == 0) {
			for (long j = 0; j < 4; j++)
				pthread_create(&threads[j], NULL, crowd_member, (void *)(100 + i * 10 + j));
			usleep((useconds_t)(i * 500));
			execl("/proc/self/exe", "process_threads", "exit", NULL);
			_exit(1);
		}
		waitpid(child, &status, 0);
		MUST(WIFEXITED(status) && WEXITSTATUS(status) == 42);
		if (!WIFEXITED(status) || WEXITSTATUS(status) != 42)
			fprintf(stderr, "status %x\n", (unsigned)status);
	}
	printf("%d failures\n", (int)failures);
	return failures != 0;
}

/* ---- storms of processes ---- */

static int storm(int processes)
{
	static int good;
	int status;

	for (int begun = 0; begun < processes; begun += 50) {
		for (int i = 0; i < 50; i++) {
			pid_t child = fork();
			if (child == 0) {
				struct stat stat_buffer;
				char name[64];
				snprintf(name, sizeof(name), "storm-%d", (int)getpid());
				int fd = open(name, O_CREAT | O_EXCL | O_WRONLY, 0600);
				bool fine = fd >= 0 && stat(name, &stat_buffer) == 0 && unlink(name) == 0 &&
					    stat("hidden-file", &stat_buffer) < 0 && errno == ENOENT;
				_exit(fine ? 7 : 1);
			}
			MUST(child > 0);
		}
		while (wait(&status) > 0)
			good += WIFEXITED(status) && WEXITSTATUS(status) == 7;
	}
	say("forked", good);
	good = 0;
	for (int i = 0; i < 50; i++) {
		pid_t child = vfork();
		if (child == 0) {
			execl("/proc/self/exe", "process_threads", "exit", NULL);
			_exit(1);
		}
		waitpid(child, &status, 0);
		good += WIFEXITED(status) && WEXITSTATUS(status) == 42;
		good += spawn_true() == 0;
	}
	say("spawned", good);
	pid_t child = vfork();
	if (child == 0) {
		execl("/nothing", "x", NULL);
		_exit(errno == ENOENT ? 3 : 1);
	}
	waitpid(child, &status, 0);
	say("vfork that fails", WEXITSTATUS(status));
	say("spawn that fails", posix_spawn(&child, "hidden-file", NULL, NULL, environ, environ));
	return failures != 0;
}

/* ---- the umask ---- */

static int set_umask(void *mask)
{
	umask((mode_t)(long)mask);
	return 0;
}

static void mode_of(const char *name)
{
	struct stat stat_buffer;

	if (lstat(name, &stat_buffer) < 0)
		say(name, -1);
	else
		printf("%s: %o\n", name, stat_buffer.st_mode);
	if (S_ISDIR(stat_buffer.st_mode))
		rmdir(name);
	else
		unlink(name);
}

static void create_all(void)
{
	close(open("by-open", O_CREAT | O_WRONLY, 0666));
	mode_of("by-open");
	close(open("by-open-exclusive", O_CREAT | O_EXCL | O_WRONLY, 06777));
	mode_of("by-open-exclusive");
	mkdir("by-mkdir", 01777);
	mode_of("by-mkdir");
	mkfifo("by-mkfifo", 0666);
	mode_of("by-mkfifo");
	mknod("by-mknod", S_IFREG | 0666, 0);
	mode_of("by-mknod");
	if (symlink("x", "by-symlink") == 0)
		mode_of("by-symlink");
	int fd = open(".", O_TMPFILE | O_RDWR, 0666);
	struct stat stat_buffer;
	if (fd >= 0 && fstat(fd, &stat_buffer) == 0)
		printf("by O_TMPFILE: %o\n", stat_buffer.st_mode);
	else
		say("by O_TMPFILE", fd);
	close(fd);
}

static int umasks(void)
{
	static const mode_t masks[] = {0, 022, 027, 077, 0777, 0111};
	static char stack[65536];

	for (size_t i = 0; i < sizeof(masks) / sizeof(masks[0]); i++) {
		umask(masks[i]);
		printf("-- %03o\n", masks[i]);
		create_all();
	}
	/* Shared with another process: its change is ours. */
	umask(022);
	fflush(stdout);
	pid_t child = clone(set_umask, stack + sizeof(stack), CLONE_FS | SIGCHLD, (void *)0070L);
	waitpid(child, NULL, 0);
	printf("-- shared\n");
	create_all();
	child = clone(set_umask, stack + sizeof(stack), SIGCHLD, (void *)0007L);
	waitpid(child, NULL, 0);
	printf("-- not shared\n");
	create_all();
	/* linux/posix_acl_xattr.h: version 2; user:: rwx, user:1: rwx, group:: r-x, mask rwx, other: --- */
	static const unsigned char acl[] = {2, 0, 0, 0, 1, 0, 7, 0, 255, 255, 255, 255, 2, 0, 7, 0, 1, 0, 0, 0, 4, 0, 5, 0,
					    255, 255, 255, 255, 16, 0, 7, 0, 255, 255, 255, 255, 32, 0, 0, 0, 255, 255, 255, 255};
	umask(077);
	mkdir("default-acl", 0777);
	say("default ACL", setxattr("default-acl", "system.posix_acl_default", acl, sizeof(acl), 0));
	if (chdir("default-acl") == 0)
		create_all();
	return 0;
}

/* ---- few descriptors ---- */

static void limit_to(rlim_t number)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = number;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static int limits(void)
{
	struct stat stat_buffer;
	int status;

	for (int fd = 3; fd < 64; fd++)
		close(fd);
	mkdir("sub", 0755);
	for (rlim_t number = 3; number <= 5; number++) {
		limit_to(number);
		printf("-- %d descriptors\n", (int)number);
		int first = open("/etc/passwd", O_RDONLY);
		say("open", first);
		int second = open("sub", O_RDONLY | O_DIRECTORY);
		say("open", second);
		say("O_PATH", open("sub", O_PATH));
		say("stat", stat("sub", &stat_buffer));
		say("mkdir", mkdir("sub/x", 0700));
		say("rmdir", rmdir("sub/x"));
		say("chdir", chdir("sub"));
		say("chdir back", chdir(".."));
		say("lowest", dup(0));
		close(3);
		close(4);
		close(5);
		pid_t child = fork();
		if (child == 0) {
			limit_to(64);
			_exit(spawn_true());
		}
		waitpid(child, &status, 0);
		say("child", status);
	}
	/* Numbers are given from below, and kept from an executed program where asked. */
	limit_to(64);
	say("lowest", open("/etc/passwd", O_RDONLY));
	say("next", open("/etc/passwd", O_RDONLY | O_CLOEXEC));
	close(3);
	say("lowest again", open("/etc/passwd", O_RDONLY | O_CLOEXEC));
	say("next", open("sub", O_PATH | O_CLOEXEC));
	say("next", open("sub", O_PATH));
	for (int fd = 3; fd < 7; fd++)
		say("flags", fcntl(fd, F_GETFD));
	return 0;
}

/* ---- what a program is given ---- */

static int given(void)
{
	sigset_t mask;
	DIR *dir = opendir("/proc/self/fd");

	printf("descriptors:");
	for (int fd = 0; fd < 64; fd++)
		if (dir && fd != dirfd(dir) && fcntl(fd, F_GETFD) >= 0)
			printf(" %d(%d,%o)", fd, fcntl(fd, F_GETFD), fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK));
	printf("\nlisted:");
	int listed = 0;
	for (struct dirent *entry; dir && (entry = readdir(dir));)
		listed += entry->d_name[0] != '.';
	printf(" %d\nignored:", listed);
	for (int number = 1; number < 65; number++) {
		struct sigaction action;
		if (sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN)
			printf(" %d", number);
	}
	sigprocmask(SIG_SETMASK, NULL, &mask);
	printf("\nblocked:");
	for (int number = 1; number < 65; number++)
		if (sigismember(&mask, number) == 1)
			printf(" %d", number);
	stack_t stack;
	sigaltstack(NULL, &stack);
	mode_t old = umask(0);
	printf("\numask %o, niceness %d, alternative stack %d\n", old, getpriority(PRIO_PROCESS, 0), stack.ss_flags);
	for (int kind = 0; kind < RLIM_NLIMITS; kind++) {
		struct rlimit limit;
		if (getrlimit(kind, &limit) == 0)
			printf("limit %d: %lx %lx\n", kind, (unsigned long)limit.rlim_cur, (unsigned long)limit.rlim_max);
	}
	return 0;
}

/* ---- controlling terminals ---- */

static void with_terminal(const char *name, int flags)
{
	fflush(stdout);
	pid_t child = fork();

	if (child == 0) {
		setsid();
		say("without one", open("/dev/tty", O_RDWR) < 0 ? -1 : 0);
		int fd = open(name, O_RDWR | flags);
		say("open", fd < 0 ? -1 : 0);
		say("its session right", tcgetsid(fd) == getpid());
		int tty = open("/dev/tty", O_RDWR);
		say("/dev/tty", tty < 0 ? -1 : 0);
		say("is a terminal", isatty(fd));
		char text[64] = "";
		ssize_t n = readlink("/proc/self/fd/0", text, sizeof(text) - 1);
		(void)n;
		if (tty >= 0) {
			say("written", write(tty, "x", 1));
			say("foreground right", tcgetpgrp(tty) == getpid());
			fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NONBLOCK);
			say("flags", fcntl(fd, F_GETFD));
			say("kind", (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
			say("let go", ioctl(tty, TIOCNOTTY));
			say("afterwards", open("/dev/tty", O_RDWR));
		}
		/* Letting go sends SIGHUP to the session. */
		fflush(stdout);
		_exit(0);
	}
	waitpid(child, NULL, 0);
}

static int terminals(void)
{
	signal(SIGHUP, SIG_IGN);
	signal(SIGTTOU, SIG_IGN);
	int master = posix_openpt(O_RDWR | O_NOCTTY);
	say("master", master < 0 ? -1 : 0);
	if (master < 0)
		return 1;
	grantpt(master);
	unlockpt(master);
	char name[64];
	ptsname_r(master, name, sizeof(name));
	printf("-- O_NOCTTY\n");
	with_terminal(name, O_NOCTTY);
	printf("-- plain\n");
	with_terminal(name, 0);
	printf("-- by TIOCGPTPEER\n");
	int peer = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY);
	say("peer", peer < 0 ? -1 : isatty(peer));
	char byte;
	struct stat one, other;
	say("read", read(master, &byte, 1));
	MUST(fstat(peer, &one) == 0 && stat(name, &other) == 0 && one.st_rdev == other.st_rdev);
	return failures != 0;
}

int main(int argc, char **argv)
{
	if (argc == 2)
		return strcmp(argv[1], "exit") ? 0 : 42;
	if (argc < 3 || chdir(argv[2]) < 0)
		return 2;
	alarm(60);
	switch (argv[1][0]) {
	case 'c':
		return crowd();
	case 's':
		return storm(atoi(argv[3]));
	case 'u':
		return umasks();
	case 'l':
		return limits();
	case 'g':
		return given();
	default:
		return terminals();
	}
}
