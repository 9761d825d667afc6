/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Socket calls with an address, against the kernel: each call is made natively and through the view, whose errands are
 * carried out here as steering would; results must be the same for every kind of socket and address.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "fake_caller.h"
#include "intercept/handlers.h"
#include "view_fixture.h"

#define PATH_AT offsetof(struct sockaddr_un, sun_path)

static struct fixture view;
static struct fake_caller fake;
static struct op *the_op;
static struct outcome out;
static char base[100];

static void begin(const char *const *rules)
{
	const char *made = fixture_directory(false);

	snprintf(base, sizeof(base), "%s", made);
	assert_int_equal(chdir(base), 0);
	fixture_view(&view, base, rules);
	assert_int_equal(fake_caller_init(&fake, base, 027), 0);
	the_op = malloc(sizeof(*the_op));
	walk_init(&the_op->walk[0]);
	walk_init(&the_op->walk[1]);
	umask(027);
}

static void end(void)
{
	umask(022);
	outcome_release(&out);
	free(the_op);
	fake_caller_release(&fake);
	fixture_free(&view);
	assert_int_equal(chdir("/"), 0);
	fixture_remove(base);
}

/* ---- carrying out errands as steering does ---- */

static socklen_t name_object(struct sockaddr_un *name, int fd)
{
	memset(name, 0, sizeof(*name));
	name->sun_family = AF_UNIX;
	int len = fd >= 0 ? snprintf(name->sun_path, sizeof(name->sun_path), "/proc/self/fd/%d", fd)
			  : snprintf(name->sun_path, sizeof(name->sun_path), "/proc/self/-");
	return (socklen_t)PATH_AT + (socklen_t)len + 1;
}

static long carry_out_message(const struct message *message, uint64_t args[6])
{
	_Alignas(8) unsigned char slot[256] = {0};
	struct msghdr *header = (struct msghdr *)slot;
	unsigned len = message->bytes.len;
	struct sockaddr_un name;

	memcpy(slot, message->bytes.data, len);
	if (message->names) {
		assert_true(message->fd >= 0 || message->error < 0);
		header->msg_namelen = name_object(&name, message->fd);
		memcpy(slot + sizeof(*header), &name, header->msg_namelen);
		len += header->msg_namelen;
	}
	header->msg_name = len > sizeof(*header) ? slot + sizeof(*header) : NULL;
	args[out.errand.object_arg] = (uintptr_t)slot;
	long result = syscall(out.errand.nr, args[0], args[1], args[2], args[3], args[4], args[5]);
	if (result < 0)
		return errno == ENOENT && message->error ? message->error : -errno;
	if (out.errand.messages->counted) {
		uint32_t count = (uint32_t)result;
		/* NOLINTNEXTLINE(performance-no-int-to-ptr) */
		memcpy((void *)(uintptr_t)message->count_at, &count, sizeof(count));
	}
	return result;
}

static long carry_out_messages(uint64_t args[6])
{
	const struct messages *messages = out.errand.messages;
	long sent = messages->before, result = 0;

	assert_true(messages->count > 0 && out.fd < 0);
	for (unsigned i = 0; i < messages->count; i++) {
		result = carry_out_message(&messages->item[i], args);
		if (result < 0)
			break;
		sent++;
		if ((size_t)result < messages->item[i].whole)
			break;
	}
	return messages->counted && sent ? sent : result;
}

static long carry_out(void)
{
	struct errand *errand = &out.errand;
	_Alignas(8) unsigned char slot[256] = {0};
	uint64_t args[6];
	struct sockaddr_un name;

	memcpy(args, errand->args, sizeof(args));
	if (errand->messages)
		return carry_out_messages(args);
	args[errand->object_arg] = (uintptr_t)slot;
	memcpy(slot, errand->bytes.data, errand->bytes.len);
	if (errand->sockaddr) {
		assert_true(out.fd >= 0 || errand->error < 0);
		args[errand->length_arg] = name_object(&name, out.fd);
		memcpy(slot, &name, sizeof(name));
	} else {
		assert_true(errand->verbatim);
		assert_int_equal(out.fd, -EBADF);
	}
	long result = syscall(errand->nr, args[0], args[1], args[2], args[3], args[4], args[5]);
	if (result < 0)
		return errno == ENOENT && errand->error ? errand->error : -errno;
	return result;
}

