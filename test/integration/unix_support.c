/* SPDX-License-Identifier: Apache-2.0 */
#include "unix_support.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

const int types[3] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
const char *const type_names[3] = {"stream", "dgram", "seqpacket"};

void say(const char *what, long result)
{
	int error = errno;

	if (result < 0)
		printf("%s: %s\n", what, strerrorname_np(error));
	else
		printf("%s: %ld\n", what, result);
}

struct name raw_name(const void *bytes, size_t len)
{
	struct name name = {.len = (socklen_t)(PATH_AT + len)};

	name.un.sun_family = AF_UNIX;
	if (len)
		memcpy(name.bytes + PATH_AT, bytes, len);
	return name;
}

struct name named(const char *path)
{
	return raw_name(path, strlen(path) + 1);
}

struct name abstract_name(const char *text)
{
	char bytes[100];
	int len = snprintf(bytes + 1, sizeof(bytes) - 1, "%s-%08d", text, (int)getpid());

	bytes[0] = '\0';
	return raw_name(bytes, (size_t)len + 1);
}

int new_socket(int type)
{
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	if (fd < 0) {
		perror("socket");
		exit(3);
	}
	return fd;
}

int serve(int type, const char *path, int backlog)
{
	struct name name = named(path);
	int fd = new_socket(type);

	if (bind(fd, &name.any, name.len) < 0 || (type != SOCK_DGRAM && backlog >= 0 && listen(fd, backlog) < 0)) {
		printf("serve %s: %s\n", path, strerrorname_np(errno));
		exit(3);
	}
	return fd;
}

long dial(int fd, const char *path)
{
	struct name name = named(path);

	return connect(fd, &name.any, name.len);
}

static void show_bytes(const unsigned char *bytes, size_t len, bool abstract)
{
	/* A number of eight digits at the end is this process's own. */
	if (abstract && len > 9 && bytes[len - 9] == '-')
		len -= 8;
	for (size_t i = 0; i < len; i++) {
		if (isprint(bytes[i]) && bytes[i] != '\\')
			putchar(bytes[i]);
		else
			printf("\\x%02x", bytes[i]);
	}
}

void show_name(const char *what, int fd, int (*get)(int, struct sockaddr *, socklen_t *))
{
	struct name name;
	socklen_t len = sizeof(name.bytes);

	memset(&name, 0xee, sizeof(name));
	if (get(fd, &name.any, &len) < 0) {
		say(what, -1);
		return;
	}
	printf("%s: %u bytes, family %d, ", what, (unsigned)len, name.un.sun_family);
	if (len > PATH_AT)
		show_bytes(name.bytes + PATH_AT, len - PATH_AT, name.bytes[PATH_AT] == 0);
	/* Nothing is written behind it. */
	printf(", behind it %02x\n", name.bytes[len]);
}

static long pid_of(int pidfd)
{
	char path[64], line[256];
	long pid = -1;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	FILE *file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "Pid: %ld", &pid) == 1)
			break;
	}
	if (file)
		fclose(file);
	return pid;
}

void show_peer(const char *what, int fd, pid_t pid)
{
	struct ucred cred = {0};
	socklen_t len = sizeof(cred);
	int pidfd = -1;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0) {
		say(what, -1);
		return;
	}
	printf("%s: pid right %d, uid right %d, gid right %d", what, cred.pid == pid, cred.uid == geteuid(),
	       cred.gid == getegid());
	len = sizeof(pidfd);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &len) == 0) {
		printf(", pidfd right %d", pid_of(pidfd) == pid);
		close(pidfd);
	} else {
		printf(", pidfd %s", strerrorname_np(errno));
	}
	putchar('\n');
}

static void show_control(struct msghdr *message, pid_t pid)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		if (c->cmsg_type == SCM_CREDENTIALS) {
			const struct ucred *cred = (const struct ucred *)CMSG_DATA(c);
			printf(", credentials: pid right %d, uid right %d, gid right %d", cred->pid == pid,
			       cred->uid == getuid(), cred->gid == getgid());
		} else if (c->cmsg_type == SCM_RIGHTS) {
			int fds[16];
			size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
			memcpy(fds, CMSG_DATA(c), n * sizeof(int));
			printf(", %zu descriptors", n);
			for (size_t i = 0; i < n; i++) {
				char text[8] = "";
				/* What was handed over can be read from. */
				ssize_t got = pread(fds[i], text, sizeof(text) - 1, 0);
				printf(" (%zd %s)", got, got > 0 ? text : "");
				close(fds[i]);
			}
		} else {
			printf(", control message of type %d", c->cmsg_type);
		}
	}
}

void receive(const char *what, int fd, pid_t pid)
{
	static char data[300000];
	char control[512];
	struct name from;
	struct iovec iov = {data, sizeof(data)};
	struct msghdr message = {.msg_name = &from, .msg_namelen = sizeof(from.bytes), .msg_iov = &iov, .msg_iovlen = 1,
				 .msg_control = control, .msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	unsigned long sum = 0;

	if (n < 0) {
		say(what, n);
		return;
	}
	for (ssize_t i = 0; i < n; i++)
		sum = sum * 31 + (unsigned char)data[i];
	printf("%s: %zd bytes %.*s %lx, flags %x", what, n, n < 20 ? (int)n : 20, data, sum,
	       (unsigned)message.msg_flags & ~(unsigned)MSG_CMSG_CLOEXEC);
	if (message.msg_namelen > PATH_AT) {
		printf(" from ");
		show_bytes(from.bytes + PATH_AT, message.msg_namelen - PATH_AT, from.bytes[PATH_AT] == 0);
	}
	show_control(&message, pid);
	putchar('\n');
}

pid_t child(void (*body)(void *argument), void *argument)
{
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		body(argument);
		fflush(stdout);
		_exit(0);
	}
	return pid;
}

void reap(const char *what, pid_t pid)
{
	int status;

	waitpid(pid, &status, 0);
	if (WIFSIGNALED(status))
		printf("%s: signal %d\n", what, WTERMSIG(status));
	else if (WEXITSTATUS(status))
		printf("%s: exit %d\n", what, WEXITSTATUS(status));
}

void in_child(void (*body)(void *argument), void *argument)
{
	reap("child", child(body, argument));
}

void rest(unsigned milliseconds)
{
	struct timespec time = {.tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * 1000000L};

	while (nanosleep(&time, &time) < 0 && errno == EINTR)
		;
}
