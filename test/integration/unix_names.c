/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names of AF_UNIX sockets: binding, what getsockname and getpeername say, connecting, who the peer is.
 *   unix_names DIR    DIR is empty; the output is the same inside a view and outside
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unix_support.h"

static char directory[64];

/* ---- binding ---- */

static void show_inode(const char *path)
{
	struct stat stat;

	if (lstat(path, &stat) < 0) {
		say("  inode", -1);
		return;
	}
	printf("  inode: mode %o, uid right %d, gid %s, links %lu\n", stat.st_mode, stat.st_uid == geteuid(),
	       stat.st_gid == getegid() ? "right" : "another", (unsigned long)stat.st_nlink);
}

/* Bind NAME; the new file is PATH (NULL: none). A second socket connects by the same bytes. */
static void try_bind(int type, const char *what, const struct name *name, const char *path)
{
	int server = new_socket(type), client = new_socket(type);
	char text[64];

	printf("bind %s: ", what);
	say("", bind(server, &name->any, name->len));
	show_name("  own name", server, getsockname);
	if (path)
		show_inode(path);
	if (type != SOCK_DGRAM)
		say("  listen", listen(server, 4));
	say("  connect", connect(client, &name->any, name->len));
	show_name("  peer's name", client, getpeername);
	show_peer("  peer", client, getpid());
	snprintf(text, sizeof(text), "again %s", what);
	int second = new_socket(type);
	printf("%s: ", text);
	say("", bind(second, &name->any, name->len));
	printf("bound already: ");
	say("", bind(server, &name->any, name->len));
	close(second);
	close(client);
	close(server);
	/* The name stays; nobody is there. */
	client = new_socket(type);
	say("  connect to what is left", connect(client, &name->any, name->len));
	close(client);
	if (path)
		say("  unlink", unlink(path));
}

/* A path of LEN bytes that leads to the file NAME in the working directory. */
static void long_path(char *ret, size_t len, const char *name)
{
	memset(ret, '/', len);
	ret[0] = '.';
	memcpy(ret + len - strlen(name), name, strlen(name));
}

static void names(int type)
{
	static const char *const paths[] = {"s", "./s", "d/s", "./d/../s", "d//s", "d/./s", "link/s", "link/../s", "absolute/s",
					    "absolute/d/s", "absolute/link/../d/s", "\xff\x01 s", "s.\n"};
	struct name name;
	char text[200], file[200];

	for (size_t i = 0; i < COUNT(paths); i++) {
		const char *path = paths[i];
		if (strncmp(path, "absolute", 8) == 0) {
			snprintf(text, sizeof(text), "%s%s", directory, path + 8);
			path = text;
		}
		name = named(path);
		try_bind(type, paths[i], &name, path);
	}
	name = raw_name("s", 1);
	try_bind(type, "without a NUL", &name, "s");
	name = raw_name("s\0junk", 6);
	try_bind(type, "with bytes behind its NUL", &name, "s");
	name = raw_name("secret", 1);
	try_bind(type, "cut", &name, "s");
	long_path(text, 108, "s");
	name = raw_name(text, 108);
	try_bind(type, "108 bytes of path", &name, "s");
	memset(text, 'x', 108);
	name = raw_name(text, 108);
	snprintf(file, sizeof(file), "%.108s", text);
	try_bind(type, "108 bytes of name", &name, file);
	name = raw_name(text, 107);
	name.len++;
	snprintf(file, sizeof(file), "%.107s", text);
	try_bind(type, "107 bytes and a NUL", &name, file);
	name = raw_name(text, 109);
	try_bind(type, "109 bytes", &name, NULL);
	name = raw_name(text, 127);
	try_bind(type, "129 bytes", &name, NULL);
}

static void abstract_names(int type)
{
	struct name name = abstract_name("plain");

	try_bind(type, "abstract", &name, NULL);
	name = abstract_name("d/s");
	try_bind(type, "abstract with a slash", &name, NULL);
	memcpy(name.bytes + PATH_AT + 1, "a\0b", 3);
	try_bind(type, "abstract with a NUL", &name, NULL);
	name = raw_name("\0\0\0", 3);
	name.bytes[PATH_AT + 1] = (unsigned char)getpid();
	name.bytes[PATH_AT + 2] = (unsigned char)(getpid() >> 8);
	int fd = new_socket(type);
	say("bind abstract of three bytes", bind(fd, &name.any, name.len));
	close(fd);
	name = raw_name(NULL, 0);
	fd = new_socket(type);
	say("autobind", bind(fd, &name.any, name.len));
	struct name got;
	socklen_t len = sizeof(got.bytes);
	getsockname(fd, &got.any, &len);
	printf("it has %u bytes, the first of them %d\n", (unsigned)len, got.bytes[PATH_AT]);
	say("autobind again", bind(fd, &name.any, name.len));
	close(fd);
}

