/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AF_UNIX and its names. Run natively and in a view that hides hidden-* and denies denied-* the output must be the
 * same: natively there is no hidden-*, and denied-* may not be written.
 *   process_sockets DIR
 *   process_sockets race DIR    names are bound through a symlink that leads now to a readonly place, now elsewhere
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static char directory[256];

static void say(const char *what, long result)
{
	int error = errno;

	if (result < 0)
		printf("%s: %s\n", what, strerrorname_np(error));
	else
		printf("%s: %ld\n", what, result);
}

static socklen_t fill(struct sockaddr_un *to, const char *name)
{
	memset(to, 0, sizeof(*to));
	to->sun_family = AF_UNIX;
	if (*name == '@') { /* abstract: our pid makes it ours alone */
		int n = snprintf(to->sun_path + 1, sizeof(to->sun_path) - 1, "%s-%d", name + 1, (int)getpid());
		return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
	}
	strncpy(to->sun_path, name, sizeof(to->sun_path) - 1);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name) + 1);
}

static int bound(int type, const char *name)
{
	struct sockaddr_un where;
	socklen_t len = fill(&where, name);
	int fd = socket(AF_UNIX, type, 0);

	if (bind(fd, (struct sockaddr *)&where, len) < 0) {
		say(name, -1);
		close(fd);
		return -1;
	}
	if (type != SOCK_DGRAM)
		listen(fd, 8);
	return fd;
}

static int connect_to(int fd, const char *name)
{
	struct sockaddr_un where;
	socklen_t len = fill(&where, name);

	return connect(fd, (struct sockaddr *)&where, len);
}

static void show_name(const char *what, int fd, int (*get)(int, struct sockaddr *, socklen_t *))
{
	struct sockaddr_un name;
	socklen_t len = sizeof(name);

	memset(&name, 0, sizeof(name));
	if (get(fd, (struct sockaddr *)&name, &len) < 0) {
		say(what, -1);
		return;
	}
	/* An abstract name holds our pid. */
	if (len > 2 && !name.sun_path[0])
		printf("%s: abstract, right %d\n", what, atoi(strrchr(name.sun_path + 1, '-') + 1) == getpid());
	else
		printf("%s: %u bytes, %.*s\n", what, (unsigned)len, len > 2 ? (int)(len - 2) : 0, name.sun_path);
}

static void peer_is(const char *what, int fd, pid_t wanted)
{
	struct ucred cred = {0};
	socklen_t len = sizeof(cred);

	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len);
	printf("%s: pid right %d, ids right %d\n", what, cred.pid == wanted, cred.uid == geteuid() && cred.gid == getegid());
}

static void streams(int type, const char *name, const char *dial)
{
	int listener = bound(type, name);

	printf("-- type %d, %s, %s\n", type, name[0] == '/' ? "absolute" : name, dial[0] == '/' ? "absolute" : dial);
	fflush(stdout);
	if (listener < 0)
		return;
	fflush(stdout);
	pid_t child = fork();
	if (child == 0) {
		int fd = socket(AF_UNIX, type, 0);
		struct sockaddr_un where;
		socklen_t got = sizeof(where);
		if (name[0] == '@') {
			getsockname(listener, (struct sockaddr *)&where, &got);
			say("connect", connect(fd, (struct sockaddr *)&where, got));
		} else {
			say("connect", connect_to(fd, dial));
			show_name("getpeername", fd, getpeername);
		}
		show_name("own name", fd, getsockname);
		char text[8] = "";
		say("read", recv(fd, text, sizeof(text), 0));
		peer_is("the server", fd, getppid());
		fflush(stdout);
		_exit(0);
	}
	struct timeval limit = {5, 0};
	setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	int fd = accept(listener, NULL, NULL);
	say("accepted", fd >= 0 ? 0 : -1);
	peer_is("the client", fd, child);
	if (name[0] != '@')
		show_name("server's name", fd, getsockname);
	say("write", send(fd, "hello", 5, 0));
	waitpid(child, NULL, 0);
	close(fd);
	close(listener);
	if (name[0] != '@')
		say("refused", connect_to(socket(AF_UNIX, type, 0), dial));
}

