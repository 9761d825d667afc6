/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AF_UNIX calls that wait: connects to a full backlog, sends to a full queue; signals, time limits, peers that go.
 *   unix_waits DIR    DIR is empty; the output is the same inside a view and outside
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#include "unix_support.h"

/* Who has slept at so many looks in a row, so many milliseconds apart, does wait. */
#define LOOKS 8
#define PAUSE 5

static volatile sig_atomic_t caught;

static void on_signal(int number)
{
	(void)number;
	caught++;
}

static void catch(int flags)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = flags};

	sigaction(SIGUSR1, &action, NULL);
	caught = 0;
}

/* ---- what waits ---- */

/* All waits of one run happen at one socket, which is full. */
struct wait {
	int type;
	int (*make)(int fd);
	int flags;		/* of the handler; -1: no signal comes */
	struct timeval limit;	/* SO_SNDTIMEO */
	void (*relieve)(int server); /* what ends it besides */
	int server;
	int ready[2]; /* a pipe */
};

static int waits_to_connect(int fd)
{
	return (int)dial(fd, "full");
}

static int waits_to_sendto(int fd)
{
	struct name to = named("full");

	return (int)sendto(fd, "waited", 6, 0, &to.any, to.len);
}

static int waits_to_sendmsg(int fd)
{
	struct name to = named("full");
	struct iovec iov[2] = {{(char *)"wai", 3}, {(char *)"ted", 3}};
	struct msghdr header = {.msg_name = &to.any, .msg_namelen = to.len, .msg_iov = iov, .msg_iovlen = 2};

	return (int)sendmsg(fd, &header, 0);
}

/* The first two have room, at another socket. */
static int waits_to_sendmmsg(int fd)
{
	static struct mmsghdr many[4];
	static struct name to[4];
	static struct iovec iov;
	static char data[] = "waited";

	iov = (struct iovec){data, 6};
	for (int i = 0; i < 4; i++) {
		to[i] = named(i < 2 ? "roomy" : "full");
		many[i].msg_hdr = (struct msghdr){.msg_name = &to[i].any, .msg_namelen = to[i].len, .msg_iov = &iov, .msg_iovlen = 1};
		many[i].msg_len = 77;
	}
	int result = sendmmsg(fd, many, 4, 0);
	printf("lengths %u %u %u %u, ", many[0].msg_len, many[1].msg_len, many[2].msg_len, many[3].msg_len);
	return result;
}

/* None has room. */
static int waits_to_sendmmsg_first(int fd)
{
	struct mmsghdr many[2];
	struct name to = named("full");
	struct iovec iov = {(char *)"waited", 6};

	for (int i = 0; i < 2; i++)
		many[i].msg_hdr = (struct msghdr){.msg_name = &to.any, .msg_namelen = to.len, .msg_iov = &iov, .msg_iovlen = 1};
	return sendmmsg(fd, many, 2, 0);
}

static void accept_all(int server)
{
	fcntl(server, F_SETFL, O_NONBLOCK);
	for (int i = 0; i < 20; i++) {
		if (accept(server, NULL, NULL) < 0)
			rest(2);
	}
	fcntl(server, F_SETFL, 0);
}

static void read_all(int server)
{
	char data[64];

	for (int i = 0; i < 20; i++) {
		if (recv(server, data, sizeof(data), MSG_DONTWAIT) < 0)
			rest(2);
	}
}

static void go(int server)
{
	close(server);
}

static void waiter(void *argument)
{
	const struct wait *wait = argument;
	int fd = new_socket(wait->type);

	close(wait->server);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait->limit, sizeof(wait->limit));
	if (write(wait->ready[1], "", 1) != 1)
		exit(3);
	int result = wait->make(fd);
	say("  result", result);
	printf("  %d signals\n", caught);
	show_name("  peer", fd, getpeername);
}

static int fill(int type)
{
	int server = serve(type, "full", 0), sent = 0;

	for (;; sent++) {
		int fd = new_socket(type);
		struct name to = named("full");
		fcntl(fd, F_SETFL, O_NONBLOCK);
		long result = type == SOCK_DGRAM ? sendto(fd, "x", 1, 0, &to.any, to.len) : dial(fd, "full");
		if (result < 0) {
			printf("full: %s after %d\n", strerrorname_np(errno), sent);
			close(fd);
			return server;
		}
		/* Connections in the backlog stay. */
		if (type == SOCK_DGRAM)
			close(fd);
	}
}

static int roomy; /* nobody waits for room here */

static char state_of(pid_t pid)
{
	char path[32], text[256];

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return '?';
	text[n] = '\0';
	const char *end = strrchr(text, ')');
	return end && end[1] ? end[2] : '?';
}

static void settle(pid_t pid)
{
	for (int asleep = 0, looks = 0; asleep < LOOKS && looks < 1000; looks++) {
		char state = state_of(pid);
		if (state == 'Z')
			break; /* it did not wait for us */
		asleep = state == 'S' ? asleep + 1 : 0;
		rest(PAUSE);
	}
}

static void wait_once(const char *what, struct wait wait)
{
	int received = 0;
	printf("-- %s\n", what);
	char byte;
	wait.server = fill(wait.type);
	catch(wait.flags < 0 ? 0 : wait.flags);
	if (pipe(wait.ready) < 0)
		exit(3);
	pid_t pid = child(waiter, &wait);
	if (read(wait.ready[0], &byte, 1) != 1)
		exit(3);
	close(wait.ready[0]);
	close(wait.ready[1]);
	char data[64];
	/* What is sent before it waits. */
	while (wait.make == waits_to_sendmmsg && received < 2) {
		if (recv(roomy, data, sizeof(data), 0) < 0)
			exit(3);
		received++;
	}
	settle(pid);
	if (wait.flags >= 0) {
		kill(pid, SIGUSR1);
		rest(5 * PAUSE);
	}
	if (wait.relieve)
		wait.relieve(wait.server);
	reap("waiter", pid);
	if (wait.relieve != go)
		close(wait.server);
	unlink("full");
	while (recv(roomy, data, sizeof(data), MSG_DONTWAIT) >= 0)
		received++;
	printf("the other has received %d\n", received);
}