static void refused_names(int type)
{
	static const char *const paths[] = {"d", "d/", "s/", ".", "..", "/", "//", "d/.", "d/..", "file", "file/", "file/s",
					    "absent/s", "dangling", "dangling/s", "loop", "loop/s", "/proc/s", "/dev/null/s",
					    "link", "link/", "closed/s", "readable/s", "taken"};
	struct name name;

	serve(type, "taken", 1);
	for (size_t i = 0; i < COUNT(paths); i++) {
		name = named(paths[i]);
		int fd = new_socket(type);
		printf("bind %s: ", paths[i]);
		say("", bind(fd, &name.any, name.len));
		show_name("  own name", fd, getsockname);
		close(fd);
		/* Root may make what others may not. */
		if (strchr(paths[i], 's'))
			unlink(paths[i]);
	}
	static const socklen_t lengths[] = {0, 1, 2, 3, 128, 129, (socklen_t)-1};
	for (size_t i = 0; i < COUNT(lengths); i++) {
		name = named("s");
		int fd = new_socket(type);
		printf("bind with length %d: ", (int)lengths[i]);
		say("", lengths[i] == 2 ? 0 : bind(fd, &name.any, lengths[i]));
		printf("connect with length %d: ", (int)lengths[i]);
		say("", connect(fd, &name.any, lengths[i]));
		close(fd);
		unlink("s");
	}
	static const int families[] = {AF_UNSPEC, AF_INET, AF_INET6, 255};
	for (size_t i = 0; i < COUNT(families); i++) {
		name = named("taken");
		name.un.sun_family = (sa_family_t)families[i];
		int fd = new_socket(type);
		printf("bind with family %d: ", families[i]);
		say("", bind(fd, &name.any, name.len));
		printf("connect with family %d: ", families[i]);
		say("", connect(fd, &name.any, name.len));
		close(fd);
	}
	name = named("s");
	say("bind at a bad address", bind(new_socket(type), (struct sockaddr *)8, 10));
	say("connect at a bad address", connect(new_socket(type), (struct sockaddr *)8, 10));
	say("bind of no descriptor", bind(999, &name.any, name.len));
	say("connect of no descriptor", connect(999, &name.any, name.len));
	int file = open("file", O_RDONLY | O_CLOEXEC), path = open("taken", O_PATH | O_CLOEXEC);
	say("bind of a file", bind(file, &name.any, name.len));
	say("connect of a file", connect(file, &name.any, name.len));
	say("bind by O_PATH", bind(path, &name.any, name.len));
	say("connect by O_PATH", connect(path, &name.any, name.len));
	close(file);
	close(path);
	int pair[2];
	socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair);
	say("bind one of a pair", bind(pair[0], &name.any, name.len));
	show_name("  its name", pair[0], getsockname);
	show_name("  its peer's peer", pair[1], getpeername);
	say("connect one of a pair", dial(pair[0], "taken"));
	close(pair[0]);
	close(pair[1]);
	unlink("s");
	unlink("taken");
}

/* The mode of the file: the socket's own, without what the umask takes. */
static void modes(int type)
{
	static const mode_t masks[] = {0, 022, 027, 077, 0777};
	struct name name = named("s");

	for (size_t i = 0; i < COUNT(masks); i++) {
		int fd = new_socket(type);
		umask(masks[i]);
		printf("umask %o: ", masks[i]);
		say("", bind(fd, &name.any, name.len));
		umask(022);
		show_inode("s");
		/* Who may not write may not connect; root may. */
		if (type != SOCK_DGRAM)
			listen(fd, 1);
		say("  connect", dial(new_socket(type), "s"));
		close(fd);
		unlink("s");
	}
	int fd = new_socket(type);
	say("fchmod before bind", fchmod(fd, 0640));
	say("bind", bind(fd, &name.any, name.len));
	show_inode("s");
	say("fchmod after bind", fchmod(fd, 0600));
	show_inode("s");
	close(fd);
	unlink("s");
	/* A directory that hands on its group. */
	if (geteuid() == 0) {
		mkdir("grouped", 0755);
		say("chown", chown("grouped", (uid_t)-1, 12345));
		say("chmod", chmod("grouped", 02755));
		name = named("grouped/s");
		fd = new_socket(type);
		say("bind", bind(fd, &name.any, name.len));
		show_inode("grouped/s");
		close(fd);
		unlink("grouped/s");
		rmdir("grouped");
	}
}

/* ---- connecting ---- */

