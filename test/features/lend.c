/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that need the caller's own open file description, in ways that show whether it was the right one and whether
 * anything was left behind. Prints what it saw, which does not depend on where it runs: lend.sh compares. DIRECTORY
 * holds many files; one that a view may hide is named "secret" and is never printed.
 *	lend DIRECTORY FILE-TO-CUT
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define SHORT 160 /* bytes: a few entries */
#define ROUNDS 60

static const char *directory, *victim;

struct entry {
	uint64_t inode;
	int64_t next;
	uint16_t length;
	uint8_t type;
	char name[];
};

static void complain(const char *what)
{
	printf("%s: %s\n", what, strerror(errno));
}

/* One getdents64; adds up the names, so that order and stories do not matter. Returns the bytes or -1. */
static long list_some(int fd, size_t size, unsigned *count, unsigned *sum)
{
	_Alignas(8) char buffer[8192];
	long len = syscall(SYS_getdents64, fd, buffer, size);

	for (long at = 0; at < len; at += ((struct entry *)(buffer + at))->length) {
		const char *name = ((struct entry *)(buffer + at))->name;

		if (strcmp(name, "secret") == 0)
			continue;
		*count += 1;
		for (; *name; name++)
			*sum += (unsigned char)*name;
	}
	return len;
}

static void list_rest(const char *what, int fd, size_t size)
{
	unsigned count = 0, sum = 0;
	long len;

	while ((len = list_some(fd, size, &count, &sum)) > 0)
		;
	printf("%s: %u names, sum %u, end %ld\n", what, count, sum, len);
}

