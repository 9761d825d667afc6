/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is sent to AF_UNIX sockets: sendto, sendmsg and sendmmsg to every kind of name, with credentials, descriptors,
 * big and many messages.
 *   unix_sends DIR    DIR is empty; the output is the same inside a view and outside
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "unix_support.h"

static int server; /* the datagram server "dgram" */
static int file;   /* can be read: "content" */

/* ---- one message, three ways ---- */

struct sending {
	const struct name *to; /* NULL: none */
	const void *data;
	size_t len;
	int flags;
	void *control;
	size_t control_len;
};

static long by_sendto(int fd, const struct sending *s)
{
	return sendto(fd, s->data, s->len, s->flags, s->to ? &s->to->any : NULL, s->to ? s->to->len : 0);
}

/* In three pieces, the middle one empty. */
static struct msghdr header_of(const struct sending *s, struct iovec iov[3])
{
	size_t half = s->len / 2;

	/* NOLINTBEGIN(bugprone-casting-through-void): sendmsg does not write */
	iov[0] = (struct iovec){(void *)(size_t)s->data, half};
	iov[1] = (struct iovec){NULL, 0};
	iov[2] = (struct iovec){(char *)(size_t)s->data + half, s->len - half};
	/* NOLINTEND(bugprone-casting-through-void) */
	return (struct msghdr){.msg_name = s->to ? (void *)(size_t)&s->to->any : NULL,
			       .msg_namelen = s->to ? s->to->len : 0,
			       .msg_iov = iov,
			       .msg_iovlen = 3,
			       .msg_control = s->control,
			       .msg_controllen = s->control_len};
}

static long by_sendmsg(int fd, const struct sending *s)
{
	struct iovec iov[3];
	struct msghdr header = header_of(s, iov);

	return sendmsg(fd, &header, s->flags);
}

static long by_sendmmsg(int fd, const struct sending *s)
{
	struct iovec iov[3];
	struct mmsghdr many = {.msg_hdr = header_of(s, iov), .msg_len = 77777};
	long result = sendmmsg(fd, &many, 1, s->flags);

	if (result == 1)
		return (long)many.msg_len;
	if (many.msg_len != 77777)
		printf("(the length was written: %u)", many.msg_len);
	return result;
}

static const struct {
	const char *what;
	long (*send)(int fd, const struct sending *s);
} ways[] = {{"sendto", by_sendto}, {"sendmsg", by_sendmsg}, {"sendmmsg", by_sendmmsg}};

/* ---- names ---- */

static void to_names(int type)
{
	static const char *const targets[] = {"dgram", "./d/../dgram", "to-dgram", "absolute", "stream", "seqpacket", "stale",
					      "unwritable", "file", "d", "d/", ".", "absent", "absent/s", "dgram/", "dgram/s",
					      "dangling", "loop", "closed/s", "fifo", "long"};
	static char big[300000];
	char path[160];

	for (size_t i = 0; i < COUNT(targets) * COUNT(ways); i++) {
		const char *target = targets[i / COUNT(ways)];
		size_t way = i % COUNT(ways);
		struct name to = named(target);
		if (strcmp(target, "absolute") == 0) {
			if (!getcwd(path, 100))
				exit(3);
			strcat(path, "/dgram");
			to = named(path);
		} else if (strcmp(target, "long") == 0) {
			memset(path, '/', 108);
			path[0] = '.';
			memcpy(path + 103, "dgram", 5);
			to = raw_name(path, 108);
		}
		int fd = new_socket(type);
		struct sending s = {.to = &to, .data = "message", .len = 7, .flags = MSG_NOSIGNAL};
		printf("%s to %s: ", ways[way].what, target);
		say("", ways[way].send(fd, &s));
		receive("  received", server, getpid());
		/* What is wrong about it besides. */
		s.data = big;
		s.len = sizeof(big);
		say("  too big", ways[way].send(fd, &s));
		s.len = 7;
		s.flags = MSG_OOB | MSG_NOSIGNAL;
		say("  out of band", ways[way].send(fd, &s));
		s.flags = MSG_NOSIGNAL;
		s.data = (void *)8;
		say("  a bad address", ways[way].send(fd, &s));
		receive("  received", server, getpid());
		close(fd);
	}
}