/* The call through the view, int arguments with junk above. */
static long viewed(int nr, const uint64_t args[6])
{
	static const struct {
		int nr;
		handler_fn handler;
	} table[] = {
		{SYS_connect, handle_connect}, {SYS_bind, handle_bind},		{SYS_sendto, handle_sendto},
		{SYS_sendmsg, handle_sendmsg}, {SYS_sendmmsg, handle_sendmmsg},
	};
	int error = -ENOSYS;

	outcome_release(&out);
	outcome_init(&out);
	op_begin(the_op, view.view, &fake.caller, nr);
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		if (table[i].nr == nr)
			error = table[i].handler(the_op, nr, args, &out);
	}
	assert_int_equal(the_op->walk[0].fd, -EBADF);
	assert_int_equal(the_op->walk[0].parent_fd, -EBADF);
	/* A worker that binds stands in / afterwards; here the worker is the caller, too. */
	assert_int_equal(chdir(base), 0);
	if (error)
		return error;
	switch (out.kind) {
	case OUT_VALUE:
		return out.value;
	case OUT_CONTINUE: {
		long result = syscall(nr, args[0], args[1], args[2], args[3], args[4], args[5]);
		return result < 0 ? -errno : result;
	}
	case OUT_ERRAND:
		return carry_out();
	case OUT_FD:
		break;
	}
	return -ENOTRECOVERABLE;
}

static long native(int nr, const uint64_t args[6])
{
	long result = syscall(nr, args[0], args[1], args[2], args[3], args[4], args[5]);

	return result < 0 ? -errno : result;
}

typedef long (*call_fn)(int nr, const uint64_t args[6]);

/* ---- kinds of sockets, of addresses, of calls ---- */

struct kind {
	const char *what;
	int domain, type;
};

static const struct kind kinds[] = {
	{"unix stream", AF_UNIX, SOCK_STREAM},	 {"unix datagram", AF_UNIX, SOCK_DGRAM},
	{"unix raw", AF_UNIX, SOCK_RAW},	 {"unix seqpacket", AF_UNIX, SOCK_SEQPACKET},
	{"tcp", AF_INET, SOCK_STREAM},		 {"udp", AF_INET, SOCK_DGRAM},
	{"udp6", AF_INET6, SOCK_DGRAM},		 {"netlink", AF_NETLINK, SOCK_RAW},
	{"closed", -1, 0},			 {"a directory", -2, 0},
	{"a directory by O_PATH", -3, 0},
};

static int open_kind(const struct kind *kind)
{
	switch (kind->domain) {
	case -1:
		return 999;
	case -2:
		return open(base, O_RDONLY | O_CLOEXEC);
	case -3:
		return open(base, O_PATH | O_CLOEXEC);
	default:
		return socket(kind->domain, kind->type | SOCK_CLOEXEC, 0);
	}
}

struct address {
	char what[64];
	const void *bytes;
	int len;
	union {
		struct sockaddr_storage storage;
		struct sockaddr_un un;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		unsigned char raw[256];
	};
};

static struct address addresses[64];
static size_t address_count;

static struct address *add_address(const char *what, int family, int len)
{
	struct address *a = &addresses[address_count++];

	assert_true(address_count <= ARRAY_LEN(addresses));
	memset(a, 0, sizeof(*a));
	snprintf(a->what, sizeof(a->what), "%s", what);
	a->storage.ss_family = (sa_family_t)family;
	a->bytes = a->raw;
	a->len = len;
	return a;
}

static struct address *add_path(const char *path)
{
	size_t len = strlen(path);
	struct address *a = add_address(path, AF_UNIX, (int)(PATH_AT + len + 1));

	assert_true(len <= sizeof(a->un.sun_path));
	memcpy(a->un.sun_path, path, len);
	if (len == sizeof(a->un.sun_path))
		a->len--;
	return a;
}

