/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loops of path calls.
 *   process_loop refused DIR N    opens N times what is denied or hidden: each refused
 *   process_loop work DIR         until SIGTERM: every call must do what it ought to
 *   process_loop closed DIR FD    until FD's other end is gone: says errno's names to FD, one a line, when they change
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static volatile sig_atomic_t ended;

static void end(int number)
{
	(void)number;
	ended = 1;
}

static int refused(long times)
{
	for (long i = 0; i < times; i++) {
		char name[64];
		int wanted = i % 2 ? EACCES : ENOENT;

		snprintf(name, sizeof(name), i % 2 ? "denied-tree/file-%ld" : "hidden-tree/file-%ld", i);
		if (open(name, O_RDONLY) >= 0 || errno != wanted) {
			printf("%s: %s\n", name, strerrorname_np(errno));
			return 1;
		}
	}
	printf("%ld refused\n", times);
	return 0;
}

#define MUST(condition)                                                                                                \
	do {                                                                                                           \
		if (!(condition)) {                                                                                    \
			printf("round %ld: %s: %s\n", rounds, #condition, strerrorname_np(errno));                     \
			return 1;                                                                                      \
		}                                                                                                      \
	} while (0)

static int work(void)
{
	char mine[32], other[32];
	struct stat stat_buffer;
	long rounds = 0;
	struct sigaction action = {.sa_handler = end, .sa_flags = SA_RESTART};

	sigaction(SIGTERM, &action, NULL);
	snprintf(mine, sizeof(mine), "w%d", (int)getpid());
	snprintf(other, sizeof(other), "v%d", (int)getpid());
	printf("%d\n", (int)getpid());
	fflush(stdout);
	for (; !ended; rounds++) {
		MUST(mkdir(mine, 0700) == 0);
		MUST(chdir(mine) == 0);
		MUST(chdir("..") == 0);
		MUST(rename(mine, other) == 0);
		MUST(stat(other, &stat_buffer) == 0);
		MUST(rmdir(other) == 0);
		int fd = open(mine, O_CREAT | O_EXCL | O_WRONLY, 0600);
		MUST(fd == 3);
		close(fd);
		fd = open(mine, O_PATH);
		MUST(fd == 3);
		close(fd);
		MUST(unlink(mine) == 0);
		MUST(stat("hidden-file", &stat_buffer) < 0 && errno == ENOENT);
	}
	printf("worked\n");
	return 0;
}

/* Any one path call that goes through, and what all of them say. */
static const char *round_of_calls(void)
{
	struct stat stat_buffer;
	int first = 0;

#define CALL(call)                                                                                                     \
	do {                                                                                                           \
		int error_ = (call) < 0 ? errno : 0;                                                                   \
		if (!first)                                                                                            \
			first = error_ ? error_ : -1;                                                                  \
		else if (first != (error_ ? error_ : -1))                                                              \
			return "mixed";                                                                                \
	} while (0)
	int fd;
	CALL(fd = open("file", O_RDONLY));
	if (fd >= 0)
		close(fd);
	CALL(stat("file", &stat_buffer));
	CALL(access("file", F_OK));
	CALL(chdir("."));
	CALL(chmod("file", 0644));
	CALL(link("file", "link"));
	CALL(unlink("link"));
	CALL(mkdir("dir", 0755));
	CALL(rmdir("dir"));
	CALL(truncate("file", 0));
	return first == -1 ? "served" : strerrorname_np(first);
}

static int closed(int to)
{
	const char *last = "";

	signal(SIGHUP, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	for (;;) {
		const char *now = round_of_calls();
		if (strcmp(now, last) != 0 && dprintf(to, "%s\n", now) < 0)
			return 0;
		last = now;
		/* Every other loop says something, so that the end of the reader is seen. */
		if (!strcmp(now, "ENOSYS")) {
			execl("/proc/self/exe", "x", NULL);
			dprintf(to, "exec %s\n", strerrorname_np(errno));
			return 0;
		}
	}
}

int main(int argc, char **argv)
{
	if (argc < 3 || chdir(argv[2]) < 0)
		return 2;
	alarm(60);
	if (!strcmp(argv[1], "refused"))
		return refused(atol(argv[3]));
	return !strcmp(argv[1], "work") ? work() : closed(atoi(argv[3]));
}