static void odd_names(int type)
{
	static const socklen_t lengths[] = {0, 1, 2, 3, 8, 111, 128, 129, (socklen_t)-1};
	static const int families[] = {AF_UNSPEC, AF_INET, 255};

	for (size_t way = 0; way < COUNT(ways); way++) {
		for (size_t i = 0; i < COUNT(lengths); i++) {
			struct name to = named("dgram");
			to.len = lengths[i];
			int fd = new_socket(type);
			struct sending s = {.to = &to, .data = "message", .len = 7, .flags = MSG_NOSIGNAL};
			printf("%s with length %d: ", ways[way].what, (int)lengths[i]);
			say("", ways[way].send(fd, &s));
			receive("  received", server, getpid());
			close(fd);
		}
		for (size_t i = 0; i < COUNT(families); i++) {
			struct name to = named("dgram");
			to.un.sun_family = (sa_family_t)families[i];
			int fd = new_socket(type);
			struct sending s = {.to = &to, .data = "message", .len = 7, .flags = MSG_NOSIGNAL};
			printf("%s with family %d: ", ways[way].what, families[i]);
			say("", ways[way].send(fd, &s));
			receive("  received", server, getpid());
			close(fd);
		}
		struct name to = named("dgram");
		struct sending s = {.to = &to, .data = "message", .len = 7};
		printf("%s of no descriptor: ", ways[way].what);
		say("", ways[way].send(999, &s));
		printf("%s of a file: ", ways[way].what);
		say("", ways[way].send(file, &s));
	}
	struct name to = named("dgram");
	say("sendto a bad address", sendto(new_socket(type), "x", 1, 0, (struct sockaddr *)8, to.len));
	/* NOLINTBEGIN(performance-no-int-to-ptr) */
	say("sendmsg of a bad header", sendmsg(new_socket(type), (struct msghdr *)8, 0));
	say("sendmmsg of bad headers", sendmmsg(new_socket(type), (struct mmsghdr *)8, 2, 0));
	struct msghdr header = {.msg_name = &to, .msg_namelen = to.len, .msg_iov = (struct iovec *)8, .msg_iovlen = 1};
	say("sendmsg of a bad vector", sendmsg(new_socket(type), &header, MSG_NOSIGNAL));
	header.msg_iovlen = 1025;
	say("sendmsg of too many pieces", sendmsg(new_socket(type), &header, MSG_NOSIGNAL));
	header.msg_iovlen = 0;
	header.msg_control = (void *)8;
	header.msg_controllen = 32;
	say("sendmsg of bad control", sendmsg(new_socket(type), &header, MSG_NOSIGNAL));
	/* NOLINTEND(performance-no-int-to-ptr) */
	header.msg_control = NULL;
	header.msg_controllen = 0;
	say("sendmsg of nothing", sendmsg(new_socket(type), &header, MSG_NOSIGNAL));
	receive("  received", server, getpid());
}

/* ---- with a peer ---- */