static void add_odd_addresses(void)
{
	struct address *a;

	add_address("no address", AF_UNIX, 0)->bytes = NULL;
	add_address("an address of no bytes", AF_UNIX, 0);
	add_address("negative length", AF_UNIX, -1);
	add_address("129 bytes", AF_UNIX, 129);
	add_address("one byte", AF_UNIX, 1);
	add_address("unnamed", AF_UNIX, 2);
	/* NOLINTNEXTLINE(performance-no-int-to-ptr) */
	add_address("unreadable", AF_UNIX, 16)->bytes = (void *)8;
	add_address("a NULL address with a length", AF_UNIX, 16)->bytes = NULL;
	add_address("AF_UNSPEC", AF_UNSPEC, 16);
	add_address("unknown family", 255, 16);
	a = add_address("abstract", AF_UNIX, (int)PATH_AT + 6);
	memcpy(a->un.sun_path, "\0nobdy", 6);
	add_address("loopback port 1", AF_INET, sizeof(struct sockaddr_in));
	a = &addresses[address_count - 1];
	a->in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	a->in.sin_port = htons(1);
	add_address("loopback6 port 1", AF_INET6, sizeof(struct sockaddr_in6));
	a = &addresses[address_count - 1];
	a->in6.sin6_addr = in6addr_loopback;
	a->in6.sin6_port = htons(1);
}

static void add_paths(void)
{
	struct address *a;
	char text[128];

	static const char *const paths[] = {
		"stream", "datagram", "packets", "./stream", "sub/../datagram", "link", "dangling", "loop", "absent",
		"absent/stream", "file", "file/", "sub", "stream/", "stream/x", "stale", "closed", ".", "/",
	};
	for (size_t i = 0; i < ARRAY_LEN(paths); i++)
		add_path(paths[i]);
	snprintf(text, sizeof(text), "%s/datagram", base);
	add_path(text);
	a = add_path("streamliner");
	a->len = PATH_AT + 6; /* cut: "stream" */
	a = add_path("stream");
	memcpy(a->un.sun_path + 7, "junk", 4);
	a->len += 4;
	a = add_path("stream");
	a->len = sizeof(struct sockaddr_un);
	a = add_path("stream");
	a->len = sizeof(struct sockaddr_un) + 1;
	/* 108 bytes without a NUL. */
	memset(text, '/', 108);
	memcpy(text, ".", 1);
	memcpy(text + 108 - 8, "datagram", 9);
	add_path(text);
}

static int make_socket(const char *path, int type, bool listening)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	strcpy(name.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	assert_int_equal(chmod(path, 0666), 0);
	if (listening)
		assert_int_equal(listen(fd, 1000), 0);
	return fd;
}

static int listeners[3];

static void make_zoo(void)
{
	listeners[0] = make_socket("stream", SOCK_STREAM, true);
	listeners[1] = make_socket("datagram", SOCK_DGRAM, false);
	listeners[2] = make_socket("packets", SOCK_SEQPACKET, true);
	close(make_socket("stale", SOCK_STREAM, true));
	close(make_socket("closed", SOCK_DGRAM, false));
	assert_int_equal(chmod("closed", 0), 0);
	fixture_file(base, "file", "x");
	assert_int_equal(mkdir("sub", 0755), 0);
	assert_int_equal(symlink("stream", "link"), 0);
	assert_int_equal(symlink("absent", "dangling"), 0);
	assert_int_equal(symlink("loop", "loop"), 0);
	address_count = 0;
	add_odd_addresses();
	add_paths();
}

static void drain(void)
{
	char bytes[256];

	while (recv(listeners[1], bytes, sizeof(bytes), MSG_DONTWAIT) >= 0)
		;
}

static void lose_zoo(void)
{
	for (size_t i = 0; i < ARRAY_LEN(listeners); i++)
		close(listeners[i]);
}

#define JUNK 0xabcd00000000
static char data[8] = "message";

static long connecting(call_fn call, int fd, const struct address *a)
{
	const uint64_t args[6] = {(uint32_t)fd | JUNK, (uintptr_t)a->bytes, (uint32_t)a->len | JUNK};

	return call(SYS_connect, args);
}