static void waits(void)
{
	static const struct {
		const char *what;
		int (*make)(int fd);
		void (*relieve)(int server);
		int types[2];
	} makes[] = {
		{"connect", waits_to_connect, accept_all, {SOCK_STREAM, SOCK_SEQPACKET}},
		{"sendto", waits_to_sendto, read_all, {SOCK_DGRAM, -1}},
		{"sendmsg", waits_to_sendmsg, read_all, {SOCK_DGRAM, -1}},
		{"sendmmsg", waits_to_sendmmsg, read_all, {SOCK_DGRAM, -1}},
		{"sendmmsg at the first", waits_to_sendmmsg_first, read_all, {SOCK_DGRAM, -1}},
	};
	char what[100];

	roomy = serve(SOCK_DGRAM, "roomy", 0);
	for (size_t i = 0; i < COUNT(makes) * 2; i++) {
		int type = makes[i / 2].types[i % 2];
		if (type < 0)
			continue;
		struct wait wait = {.type = type, .make = makes[i / 2].make, .flags = -1, .relieve = makes[i / 2].relieve};
		snprintf(what, sizeof(what), "%s (%d) until there is room", makes[i / 2].what, type);
		wait_once(what, wait);
		snprintf(what, sizeof(what), "%s (%d) interrupted", makes[i / 2].what, type);
		wait.flags = 0;
		wait_once(what, wait);
		snprintf(what, sizeof(what), "%s (%d) restarted", makes[i / 2].what, type);
		wait.flags = SA_RESTART;
		wait_once(what, wait);
		snprintf(what, sizeof(what), "%s (%d) with a limit", makes[i / 2].what, type);
		wait.flags = -1;
		wait.limit.tv_usec = 30000;
		wait.relieve = NULL;
		wait_once(what, wait);
		snprintf(what, sizeof(what), "%s (%d) with a limit, interrupted", makes[i / 2].what, type);
		wait.flags = SA_RESTART;
		wait.limit.tv_sec = 20;
		wait.relieve = makes[i / 2].relieve;
		wait_once(what, wait);
		snprintf(what, sizeof(what), "%s (%d), and the server goes", makes[i / 2].what, type);
		wait.flags = -1;
		wait.limit.tv_sec = wait.limit.tv_usec = 0;
		wait.relieve = go;
		wait_once(what, wait);
	}
	close(roomy);
}

/* ---- every message once, and in order, whatever signals come ---- */

#define ROUNDS 60
#define BATCH 10

static void *read_numbers(void *argument)
{
	int server = *(int *)argument;
	long expected = 0;

	while (expected < ROUNDS * BATCH) {
		long number;
		if (recv(server, &number, sizeof(number), 0) != sizeof(number))
			continue;
		if (number != expected) {
			printf("out of order: %ld, not %ld\n", number, expected);
			return NULL;
		}
		expected++;
	}
	printf("all in order\n");
	return NULL;
}

static void storm(int flags)
{
	int server = serve(SOCK_DGRAM, "storm", 0), fd = new_socket(SOCK_DGRAM);
	struct itimerval every = {{0, 700}, {0, 700}}, never = {{0, 0}, {0, 0}};
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = flags};
	struct name to = named("storm");
	long numbers[BATCH];
	struct mmsghdr many[BATCH];
	struct iovec iov[BATCH];
	sigset_t alarm;
	pthread_t reader;
	int failed = 0;

	printf("-- storm, %s\n", flags ? "restarting" : "interrupting");
	sigemptyset(&alarm);
	sigaddset(&alarm, SIGALRM);
	sigaction(SIGALRM, &action, NULL);
	pthread_sigmask(SIG_BLOCK, &alarm, NULL);
	pthread_create(&reader, NULL, read_numbers, &server);
	pthread_sigmask(SIG_UNBLOCK, &alarm, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
	for (int round = 0; round < ROUNDS && !failed; round++) {
		int sent = 0;
		for (int i = 0; i < BATCH; i++) {
			numbers[i] = round * BATCH + i;
			iov[i] = (struct iovec){&numbers[i], sizeof(numbers[i])};
			many[i].msg_hdr = (struct msghdr){.msg_name = &to.any, .msg_namelen = to.len, .msg_iov = &iov[i],
							  .msg_iovlen = 1};
		}
		while (sent < BATCH) {
			int n = sendmmsg(fd, many + sent, (unsigned)(BATCH - sent), 0);
			if (n > 0)
				sent += n;
			else if (n == 0 || errno != EINTR) {
				say("sendmmsg", n);
				failed = 1;
				break;
			}
		}
	}
	setitimer(ITIMER_REAL, &never, NULL);
	if (!failed)
		pthread_join(reader, NULL);
	printf("signals came: %d\n", caught > 0);
	close(fd);
	unlink("storm");
}

int main(int argc, char **argv)
{
	if (argc != 2 || chdir(argv[1]) < 0)
		return 2;
	setvbuf(stdout, NULL, _IOFBF, 1 << 20);
	waits();
	storm(0);
	storm(SA_RESTART);
	fflush(stdout);
	return 0;
}
