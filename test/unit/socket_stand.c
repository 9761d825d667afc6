/* SPDX-License-Identifier: Apache-2.0 */
#include "socket_stand.h"

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
#include "intercept/handlers.h"

struct fixture view;
struct fake_caller fake;
struct op *the_op;
struct outcome out;
static char base[100];

void begin(const char *const *rules)
{
	const char *made = fixture_directory(false);

	snprintf(base, sizeof(base), "%s", made);
	assert_int_equal(chdir(base), 0);
	fixture_view(&view, base, rules);
	assert_int_equal(fake_caller_init(&fake, base, 027), 0);
	the_op = malloc(sizeof(*the_op));
	op_init(the_op);
	umask(027);
}

void end(void)
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
long viewed(int nr, const uint64_t args[6])
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

long native(int nr, const uint64_t args[6])
{
	long result = syscall(nr, args[0], args[1], args[2], args[3], args[4], args[5]);

	return result < 0 ? -errno : result;
}

/* ---- kinds of sockets, of addresses, of calls ---- */

const struct kind kinds[KINDS] = {
	{"unix stream", AF_UNIX, SOCK_STREAM},	 {"unix datagram", AF_UNIX, SOCK_DGRAM},
	{"unix raw", AF_UNIX, SOCK_RAW},	 {"unix seqpacket", AF_UNIX, SOCK_SEQPACKET},
	{"tcp", AF_INET, SOCK_STREAM},		 {"udp", AF_INET, SOCK_DGRAM},
	{"udp6", AF_INET6, SOCK_DGRAM},		 {"netlink", AF_NETLINK, SOCK_RAW},
	{"closed", -1, 0},			 {"a directory", -2, 0},
	{"a directory by O_PATH", -3, 0},
};

int open_kind(const struct kind *kind)
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

struct address addresses[64];
size_t address_count;

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

struct address *add_path(const char *path)
{
	size_t len = strlen(path);
	struct address *a = add_address(path, AF_UNIX, (int)(PATH_AT + len + 1));

	assert_true(len <= sizeof(a->un.sun_path));
	memcpy(a->un.sun_path, path, len);
	if (len == sizeof(a->un.sun_path))
		a->len--;
	return a;
}

void add_odd_addresses(void)
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

int make_socket(const char *path, int type, bool listening)
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

int listeners[3];

void make_zoo(void)
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

void drain(void)
{
	char bytes[256];

	while (recv(listeners[1], bytes, sizeof(bytes), MSG_DONTWAIT) >= 0)
		;
}

void lose_zoo(void)
{
	for (size_t i = 0; i < ARRAY_LEN(listeners); i++)
		close(listeners[i]);
}

char data[8] = "message";

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

void make_message(struct mmsghdr *message, struct iovec iov[2], const struct address *a)
{
	memset(message, 0, sizeof(*message));
	iov[0] = (struct iovec){data, 3};
	iov[1] = (struct iovec){data + 3, sizeof(data) - 3};
	message->msg_hdr.msg_name = (void *)(uintptr_t)a->bytes;
	message->msg_hdr.msg_namelen = (socklen_t)a->len;
	message->msg_hdr.msg_iov = iov;
	message->msg_hdr.msg_iovlen = 2;
}

long messaging(call_fn call, int fd, const struct address *a)
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

const struct call_form calls[CALLS] = {{"connect", connecting}, {"sendto", sending}, {"sendmsg", messaging}, {"sendmmsg", messaging_many}};

const char *const bystanders[] = {"hide @/elsewhere", "readonly @/sub", "append **/*.log", NULL};