static long sending(call_fn call, int fd, const struct address *a)
{
	const uint64_t args[6] = {(uint32_t)fd | JUNK, (uintptr_t)data,	   sizeof(data), MSG_NOSIGNAL | JUNK,
				  (uintptr_t)a->bytes, (uint32_t)a->len | JUNK};

	return call(SYS_sendto, args);
}

static void make_message(struct mmsghdr *message, struct iovec iov[2], const struct address *a)
{
	memset(message, 0, sizeof(*message));
	iov[0] = (struct iovec){data, 3};
	iov[1] = (struct iovec){data + 3, sizeof(data) - 3};
	message->msg_hdr.msg_name = (void *)(uintptr_t)a->bytes;
	message->msg_hdr.msg_namelen = (socklen_t)a->len;
	message->msg_hdr.msg_iov = iov;
	message->msg_hdr.msg_iovlen = 2;
}

static long messaging(call_fn call, int fd, const struct address *a)
{
	struct mmsghdr message;
	struct iovec iov[2];

	make_message(&message, iov, a);
	const uint64_t args[6] = {(uint32_t)fd | JUNK, (uintptr_t)&message.msg_hdr, MSG_NOSIGNAL | JUNK};
	return call(SYS_sendmsg, args);
}

static long messaging_many(call_fn call, int fd, const struct address *a)
{
	struct mmsghdr message;
	struct iovec iov[2];

	make_message(&message, iov, a);
	const uint64_t args[6] = {(uint32_t)fd | JUNK, (uintptr_t)&message, 1 | JUNK, MSG_NOSIGNAL | JUNK};
	long result = call(SYS_sendmmsg, args);
	if (result == 1)
		assert_int_equal(message.msg_len, sizeof(data));
	return result;
}

static const struct {
	const char *what;
	long (*make)(call_fn call, int fd, const struct address *a);
} calls[] = {{"connect", connecting}, {"sendto", sending}, {"sendmsg", messaging}, {"sendmmsg", messaging_many}};

static const char *const bystanders[] = {"hide @/elsewhere", "readonly @/sub", "append **/*.log", NULL};

static void as_the_kernel(void **state)
{
	(void)state;
	begin(bystanders);
	make_zoo();
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		for (size_t i = 0; i < address_count * ARRAY_LEN(calls); i++) {
			const struct address *a = &addresses[i / ARRAY_LEN(calls)];
			size_t c = i % ARRAY_LEN(calls);
			int mine = open_kind(&kinds[k]);
			long expected = calls[c].make(native, mine, a);
			if (mine != 999)
				close(mine);
			int yours = open_kind(&kinds[k]);
			long got = calls[c].make(viewed, yours, a);
			if (yours != 999)
				close(yours);
			drain();
			if (got != expected)
				fail_msg("%s of %s to \"%s\": natively %ld, here %ld", calls[c].what, kinds[k].what,
					 a->what, expected, got);
		}
	}
	lose_zoo();
	end();
}

/* Sends without any name on sockets that have a peer. */
static void connected(void **state)
{
	static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};

	(void)state;
	begin(bystanders);
	make_zoo();
	for (size_t t = 0; t < ARRAY_LEN(types); t++) {
		for (size_t i = 0; i < address_count * ARRAY_LEN(calls); i++) {
			const struct address *a = &addresses[i / ARRAY_LEN(calls)];
			size_t c = i % ARRAY_LEN(calls);
			int pairs[2][2];
			long results[2];
			/* A datagram pair that connects elsewhere leaves its peer: a fresh one each time. */
			for (int v = 0; v < 2; v++) {
				assert_int_equal(socketpair(AF_UNIX, types[t] | SOCK_CLOEXEC, 0, pairs[v]), 0);
				results[v] = calls[c].make(v ? viewed : native, pairs[v][0], a);
				close(pairs[v][0]);
				close(pairs[v][1]);
			}
			drain();
			if (results[0] != results[1])
				fail_msg("%s of a connected socket (%d) to \"%s\": natively %ld, here %ld", calls[c].what,
					 types[t], a->what, results[0], results[1]);
		}
	}
	lose_zoo();
	end();
}