static void to_peers(int type)
{
	int pair[2];

	for (size_t way = 0; way < COUNT(ways); way++) {
		struct name to = named("dgram"), nowhere = named("absent");
		struct sending s = {.data = "message", .len = 7, .flags = MSG_NOSIGNAL};
		socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair);
		printf("%s to the peer: ", ways[way].what);
		say("", ways[way].send(pair[0], &s));
		receive("  received", pair[1], getpid());
		s.to = &to;
		say("  elsewhere", ways[way].send(pair[0], &s));
		receive("  peer received", pair[1], getpid());
		receive("  server received", server, getpid());
		s.to = &nowhere;
		say("  nowhere", ways[way].send(pair[0], &s));
		receive("  peer received", pair[1], getpid());
		shutdown(pair[0], SHUT_WR);
		say("  after shutdown, elsewhere", ways[way].send(pair[0], &s));
		s.to = NULL;
		say("  after shutdown", ways[way].send(pair[0], &s));
		close(pair[1]);
		say("  nobody there", ways[way].send(pair[0], &s));
		close(pair[0]);
		int fd = new_socket(type);
		say("  no peer", ways[way].send(fd, &s));
		say("  connect", dial(fd, type_names[type == SOCK_STREAM ? 0 : type == SOCK_DGRAM ? 1 : 2]));
		say("  default destination", ways[way].send(fd, &s));
		receive("  server received", server, getpid());
		close(fd);
	}
}

static void killed(void *argument)
{
	size_t way = *(size_t *)argument;
	int pair[2];

	signal(SIGPIPE, SIG_DFL);
	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	close(pair[1]);
	struct sending s = {.data = "message", .len = 7};
	say("alive", ways[way].send(pair[0], &s));
}

static volatile sig_atomic_t pipes;

static void on_pipe(int number)
{
	(void)number;
	pipes++;
}

static void broken_pipes(void)
{
	struct sigaction action = {.sa_handler = on_pipe};
	int pair[2];

	sigaction(SIGPIPE, &action, NULL);
	for (size_t way = 0; way < COUNT(ways); way++) {
		struct sending s = {.data = "message", .len = 7};
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
		close(pair[1]);
		pipes = 0;
		printf("%s into a broken pipe: ", ways[way].what);
		say("", ways[way].send(pair[0], &s));
		s.flags = MSG_NOSIGNAL;
		say("  without a signal", ways[way].send(pair[0], &s));
		printf("  %d signals\n", pipes);
		close(pair[0]);
		in_child(killed, &way);
	}
	signal(SIGPIPE, SIG_IGN);
}

/* ---- credentials, descriptors ---- */

static size_t put_control(char *control, int kind, const void *data, size_t len)
{
	struct cmsghdr *c = (struct cmsghdr *)control;

	memset(control, 0, CMSG_SPACE(len));
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = kind;
	c->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(c), data, len);
	return CMSG_SPACE(len);
}

static void control_in_child(void *argument)
{
	const struct sending *s = argument;
	int fd = new_socket(SOCK_DGRAM);
	struct name own = named("d/child");

	say("bind", bind(fd, &own.any, own.len));
	for (size_t way = 0; way < COUNT(ways); way++)
		say(ways[way].what, ways[way].send(fd, s));
}

