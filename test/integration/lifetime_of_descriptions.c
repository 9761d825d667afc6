/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What only the last close of an open file description brings about must be there the moment close(2) has returned:
 * a free flock, an executable file, the end of a FIFO, a lease, the watcher's event. Inside a view it is not if the
 * supervisor still holds a copy of a description it gave away.
 *
 * Usage: lifetime_of_descriptions DIRECTORY LOOPS EXECUTABLE KIND...
 * Prints {"flock": N, ...}, how often each was refused or late, {"secret": E}, the errno of opening DIRECTORY/secret,
 * and {"euid": U}.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXECUTABLE_MAX (256 * 1024)

static char executable[EXECUTABLE_MAX];
static size_t executable_len;

static void fail(const char *what)
{
	perror(what);
	exit(2);
}

static int checked(int result, const char *what)
{
	if (result < 0)
		fail(what);
	return result;
}

/* By another description at once, without a call that the supervisor would have to get round to; then by a new one. */
static int flock_after_close(const char *name)
{
	static int other = -1;
	int refused = 0, fd;

	if (other < 0)
		other = checked(open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600), "open of the lock");
	fd = checked(open(name, O_RDWR | O_CLOEXEC), "open of the lock");
	checked(flock(fd, LOCK_EX), "flock");
	close(fd);
	if (flock(other, LOCK_EX | LOCK_NB) < 0)
		refused = 1;
	checked(flock(other, LOCK_UN), "unlock");
	fd = checked(open(name, O_RDWR | O_CLOEXEC), "open of the lock");
	checked(flock(fd, LOCK_EX), "flock");
	close(fd);
	fd = checked(open(name, O_RDWR | O_CLOEXEC), "open again of the lock");
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK)
			fail("flock again");
		refused = 1;
	}
	close(fd);
	return refused;
}

static int exec_after_write(const char *name)
{
	int status, fd = checked(open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700), "open of the program");
	volatile int error = 0;
	pid_t pid;

	if (write(fd, executable, executable_len) != (ssize_t)executable_len)
		fail("write of the program");
	close(fd);
	pid = vfork();
	if (pid == 0) {
		char *argv[] = {(char *)"tiny", NULL}, *envp[] = {NULL};

		execve(name, argv, envp);
		error = errno;
		_exit(99);
	}
	checked(pid, "vfork");
	if (waitpid(pid, &status, 0) != pid)
		fail("waitpid");
	if (error == ETXTBSY)
		return 1;
	if (error || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		fprintf(stderr, "the program: errno %d, status %#x\n", error, (unsigned)status);
		exit(2);
	}
	return 0;
}

static int fifo_end(const char *name)
{
	static int reader = -1;
	char bytes[4];
	int writer, late = 0;
	ssize_t n;

	if (reader < 0) {
		checked(mkfifo(name, 0600), "mkfifo");
		reader = checked(open(name, O_RDONLY | O_NONBLOCK | O_CLOEXEC), "open of the FIFO");
	}
	writer = checked(open(name, O_WRONLY | O_NONBLOCK | O_CLOEXEC), "open of the FIFO for writing");
	if (write(writer, "x", 1) != 1 || read(reader, bytes, sizeof(bytes)) != 1)
		fail("a byte through the FIFO");
	close(writer);
	n = read(reader, bytes, sizeof(bytes));
	if (n < 0 && errno != EAGAIN)
		fail("read of the FIFO");
	late = n != 0;
	/* The next turn begins with a FIFO that has no writer. */
	while (n != 0)
		n = read(reader, bytes, sizeof(bytes));
	return late;
}

static int exclusive_file(const char *name)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0 && errno == EEXIST)
		return 1;
	checked(fd, "exclusive creation");
	close(fd);
	checked(unlink(name), "unlink");
	return 0;
}

/* A read lease is to be had only while nobody has the file open for writing (fcntl(2), F_SETLEASE). */
static int lease_after_close(const char *name)
{
	static int reader = -1;
	int refused = 0, fd = checked(open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600), "open of the leased");

	if (reader < 0)
		reader = checked(open(name, O_RDONLY | O_CLOEXEC), "open of the leased for reading");
	close(fd);
	if (fcntl(reader, F_SETLEASE, F_RDLCK) < 0) {
		if (errno != EAGAIN)
			fail("lease");
		refused = 1;
	} else {
		checked(fcntl(reader, F_SETLEASE, F_UNLCK), "end of the lease");
	}
	return refused;
}

static int event_of_close(const char *name)
{
	static int watch = -1;
	char events[4096];
	int fd, late = 0;

	if (watch < 0) {
		close(checked(open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600), "open of the watched"));
		watch = checked(inotify_init1(IN_NONBLOCK | IN_CLOEXEC), "inotify_init1");
		checked(inotify_add_watch(watch, name, IN_CLOSE_WRITE), "inotify_add_watch");
	}
	fd = checked(open(name, O_WRONLY | O_CLOEXEC), "open of the watched");
	close(fd);
	while (read(watch, events, sizeof(events)) <= 0) {
		if (errno != EAGAIN)
			fail("read of the events");
		late = 1;
	}
	return late;
}

static const struct {
	const char *name;
	int (*once)(const char *name);
} kinds[] = {
	{"flock", flock_after_close}, {"exec", exec_after_write},   {"fifo", fifo_end},
	{"excl", exclusive_file},     {"lease", lease_after_close}, {"close_write", event_of_close},
};

static bool asked_for(const char *kind, char **names)
{
	while (*names && strcmp(*names, kind) != 0)
		names++;
	return *names != NULL;
}

int main(int argc, char **argv)
{
	int loops, fd, secret;

	if (argc < 5)
		return 2;
	loops = atoi(argv[2]);
	fd = checked(open(argv[3], O_RDONLY | O_CLOEXEC), argv[3]);
	executable_len = (size_t)checked((int)read(fd, executable, sizeof(executable)), "read of the program");
	close(fd);
	checked(chdir(argv[1]), argv[1]);
	fd = open("secret", O_RDONLY | O_CLOEXEC);
	secret = fd < 0 ? errno : 0;
	if (fd >= 0)
		close(fd);
	printf("{\"euid\": %d, \"secret\": %d", (int)geteuid(), secret);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		int refused = 0;

		if (!asked_for(kinds[i].name, argv + 4))
			continue;
		for (int n = 0; n < loops; n++)
			refused += kinds[i].once(kinds[i].name);
		printf(", \"%s\": %d", kinds[i].name, refused);
	}
	printf("}\n");
	return 0;
}