/* ---- bind ---- */

static long binding(call_fn call, int fd, const struct address *a)
{
	const uint64_t args[6] = {(uint32_t)fd | JUNK, (uintptr_t)a->bytes, (uint32_t)a->len | JUNK};

	return call(SYS_bind, args);
}

struct bound {
	long result;
	mode_t mode;
	socklen_t len;
	struct sockaddr_un name;
};

static void bind_and_look(call_fn call, const struct kind *kind, const struct address *a, const char *path,
			  struct bound *ret)
{
	struct stat stat;
	int fd = open_kind(kind);

	memset(ret, 0, sizeof(*ret));
	ret->result = binding(call, fd, a);
	ret->len = sizeof(ret->name);
	if (kind->domain == AF_UNIX)
		assert_int_equal(getsockname(fd, (struct sockaddr *)&ret->name, &ret->len), 0);
	if (path && ret->result == 0 && lstat(path, &stat) == 0) {
		ret->mode = stat.st_mode;
		unlink(path);
	}
	if (fd != 999)
		close(fd);
}

static void binding_as_the_kernel(void **state)
{
	static const char *const paths[] = {"new", "sub/../new", "./new", "new/", "absent/new", "file/new", "file", "sub",
					    "sub/", ".", "..", "/", "sub/.", "sub/..", "dangling", "link", "stream",
					    "loop/new", "link/new"};
	struct bound mine, yours;

	(void)state;
	begin(bystanders);
	make_zoo();
	address_count = 0;
	add_odd_addresses();
	size_t odd = address_count;
	for (size_t i = 0; i < ARRAY_LEN(paths); i++)
		add_path(paths[i]);
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		for (size_t i = 0; i < address_count; i++) {
			const struct address *a = &addresses[i];
			const char *path = i < odd ? NULL : a->un.sun_path;
			bind_and_look(native, &kinds[k], a, path, &mine);
			bind_and_look(viewed, &kinds[k], a, path, &yours);
			if (mine.result != yours.result)
				fail_msg("bind of %s to \"%s\": natively %ld, here %ld", kinds[k].what, a->what, mine.result,
					 yours.result);
			assert_int_equal(mine.mode, yours.mode);
			/* A text with a slash keeps its last name only; the kernel chooses the name of an unnamed one. */
			if (path && strchr(path, '/'))
				continue;
			assert_int_equal(mine.len, yours.len);
			if (strcmp(a->what, "unnamed") != 0)
				assert_memory_equal(&mine.name, &yours.name, mine.len);
		}
	}
	lose_zoo();
	end();
}

static void bound_twice(void **state)
{
	(void)state;
	begin(bystanders);
	address_count = 0;
	const struct address *first = add_path("first"), *second = add_path("second");
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(binding(viewed, fd, first), 0);
	assert_int_equal(binding(viewed, fd, second), -EINVAL);
	assert_int_equal(access("second", F_OK), -1);
	close(fd);
	/* A caller that is gone makes nothing. */
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	fake.validate_error = -ESRCH;
	assert_int_equal(binding(viewed, fd, second), -ESRCH);
	assert_int_equal(access("second", F_OK), -1);
	close(fd);
	end();
}

/* ---- rules ---- */

static void expect(const char *path, int expected)
{
	address_count = 0;
	const struct address *a = add_path(path);

	for (size_t c = 0; c < ARRAY_LEN(calls); c++) {
		int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		long got = calls[c].make(viewed, fd, a);
		close(fd);
		if (expected ? got != expected : got < 0)
			fail_msg("%s to %s: %ld instead of %d", calls[c].what, path, got, expected);
		assert_int_equal(the_op->refused.set, expected != 0);
	}
}

static void expect_bind(const char *path, int expected)
{
	address_count = 0;
	const struct address *a = add_path(path);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_int_equal(binding(viewed, fd, a), expected);
	close(fd);
}