static void connects(int type)
{
	static const char *const targets[] = {"stream", "dgram", "seqpacket", "./d/../stream", "to-stream", "to-dgram",
					      "to-seqpacket", "link/../stream", "to-stream/", "stream/", "stream/x", "file", "d", ".", "absent",
					      "d/absent", "absent/s", "file/s", "dangling", "loop", "stale", "quiet",
					      "unwritable", "closed/s", "readable/inner", "moved", "fifo", "/dev/null"};

	for (size_t i = 0; i < COUNT(targets); i++) {
		int fd = new_socket(type);
		printf("connect %s: ", targets[i]);
		say("", dial(fd, targets[i]));
		show_name("  peer", fd, getpeername);
		show_name("  own", fd, getsockname);
		show_peer("  peer", fd, getpid());
		/* Once more, elsewhere. */
		printf("  and then to %s: ", type_names[1]);
		say("", dial(fd, "dgram"));
		show_name("  peer", fd, getpeername);
		struct name none = {.len = PATH_AT};
		none.any.sa_family = AF_UNSPEC;
		say("  to nobody", connect(fd, &none.any, none.len));
		show_name("  peer", fd, getpeername);
		close(fd);
	}
}

static void zoo(void)
{
	mkdir("d", 0755);
	mkdir("closed", 0755);
	mkdir("readable", 0755);
	close(open("file", O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
	if (symlink("d", "link") < 0 || symlink("nowhere", "dangling") < 0 || symlink("loop", "loop") < 0)
		exit(3);
	serve(SOCK_STREAM, "closed/s", 1000);
	serve(SOCK_STREAM, "readable/inner", 1000);
	chmod("closed", 0);
	chmod("readable", 0555);
}

static void population(void)
{
	for (size_t i = 0; i < COUNT(types); i++) {
		char link[32];
		serve(types[i], type_names[i], 1000);
		snprintf(link, sizeof(link), "to-%s", type_names[i]);
		if (symlink(type_names[i], link) < 0)
			exit(3);
	}
	close(serve(SOCK_STREAM, "stale", 1));
	serve(SOCK_STREAM, "quiet", -1);
	serve(SOCK_STREAM, "unwritable", 1000);
	chmod("unwritable", 0444);
	serve(SOCK_STREAM, "first", 1000);
	rename("first", "moved");
	mkfifo("fifo", 0600);
}

/* ---- who the peer is ---- */

struct meeting {
	int type;
	const char *path;
	const char *own; /* the client's own name, or NULL */
	pid_t server;
};

static void client(void *argument)
{
	const struct meeting *meeting = argument;
	int fd = new_socket(meeting->type);
	char text[8] = "";

	if (meeting->own) {
		struct name name = named(meeting->own);
		say("client bind", bind(fd, &name.any, name.len));
	}
	say("client connect", dial(fd, meeting->path));
	show_name("client's own", fd, getsockname);
	show_name("client's peer", fd, getpeername);
	show_peer("the server", fd, meeting->server);
	say("client reads", recv(fd, text, sizeof(text), 0));
}

static void meet(int type, const char *bound, const char *path, const char *own)
{
	struct meeting meeting = {type, path, own, getpid()};
	int listener = serve(type, bound, 4);

	printf("-- %s meets %s as %s\n", own ? own : "nobody", bound[0] == '/' ? "absolute" : bound,
	       path[0] == '/' ? "absolute" : path);
	pid_t pid = child(client, &meeting);
	struct name from;
	socklen_t len = sizeof(from.bytes);
	int fd = accept(listener, &from.any, &len);
	say("accepted", fd < 0 ? fd : 0);
	printf("from %u bytes\n", (unsigned)len);
	show_peer("the client", fd, pid);
	show_name("server's own", fd, getsockname);
	show_name("server's peer", fd, getpeername);
	/* What the client has printed comes first. */
	say("server writes", send(fd, "hello", 5, 0));
	reap("client", pid);
	close(fd);
	close(listener);
	unlink(bound);
	if (own)
		unlink(own);
}

int main(int argc, char **argv)
{
	char path[128];

	if (argc != 2 || chdir(argv[1]) < 0)
		return 2;
	setvbuf(stdout, NULL, _IOFBF, 1 << 20);
	umask(022);
	snprintf(directory, sizeof(directory), "%s", argv[1]);
	zoo();
	for (size_t i = 0; i < COUNT(types); i++) {
		printf("==== %s\n", type_names[i]);
		names(types[i]);
		abstract_names(types[i]);
		refused_names(types[i]);
		modes(types[i]);
	}
	population();
	for (size_t i = 0; i < COUNT(types); i++) {
		printf("==== %s\n", type_names[i]);
		connects(types[i]);
	}
	snprintf(path, sizeof(path), "%s/d/../s", directory);
	for (size_t i = 0; i < COUNT(types); i += 2) {
		meet(types[i], "s", "s", NULL);
		meet(types[i], path, "./s", "d/mine");
		meet(types[i], "d/s", "link/s", "link/../mine");
	}
	fflush(stdout);
	return 0;
}