static int descriptors(void)
{
	int count = 0;

	for (int fd = 0; fd < 1024; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static void plain(void)
{
	int fd = open(directory, O_RDONLY | O_DIRECTORY), before = descriptors();

	list_rest("whole", fd, 8192);
	lseek(fd, 0, SEEK_SET);
	list_rest("in bites", fd, SHORT);
	printf("bad descriptor: %d\n", list_some(999, 100, &(unsigned){0}, &(unsigned){0}) < 0 ? errno : 0);
	printf("descriptors: %d more\n", descriptors() - before);
	close(fd);
}

/* A child and its parent read one description in turns. */
static void shared_offset(void)
{
	int fd = open(directory, O_RDONLY | O_DIRECTORY), status;
	unsigned count = 0, sum = 0;

	list_some(fd, SHORT, &count, &sum);
	pid_t pid = fork();
	if (pid == 0) {
		list_some(fd, SHORT, &count, &sum);
		_exit((int)count);
	}
	waitpid(pid, &status, 0);
	printf("child and parent: %d names\n", WEXITSTATUS(status));
	list_rest("after the child", fd, SHORT);
	close(fd);
}

/* A thread with a table of its own, in which the same number is something else. */
static void *own_table(void *argument)
{
	int number = *(int *)argument, elsewhere;
	unsigned count = 0, sum = 0;

	if (unshare(CLONE_FILES) < 0) {
		complain("unshare");
		return NULL;
	}
	elsewhere = open("/", O_RDONLY | O_DIRECTORY);
	dup2(elsewhere, number);
	close(elsewhere);
	elsewhere = open(directory, O_RDONLY | O_DIRECTORY);
	dup2(elsewhere, number);
	list_some(number, SHORT, &count, &sum);
	list_rest("own table", number, SHORT);
	return NULL;
}

static void threads(void)
{
	int fd = open("/proc/self/task", O_RDONLY | O_DIRECTORY), copy = open(directory, O_RDONLY | O_DIRECTORY);
	pthread_t thread;

	pthread_create(&thread, NULL, own_table, &fd);
	pthread_join(thread, NULL);
	list_rest("the leader's", copy, SHORT);
	close(fd);
	close(copy);
}

static void *list_in_thread(void *argument)
{
	list_rest("a thread's", *(int *)argument, SHORT);
	return NULL;
}

static void plain_thread(void)
{
	int fd = open(directory, O_RDONLY | O_DIRECTORY);
	pthread_t thread;

	pthread_create(&thread, NULL, list_in_thread, &fd);
	pthread_join(thread, NULL);
	close(fd);
}

static volatile sig_atomic_t alarms;

static void on_alarm(int signal)
{
	(void)signal;
	alarms++;
}

/* Signals before, while and after it lends: each call is made once, none says EINTR. */
static void signals(void)
{
	struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
	struct itimerval often = {{0, 700}, {0, 700}}, never = {0};
	int fd = open(directory, O_RDONLY | O_DIRECTORY), wrong = 0;
	unsigned first = 0;

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	for (int i = 0; i < ROUNDS; i++) {
		unsigned count = 0, sum = 0;
		long len;

		lseek(fd, 0, SEEK_SET);
		while ((len = list_some(fd, 1024, &count, &sum)) > 0)
			;
		first = first ? first : sum;
		wrong += len != 0 || sum != first;
	}
	setitimer(ITIMER_REAL, &never, NULL);
	printf("under signals: %d wrong, signals %s\n", wrong, alarms ? "came" : "did not come");
	close(fd);
}

static void stops(void)
{
	int status, fd = open(directory, O_RDONLY | O_DIRECTORY);
	pid_t pid = fork();

	if (pid == 0) {
		unsigned sum = 0, first = 0;
		int wrong = 0;

		for (int i = 0; i < ROUNDS; i++) {
			unsigned count = 0;

			sum = 0;
			lseek(fd, 0, SEEK_SET);
			while (list_some(fd, 1024, &count, &sum) > 0)
				;
			first = first ? first : sum;
			wrong += sum != first;
		}
		_exit(wrong);
	}
	for (int i = 0; i < ROUNDS; i++) {
		usleep(500);
		kill(pid, SIGSTOP);
		usleep(200);
		kill(pid, SIGCONT);
	}
	waitpid(pid, &status, 0);
	printf("under stops: %#x\n", (unsigned)status);
	close(fd);
}

/* No descriptor is free. */
static void full_table(void)
{
	struct rlimit limit, few;
	int fd = open(directory, O_RDONLY | O_DIRECTORY);

	getrlimit(RLIMIT_NOFILE, &limit);
	few = limit;
	few.rlim_cur = (rlim_t)fd + 1;
	setrlimit(RLIMIT_NOFILE, &few);
	printf("full: dup %d\n", dup(fd) < 0 ? errno : 0);
	list_rest("full table", fd, 8192);
	getrlimit(RLIMIT_NOFILE, &few);
	printf("full: limit %s\n", few.rlim_cur == (rlim_t)fd + 1 ? "as it was" : "changed");
	setrlimit(RLIMIT_NOFILE, &limit);
	close(fd);
}

/* No copy is left: a lock goes with the last close, and a pipe's end is its end. */
static void lifetimes(void)
{
	int held = 0, open_ends = 0;

	for (int i = 0; i < ROUNDS; i++) {
		int fd = open(victim, O_RDWR), again = open(victim, O_RDWR), ends[2];
		char byte;

		flock(fd, LOCK_EX);
		if (ftruncate(fd, 100 + i) < 0)
			complain("ftruncate");
		close(fd);
		held += flock(again, LOCK_EX | LOCK_NB) < 0;
		close(again);
		if (pipe(ends) < 0)
			return;
		fcntl(ends[0], F_SETFL, O_NONBLOCK);
		fcntl(ends[1], F_SETFL, O_NONBLOCK);
		close(ends[1]);
		open_ends += read(ends[0], &byte, 1) != 0;
		close(ends[0]);
	}
	printf("lifetimes: %d locks held, %d ends open\n", held, open_ends);
}

static void attributes(void)
{
	int fd = open(victim, O_RDWR), path = open(victim, O_PATH), watch = inotify_init();
	struct stat stat;

	printf("fchmod %d, of O_PATH %d\n", fchmod(fd, 0640), fchmod(path, 0600) < 0 ? errno : 0);
	printf("ftruncate %d, fallocate %d, punch %d\n", ftruncate(fd, 5000), fallocate(fd, 0, 0, 9000),
	       fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096));
	fstat(fd, &stat);
	printf("size %ld, mode %o\n", (long)stat.st_size, stat.st_mode);
	printf("flags %d", fcntl(fd, F_SETFL, O_APPEND | O_NONBLOCK));
	printf(" %o\n", (unsigned)fcntl(fd, F_GETFL) & (O_APPEND | O_NONBLOCK | O_ACCMODE));
	printf("watch %s, without inotify %d\n", inotify_add_watch(watch, directory, IN_CREATE) > 0 ? "set" : "not set",
	       inotify_add_watch(fd, directory, IN_CREATE) < 0 ? errno : 0);
	close(fd);
	close(path);
	close(watch);
}

static void sockets(void)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int server = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), client = socket(AF_UNIX, SOCK_DGRAM, 0);
	char byte;

	snprintf(name.sun_path, sizeof(name.sun_path), "%s/socket", directory);
	if (bind(server, (struct sockaddr *)&name, sizeof(name)) < 0)
		complain("bind");
	if (sendto(client, "x", 1, 0, (struct sockaddr *)&name, sizeof(name)) != 1)
		complain("sendto");
	printf("received %zd\n", recv(server, &byte, 1, MSG_DONTWAIT));
	struct iovec iov = {.iov_base = &byte, .iov_len = 1};
	struct msghdr message = {.msg_name = &name, .msg_namelen = sizeof(name), .msg_iov = &iov, .msg_iovlen = 1};
	if (sendmsg(client, &message, 0) != 1)
		complain("sendmsg");
	if (connect(client, (struct sockaddr *)&name, sizeof(name)) < 0)
		complain("connect");
	printf("send %zd\n", send(client, "y", 1, 0));
	unlink(name.sun_path);
	close(server);
	close(client);
}

static _Atomic bool swapping;

static void *swap(void *argument)
{
	const int *fds = argument;

	while (swapping) {
		dup2(fds[1], fds[0]);
		dup2(fds[2], fds[0]);
	}
	return NULL;
}

/* A sibling exchanges what stands at the number: one or the other is listed, or it is bad; nothing dies or is lost. */
static void swapped(void)
{
	int fds[3] = {open(directory, O_RDONLY | O_DIRECTORY), open(directory, O_RDONLY | O_DIRECTORY),
		      open(victim, O_RDONLY)};
	int strange = 0, before = descriptors();
	pthread_t thread;

	swapping = true;
	pthread_create(&thread, NULL, swap, fds);
	for (int i = 0; i < ROUNDS; i++) {
		unsigned count = 0, sum = 0;
		long len = list_some(fds[0], SHORT, &count, &sum);

		strange += len < 0 && errno != ENOTDIR && errno != EBADF;
	}
	swapping = false;
	pthread_join(thread, NULL);
	printf("swapped: %d strange, %d descriptors more\n", strange, descriptors() - before);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	directory = argv[1];
	victim = argv[2];
	setvbuf(stdout, NULL, _IOLBF, 0);
	plain();
	shared_offset();
	plain_thread();
	threads();
	signals();
	stops();
	full_table();
	lifetimes();
	attributes();
	sockets();
	swapped();
	return 0;
}