/* What arrived at FD, and from whom. */
static void receive(const char *what, int fd, pid_t wanted)
{
	char data[4096], control[512];
	struct sockaddr_un from;
	struct iovec iov = {data, sizeof(data)};
	struct msghdr message = {.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov, .msg_iovlen = 1,
				 .msg_control = control, .msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(fd, &message, MSG_DONTWAIT);

	if (n < 0) {
		say(what, n);
		return;
	}
	printf("%s: %zd bytes %.*s", what, n, n < 20 ? (int)n : 20, data);
	if (message.msg_namelen > 2)
		printf(" from %s", from.sun_path);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
		if (c->cmsg_type == SCM_CREDENTIALS) {
			struct ucred *cred = (struct ucred *)CMSG_DATA(c);
			printf(", pid right %d, uid right %d", cred->pid == wanted, cred->uid == geteuid());
		}
		if (c->cmsg_type == SCM_RIGHTS) {
			close(*(int *)CMSG_DATA(c));
			printf(", %zu descriptors", (c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		}
	}
	printf("\n");
}

static void send_message(const char *what, int fd, const char *name, int pass)
{
	struct sockaddr_un to;
	char control[CMSG_SPACE(sizeof(int))] = "";
	struct iovec iov[2] = {{(void *)"mess", 4}, {(void *)"age", 3}};
	struct msghdr message = {.msg_iov = iov, .msg_iovlen = 2};

	if (name) {
		message.msg_namelen = fill(&to, name);
		message.msg_name = &to;
	}
	if (pass >= 0) {
		message.msg_control = control;
		message.msg_controllen = sizeof(control);
		struct cmsghdr *c = CMSG_FIRSTHDR(&message);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &pass, sizeof(int));
	}
	say(what, sendmsg(fd, &message, MSG_NOSIGNAL));
}

static void datagrams(void)
{
	char path[300], big[30000];
	int server = bound(SOCK_DGRAM, "dgram"), on = 1;

	snprintf(path, sizeof(path), "%s/client", directory);
	int client = bound(SOCK_DGRAM, path);
	struct sockaddr_un to;

	printf("-- datagrams\n");
	setsockopt(server, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
	socklen_t len = fill(&to, "dgram");
	say("sendto", sendto(client, "data", 4, 0, (struct sockaddr *)&to, len));
	receive("received", server, getpid());
	memset(big, 'b', sizeof(big));
	say("sendto big", sendto(client, big, sizeof(big), 0, (struct sockaddr *)&to, len));
	receive("received", server, getpid());
	say("sendto nothing", sendto(client, NULL, 0, 0, (struct sockaddr *)&to, len));
	receive("received", server, getpid());
	snprintf(path, sizeof(path), "%s/dgram", directory);
	send_message("sendmsg", client, path, -1);
	receive("received", server, getpid());
	send_message("sendmsg with a descriptor", client, "dgram", server);
	receive("received", server, getpid());
	fflush(stdout);
	pid_t child = fork();
	if (child == 0) {
		send_message("sendmsg of a child", client, "./dgram", -1);
		fflush(stdout);
		_exit(0);
	}
	waitpid(child, NULL, 0);
	receive("received", server, child);
	struct iovec iov = {(void *)"many", 4};
	struct mmsghdr many[3];
	memset(many, 0, sizeof(many));
	for (int i = 0; i < 3; i++)
		many[i].msg_hdr = (struct msghdr){.msg_name = &to, .msg_namelen = len, .msg_iov = &iov, .msg_iovlen = 1};
	int sent = 0;
	while (sent < 3) {
		int n = sendmmsg(client, many + sent, (unsigned)(3 - sent), 0);
		if (n <= 0)
			break;
		sent += n;
	}
	say("sendmmsg until all are sent", sent);
	for (int i = 0; i < 3; i++) {
		printf("length %u\n", many[i].msg_len);
		receive("received", server, getpid());
	}
	say("connect", connect_to(client, "dgram"));
	show_name("getpeername", client, getpeername);
	say("send", send(client, "plain", 5, 0));
	receive("received", server, getpid());
	say("to a file", (close(open("file", O_CREAT | O_WRONLY, 0644)), connect_to(client, "file")));
	say("to a directory", connect_to(client, "."));
	say("to nothing", connect_to(client, "nothing"));
	say("beneath a file", connect_to(client, "file/x"));
	say("to a stream", connect_to(client, "stream"));
	say("stream to dgram", connect_to(socket(AF_UNIX, SOCK_STREAM, 0), "dgram"));
	/* Full: EAGAIN when it does not wait. */
	int n = 0;
	while (n < 10000 && sendto(client, "x", 1, MSG_DONTWAIT, (struct sockaddr *)&to, len) == 1)
		n++;
	say("full", n < 10000 ? -1 : 0);
	printf("after %d\n", n);
	close(server);
	say("gone", sendto(client, "x", 1, 0, (struct sockaddr *)&to, len));
	close(client);
}

static void names(void)
{
	struct sockaddr_un where;
	socklen_t len;

	printf("-- names\n");
	int fd = bound(SOCK_STREAM, "twice");
	bound(SOCK_STREAM, "twice");
	bound(SOCK_STREAM, "no/such/directory");
	bound(SOCK_STREAM, "ends/");
	bound(SOCK_STREAM, ".");
	bound(SOCK_STREAM, "/");
	len = fill(&where, "again");
	say("bound already", bind(fd, (struct sockaddr *)&where, len));
	close(fd);
	umask(027);
	fd = bound(SOCK_DGRAM, "by-umask");
	umask(022);
	struct stat stat_buffer;
	say("stat", stat("by-umask", &stat_buffer));
	printf("mode %o, owner right %d\n", stat_buffer.st_mode, stat_buffer.st_uid == geteuid());
	say("too short", bind(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&where, 1));
	say("too long", connect(fd, (struct sockaddr *)&where, sizeof(where) + 1));
	say("bad pointer", connect(fd, (struct sockaddr *)8, len));
	say("not a socket", connect(0, (struct sockaddr *)&where, len));
	say("no descriptor", connect(77, (struct sockaddr *)&where, len));
	where.sun_family = AF_INET6;
	say("wrong family", connect(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&where, len));
	/* autobind */
	int automatic = socket(AF_UNIX, SOCK_DGRAM, 0);
	where.sun_family = AF_UNIX;
	say("autobind", bind(automatic, (struct sockaddr *)&where, sizeof(sa_family_t)));
	len = sizeof(where);
	getsockname(automatic, (struct sockaddr *)&where, &len);
	printf("its name has %u bytes\n", (unsigned)len);
	/* 108 bytes without a NUL */
	memset(&where, 'x', sizeof(where));
	where.sun_family = AF_UNIX;
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	say("the longest name", bind(fd, (struct sockaddr *)&where, sizeof(where)));
	listen(fd, 1);
	say("connect to it", connect(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&where, sizeof(where)));
	say("unlink it", unlink("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"));
	if (symlink("stream", "link") == 0) {
		say("through a link", connect_to(socket(AF_UNIX, SOCK_STREAM, 0), "link"));
		bound(SOCK_STREAM, "link");
	}
	say("hidden", connect_to(socket(AF_UNIX, SOCK_STREAM, 0), "hidden-socket"));
	say("hidden datagram", connect_to(socket(AF_UNIX, SOCK_DGRAM, 0), "hidden-datagram"));
	say("denied", connect_to(socket(AF_UNIX, SOCK_STREAM, 0), "denied-socket"));
	fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	send_message("message to hidden", fd, "hidden-datagram", -1);
	send_message("message to denied", fd, "denied-datagram", -1);
}

static void pairs(void)
{
	int pair[2];

	printf("-- pairs\n");
	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	send_message("a descriptor", pair[0], NULL, pair[0]);
	receive("received", pair[1], getpid());
	send_message("no descriptor", pair[0], NULL, -1);
	receive("received", pair[1], getpid());
	close(pair[1]);
	send_message("nobody there", pair[0], NULL, -1);
	close(pair[0]);
}

static void internet(void)
{
	struct sockaddr_in where = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(where);
	int server = socket(AF_INET, SOCK_DGRAM, 0), client = socket(AF_INET, SOCK_DGRAM, 0), ready = 0;
	struct iovec iov = {(void *)"udp!", 4};
	struct mmsghdr many[8];

	printf("-- internet\n");
	say("bind", bind(server, (struct sockaddr *)&where, len));
	getsockname(server, (struct sockaddr *)&where, &len);
	memset(many, 0, sizeof(many));
	for (int i = 0; i < 8; i++)
		many[i].msg_hdr = (struct msghdr){.msg_name = &where, .msg_namelen = len, .msg_iov = &iov, .msg_iovlen = 1};
	say("sendmmsg", sendmmsg(client, many, 8, 0));
	for (int i = 0; i < 8; i++) {
		char data[16];
		ready += recv(server, data, sizeof(data), MSG_DONTWAIT) == 4 && many[i].msg_len == 4;
	}
	say("received", ready);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	where.sin_port = 0;
	bind(listener, (struct sockaddr *)&where, len);
	getsockname(listener, (struct sockaddr *)&where, &len);
	listen(listener, 1);
	say("connect", connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&where, len));
	close(listener);
	say("refused", connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&where, len));
	struct addrinfo *found = NULL, hints = {.ai_family = AF_INET};
	say("getaddrinfo", getaddrinfo("localhost", NULL, &hints, &found));
	if (found) {
		char text[64];
		printf("%s\n", inet_ntop(AF_INET, &((struct sockaddr_in *)found->ai_addr)->sin_addr, text, sizeof(text)));
	}
}