static void controls(void)
{
	char control[256];
	struct name to = named("dgram");
	struct sending s = {.to = &to, .data = "message", .len = 7, .flags = MSG_NOSIGNAL};
	int on = 1, many[3] = {file, file, file}, bad = 999;

	for (int pass = 0; pass < 2; pass++) {
		setsockopt(server, SOL_SOCKET, SO_PASSCRED, &pass, sizeof(pass));
		pid_t pid = child(control_in_child, &s);
		reap("child", pid);
		for (size_t way = 0; way < COUNT(ways); way++)
			receive("from a child", server, pid);
		unlink("d/child");
	}
	for (size_t way = 1; way < COUNT(ways); way++) {
		int fd = new_socket(SOCK_DGRAM);
		struct ucred cred = {getpid(), getuid(), getgid()};
		printf("%s with control messages\n", ways[way].what);
		s.control = control;
		s.control_len = put_control(control, SCM_RIGHTS, many, sizeof(many));
		say("  three descriptors", ways[way].send(fd, &s));
		receive("  received", server, getpid());
		s.control_len = put_control(control, SCM_RIGHTS, &bad, sizeof(bad));
		say("  no such descriptor", ways[way].send(fd, &s));
		s.control_len = put_control(control, SCM_CREDENTIALS, &cred, sizeof(cred));
		say("  own credentials", ways[way].send(fd, &s));
		receive("  received", server, getpid());
		cred.pid = 1;
		s.control_len = put_control(control, SCM_CREDENTIALS, &cred, sizeof(cred));
		say("  another's pid", ways[way].send(fd, &s));
		receive("  received", server, 1);
		cred.pid = getpid();
		cred.uid = getuid() + 1;
		s.control_len = put_control(control, SCM_CREDENTIALS, &cred, sizeof(cred));
		say("  another's uid", ways[way].send(fd, &s));
		receive("  received", server, getpid());
		s.control_len = put_control(control, 99, &bad, sizeof(bad));
		say("  nonsense", ways[way].send(fd, &s));
		s.control_len = 3;
		say("  too short", ways[way].send(fd, &s));
		receive("  received", server, getpid());
		s.control = NULL;
		s.control_len = 0;
		close(fd);
	}
	/* A sender that asks for credentials gets a name of its own first, also where nobody is there. */
	static const char *const names[] = {"absent", "dgram"};
	for (size_t i = 0; i < COUNT(names) * COUNT(ways); i++) {
		int fd = new_socket(SOCK_DGRAM);
		struct name own, target = named(names[i / COUNT(ways)]);
		socklen_t len = sizeof(own.bytes);
		s.to = &target;
		setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
		say("sender that is named by itself", ways[i % COUNT(ways)].send(fd, &s));
		getsockname(fd, &own.any, &len);
		printf("  name of %u bytes\n", (unsigned)len);
		char drained[64];
		while (recv(server, drained, sizeof(drained), MSG_DONTWAIT) >= 0)
			;
		close(fd);
	}
}

static void pairs_with_descriptors(int type)
{
	char control[256];
	int pair[2], two[2] = {file, file};
	struct sending s = {.data = "message", .len = 7, .control = control};

	for (size_t way = 1; way < COUNT(ways); way++) {
		socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair);
		s.control_len = put_control(control, SCM_RIGHTS, two, sizeof(two));
		say("two descriptors to a peer", ways[way].send(pair[0], &s));
		receive("  received", pair[1], getpid());
		close(pair[0]);
		close(pair[1]);
	}
}

/* ---- big messages ---- */

static void big_messages(int type)
{
	static const size_t sizes[] = {0, 1, 4096, 65535, 65536, 65537, 100000, 212960 - 32, 212960, 300000};
	static char data[300000];
	struct name to = named("dgram");

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (char)(i * 7 + i / 251);
	for (size_t i = 0; i < COUNT(sizes) * COUNT(ways); i++) {
		size_t way = i % COUNT(ways);
		int fd = new_socket(type), pair[2];
		struct sending s = {.to = type == SOCK_DGRAM ? &to : NULL, .data = data, .len = sizes[i / COUNT(ways)],
				    .flags = MSG_NOSIGNAL | MSG_DONTWAIT};
		printf("%s of %zu: ", ways[way].what, s.len);
		if (type == SOCK_DGRAM) {
			say("", ways[way].send(fd, &s));
			receive("  received", server, getpid());
		} else {
			socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair);
			say("", ways[way].send(pair[0], &s));
			shutdown(pair[0], SHUT_WR);
			receive("  received", pair[1], getpid());
			close(pair[0]);
			close(pair[1]);
		}
		close(fd);
	}
}

/* ---- many messages ---- */

struct many {
	struct mmsghdr messages[40];
	struct iovec iov[40];
	struct name to[40];
	char data[40][16];
	unsigned count;
};