static void rules(void **state)
{
	static const char *const the_rules[] = {"hide @/hidden*", "deny @/denied*", "mask @/masked", "readonly @/fixed*",
						"readonly @/sub", NULL};
	static const char *const names[] = {"hidden", "denied", "masked", "fixed"};

	(void)state;
	begin(the_rules);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		int fd = make_socket(names[i], SOCK_DGRAM, false);
		close(fd);
	}
	assert_int_equal(mkdir("sub", 0755), 0);
	assert_int_equal(symlink("hidden", "to-hidden"), 0);
	unlink("fixed");
	listeners[1] = make_socket("fixed", SOCK_DGRAM, false);
	expect("hidden", -ENOENT);
	expect("hidden-absent", -ENOENT);
	expect("to-hidden", -ENOENT);
	expect("denied", -EACCES);
	expect("denied-absent", -EACCES);
	expect("masked", -EACCES);
	expect("fixed", 0);
	expect_bind("hidden", -EACCES);
	expect_bind("hidden-absent", -EACCES);
	expect_bind("denied", -EACCES);
	expect_bind("denied-absent", -EACCES);
	expect_bind("fixed-new", -EROFS);
	expect_bind("fixed", -EADDRINUSE);
	expect_bind("sub/new", -EROFS);
	assert_int_equal(access("hidden-absent", F_OK), -1);
	close(listeners[1]);
	end();
}

/* What a sibling could make of a descriptor meanwhile: no path reaches the kernel but the judged object's. */
static void no_path_is_passed_on(void **state)
{
	(void)state;
	begin(bystanders);
	make_zoo();
	address_count = 0;
	const struct address *a = add_path("stream");
	for (size_t k = 0; k < 8; k++) {
		for (size_t c = 0; c < ARRAY_LEN(calls); c++) {
			int fd = open_kind(&kinds[k]);
			calls[c].make(viewed, fd, a);
			close(fd);
			if (out.kind != OUT_ERRAND || out.fd >= 0)
				continue;
			const struct messages *messages = out.errand.messages;
			const struct slot_bytes *bytes = messages ? &messages->item[0].bytes : &out.errand.bytes;
			size_t at = messages ? sizeof(struct msghdr) : 0;
			if (messages && messages->item[0].names)
				continue;
			assert_int_equal(bytes->len, at + PATH_AT + 7);
			assert_int_equal(bytes->data[at + PATH_AT], 0);
		}
	}
	lose_zoo();
	end();
}

/* As resolvers use it: two queries at once by a connected socket. */
static void two_datagrams(void **state)
{
	struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(name);
	struct address none = {.len = 0};
	struct mmsghdr messages[3];
	struct iovec iov[3][2];
	char bytes[16];

	(void)state;
	begin(bystanders);
	int server = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), client = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(server, (struct sockaddr *)&name, sizeof(name)), 0);
	assert_int_equal(getsockname(server, (struct sockaddr *)&name, &len), 0);
	assert_int_equal(connect(client, (struct sockaddr *)&name, len), 0);
	for (size_t i = 0; i < 3; i++)
		make_message(&messages[i], iov[i], &none);
	uint64_t args[6] = {(uint64_t)client, (uintptr_t)messages, 2, MSG_NOSIGNAL};
	assert_int_equal(viewed(SYS_sendmmsg, args), 2);
	assert_int_equal(out.kind, OUT_VALUE);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(messages[i].msg_len, sizeof(data));
		assert_int_equal(recv(server, bytes, sizeof(bytes), MSG_DONTWAIT), sizeof(data));
		assert_memory_equal(bytes, data, sizeof(data));
	}
	/* The second cannot be sent: one was. */
	/* NOLINTNEXTLINE(performance-no-int-to-ptr) */
	messages[1].msg_hdr.msg_iov = (struct iovec *)8;
	args[2] = 3;
	assert_int_equal(viewed(SYS_sendmmsg, args), 1);
	assert_int_equal(recv(server, bytes, sizeof(bytes), MSG_DONTWAIT), sizeof(data));
	assert_int_equal(recv(server, bytes, sizeof(bytes), MSG_DONTWAIT), -1);
	/* None at all. */
	args[2] = 0;
	assert_int_equal(viewed(SYS_sendmmsg, args), 0);
	close(server);
	close(client);
	end();
}