/* ---- a race ---- */

static void *swap_links(void *unused)
{
	for (;;) {
		rename("to-free", "way");
		(void)!symlink("free", "to-free");
		rename("to-readonly", "way");
		(void)!symlink("readonly-tree", "to-readonly");
	}
	return unused;
}

static int race(void)
{
	pthread_t thread;
	struct sockaddr_un where;
	char path[300];
	int made = 0, refused = 0, other = 0;

	mkdir("free", 0700);
	if (symlink("free", "way") < 0 || symlink("free", "to-free") < 0 || symlink("readonly-tree", "to-readonly") < 0)
		return 2;
	pthread_create(&thread, NULL, swap_links, NULL);
	snprintf(path, sizeof(path), "%s/way/socket", directory);
	for (int i = 0; i < 4000; i++) {
		socklen_t len = fill(&where, i % 2 ? path : "way/socket");
		int fd = socket(AF_UNIX, SOCK_STREAM, 0);
		if (bind(fd, (struct sockaddr *)&where, len) == 0)
			made++;
		else if (errno == EROFS)
			refused++;
		else
			other++;
		close(fd);
		unlink("free/socket");
	}
	fprintf(stderr, "%d made, %d refused, %d otherwise\n", made, refused, other);
	say("both happened", made > 10 && refused > 10);
	say("in the readonly tree", access("readonly-tree/socket", F_OK));
	fflush(stdout);
	_exit(0);
}

int main(int argc, char **argv)
{
	char path[300];

	if (argc == 3)
		return chdir(argv[2]) < 0 || !getcwd(directory, sizeof(directory)) ? 2 : race();

	if (argc < 2 || chdir(argv[1]) < 0 || !getcwd(directory, sizeof(directory)))
		return 2;
	signal(SIGPIPE, SIG_IGN);
	alarm(30);
	umask(022);
	snprintf(path, sizeof(path), "%s/stream2", directory);
	streams(SOCK_STREAM, "stream", "stream");
	streams(SOCK_STREAM, path, path);
	streams(SOCK_STREAM, "stream3", "../../../../../../../../proc/self/cwd/stream3");
	mkdir("sub", 0755);
	streams(SOCK_STREAM, "sub/stream4", "sub/../sub/stream4");
	streams(SOCK_SEQPACKET, "packets", "./packets");
	streams(SOCK_STREAM, "@abstract", "@abstract");
	datagrams();
	names();
	pairs();
	internet();
	return 0;
}