static void add(struct many *many, const char *path)
{
	unsigned i = many->count++;

	memset(&many->messages[i], 0, sizeof(many->messages[i]));
	many->messages[i].msg_len = 7000 + i;
	snprintf(many->data[i], sizeof(many->data[i]), "number %u", i);
	many->iov[i] = (struct iovec){many->data[i], strlen(many->data[i])};
	many->messages[i].msg_hdr.msg_iov = &many->iov[i];
	many->messages[i].msg_hdr.msg_iovlen = 1;
	if (path) {
		many->to[i] = named(path);
		many->messages[i].msg_hdr.msg_name = &many->to[i].any;
		many->messages[i].msg_hdr.msg_namelen = many->to[i].len;
	}
}

static void send_many(const char *what, int fd, struct many *many, int flags, int receiver)
{
	printf("-- %s\n", what);
	say("sendmmsg", sendmmsg(fd, many->messages, many->count, flags));
	printf("lengths:");
	for (unsigned i = 0; i < many->count; i++)
		printf(" %u", many->messages[i].msg_len);
	putchar('\n');
	for (unsigned i = 0; i < many->count + 1; i++) {
		receive("received", server, getpid());
		if (receiver >= 0)
			receive("received by another", receiver, getpid());
	}
	many->count = 0;
}

static void many_messages(void)
{
	static struct many many;
	int fd = new_socket(SOCK_DGRAM), other = serve(SOCK_DGRAM, "other", 0), pair[2];

	for (int i = 0; i < 9; i++)
		add(&many, "dgram");
	send_many("all to one", fd, &many, 0, -1);
	for (int i = 0; i < 9; i++)
		add(&many, i % 2 ? "dgram" : "./other");
	send_many("to two in turn", fd, &many, 0, other);
	for (int i = 0; i < 6; i++)
		add(&many, i == 3 ? "absent" : "dgram");
	send_many("one to nobody", fd, &many, 0, -1);
	add(&many, "absent");
	add(&many, "dgram");
	send_many("the first to nobody", fd, &many, 0, -1);
	for (int i = 0; i < 4; i++)
		add(&many, i == 2 ? NULL : "dgram");
	send_many("one without a name", fd, &many, 0, -1);
	for (int i = 0; i < 5; i++)
		add(&many, "dgram");
	/* NOLINTNEXTLINE(performance-no-int-to-ptr) */
	many.iov[3].iov_base = (void *)8;
	send_many("bad data in the fourth", fd, &many, 0, -1);
	for (int i = 0; i < 5; i++)
		add(&many, "dgram");
	many.messages[2].msg_hdr.msg_namelen = 1;
	send_many("a bad name in the third", fd, &many, 0, -1);
	for (int i = 0; i < 5; i++)
		add(&many, "dgram");
	/* NOLINTNEXTLINE(performance-no-int-to-ptr) */
	many.messages[4].msg_hdr.msg_name = (void *)8;
	send_many("an unreadable name in the last", fd, &many, 0, -1);
	send_many("none", fd, &many, 0, -1);
	for (int i = 0; i < 3; i++)
		add(&many, "dgram");
	say("with a flag that is not for programs", sendmmsg(fd, many.messages, 3, (int)0x80000000));
	many.count = 0;
	say("connect", dial(fd, "dgram"));
	for (int i = 0; i < 30; i++)
		add(&many, i % 5 == 4 ? "other" : NULL);
	send_many("connected, some elsewhere", fd, &many, MSG_DONTWAIT, other);
	socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
	for (int i = 0; i < 20; i++)
		add(&many, NULL);
	send_many("a stream", pair[0], &many, 0, pair[1]);
	/* A part of the third fits. */
	static char big[400000];
	for (int i = 0; i < 5; i++) {
		add(&many, NULL);
		many.iov[i] = (struct iovec){big, sizeof(big) / 4};
	}
	many.count = 5;
	printf("-- a stream that fills\n");
	say("sendmmsg", sendmmsg(pair[0], many.messages, 5, MSG_DONTWAIT));
	for (int i = 0; i < 5; i++)
		printf(" %u", many.messages[i].msg_len);
	putchar('\n');
	many.count = 0;
	close(pair[0]);
	close(pair[1]);
	close(fd);
	close(other);
}