/* To names in the file system: as far as they are there; each is looked up once, and so many at most. */
static void many_datagrams(void **state)
{
	enum { COUNT = 80 };
	static struct mmsghdr messages[COUNT];
	static struct iovec iov[COUNT][2];
	char bytes[16], name[16];

	(void)state;
	begin(bystanders);
	int target = make_socket("target", SOCK_DGRAM, false);
	int client = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	const uint64_t args[6] = {(uint64_t)client, (uintptr_t)messages, 4};
	address_count = 0;
	for (size_t i = 0; i < 4; i++)
		make_message(&messages[i], iov[i], add_path(i == 3 ? "absent" : "target"));
	assert_int_equal(viewed(SYS_sendmmsg, args), 3);
	assert_true(out.errand.messages->item[0].owned && !out.errand.messages->item[1].owned);
	assert_int_equal(out.errand.messages->item[0].fd, out.errand.messages->item[2].fd);
	assert_int_equal(out.errand.error, -ENOENT);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(messages[i].msg_len, sizeof(data));
		assert_int_equal(recv(target, bytes, sizeof(bytes), MSG_DONTWAIT), sizeof(data));
	}
	assert_int_equal(recv(target, bytes, sizeof(bytes), MSG_DONTWAIT), -1);
	for (size_t i = 0; i < COUNT; i++) {
		address_count = 0;
		snprintf(name, sizeof(name), "t%zu", i);
		assert_int_equal(link("target", name), 0);
		struct address *to = malloc(sizeof(*to));
		*to = *add_path(name);
		to->bytes = to->raw;
		make_message(&messages[i], iov[i], to);
	}
	const uint64_t all[6] = {(uint64_t)client, (uintptr_t)messages, COUNT, MSG_DONTWAIT};
	outcome_release(&out);
	outcome_init(&out);
	op_begin(the_op, view.view, &fake.caller, SYS_sendmmsg);
	assert_int_equal(handle_sendmmsg(the_op, SYS_sendmmsg, all, &out), 0);
	assert_int_equal(out.errand.messages->count, 64);
	for (size_t i = 0; i < COUNT; i++)
		free((char *)messages[i].msg_hdr.msg_name - offsetof(struct address, raw));
	close(client);
	close(target);
	end();
}

/* A write to a socket whose other side is shut raises a signal in the caller, so the caller does it. */
static void signals_are_the_callers(void **state)
{
	struct address none = {.len = 0};

	(void)state;
	begin(bystanders);
	int client = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(9)};
	assert_int_equal(connect(client, (struct sockaddr *)&name, sizeof(name)), 0);
	assert_int_equal(shutdown(client, SHUT_WR), 0);
	assert_int_equal(messaging(viewed, client, &none), -EPIPE);
	assert_int_equal(out.kind, OUT_VALUE); /* MSG_NOSIGNAL */
	struct mmsghdr message;
	struct iovec iov[2];
	make_message(&message, iov, &none);
	const uint64_t args[6] = {(uint64_t)client, (uintptr_t)&message.msg_hdr, 0};
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(viewed(SYS_sendmsg, args), -EPIPE);
	assert_int_equal(out.kind, OUT_ERRAND);
	signal(SIGPIPE, SIG_DFL);
	close(client);
	end();
}

static int tests(void)
{
	prctl(PR_SET_DUMPABLE, 1);
	outcome_init(&out);
	const struct CMUnitTest list[] = {
		cmocka_unit_test(as_the_kernel),
		cmocka_unit_test(connected),
		cmocka_unit_test(binding_as_the_kernel),
		cmocka_unit_test(bound_twice),
		cmocka_unit_test(rules),
		cmocka_unit_test(no_path_is_passed_on),
		cmocka_unit_test(two_datagrams),
		cmocka_unit_test(many_datagrams),
		cmocka_unit_test(signals_are_the_callers),
	};
	return cmocka_run_group_tests_name("socket", list, NULL, NULL);
}

int main(void)
{
	return fixture_main(tests);
}