/* A full queue, which does not wait; sendmmsg says how many found room. */
static void full_queues(void)
{
	static struct many many;
	struct name to = named("full");
	int receiver = serve(SOCK_DGRAM, "full", 0), fd = new_socket(SOCK_DGRAM);

	for (size_t way = 0; way < COUNT(ways); way++) {
		struct sending s = {.to = &to, .data = "message", .len = 7, .flags = MSG_DONTWAIT};
		struct name nowhere = named("absent");
		int sent = 0;
		while (sent < 5000 && ways[way].send(fd, &s) == 7)
			sent++;
		printf("%s until full: %s after %d\n", ways[way].what, strerrorname_np(errno), sent);
		s.to = &nowhere;
		say("to nobody", ways[way].send(fd, &s));
		char drained[64];
		while (recv(receiver, drained, sizeof(drained), MSG_DONTWAIT) >= 0)
			;
	}
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 7; i++)
			add(&many, "full");
		say("seven of them", sendmmsg(fd, many.messages, many.count, MSG_DONTWAIT));
		for (int i = 0; i < 7; i++)
			printf(" %u", many.messages[i].msg_len);
		putchar('\n');
		many.count = 0;
	}
	for (int i = 0; i < 12; i++)
		receive("received", receiver, getpid());
	close(receiver);
	close(fd);
	/* The sender's own buffer is full before the name is looked up. */
	fd = new_socket(SOCK_DGRAM);
	int wide = serve(SOCK_DGRAM, "wide", 0), small = 1;
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	struct name target = named("wide"), nowhere = named("absent");
	static char data[2000];
	for (size_t way = 0; way < COUNT(ways); way++) {
		struct sending s = {.to = &target, .data = data, .len = sizeof(data), .flags = MSG_DONTWAIT};
		int sent = 0;
		while (sent < 100 && ways[way].send(fd, &s) > 0)
			sent++;
		printf("%s until the buffer is full: %s after %d\n", ways[way].what, strerrorname_np(errno), sent);
		s.to = &nowhere;
		say("to nobody", ways[way].send(fd, &s));
		char drained[64];
		while (recv(wide, drained, sizeof(drained), MSG_DONTWAIT) >= 0)
			;
	}
}

static void population(void)
{
	mkdir("d", 0755);
	mkdir("closed", 0755);
	file = open("file", O_CREAT | O_RDWR | O_CLOEXEC, 0644);
	if (write(file, "content", 7) != 7 || symlink("dgram", "to-dgram") < 0 || symlink("nowhere", "dangling") < 0 ||
	    symlink("loop", "loop") < 0)
		exit(3);
	mkfifo("fifo", 0600);
	serve(SOCK_DGRAM, "closed/s", 0);
	chmod("closed", 0);
	serve(SOCK_STREAM, "stream", 1000);
	serve(SOCK_SEQPACKET, "seqpacket", 1000);
	server = serve(SOCK_DGRAM, "dgram", 0);
	close(serve(SOCK_DGRAM, "stale", 0));
	close(serve(SOCK_DGRAM, "unwritable", 0));
	chmod("unwritable", 0444);
	int on = 1;
	setsockopt(server, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
}

int main(int argc, char **argv)
{
	if (argc != 2 || chdir(argv[1]) < 0)
		return 2;
	setvbuf(stdout, NULL, _IOFBF, 1 << 20);
	umask(022);
	signal(SIGPIPE, SIG_IGN);
	population();
	for (size_t i = 0; i < COUNT(types); i++) {
		printf("==== %s\n", type_names[i]);
		to_names(types[i]);
		odd_names(types[i]);
		to_peers(types[i]);
		pairs_with_descriptors(types[i]);
		big_messages(types[i]);
	}
	broken_pipes();
	controls();
	many_messages();
	full_queues();
	fflush(stdout);
	return 0;
}
