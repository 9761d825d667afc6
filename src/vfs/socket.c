/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls on sockets that carry an address (net/socket.c, net/unix/af_unix.c). The address is read once. Names in the
 * file system are resolved here; the caller itself then makes its call, on the object or on our copy of the address,
 * so that peers see its credentials and it blocks and is interrupted natively.
 *
 * A name is only looked up by some sockets. For the others the copy that the kernel gets has the first byte of the
 * name cleared: same family and length, so the same answer, and no path should a sibling thread exchange the
 * descriptor meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "vfs/judge.h"
#include "vfs/ops.h"
#include "vfs/still.h"

#ifndef MSG_ZEROCOPY
#define MSG_ZEROCOPY 0x4000000
#endif
#define MSG_CMSG_COMPAT 0x80000000u
#define MESSAGES_MAX 1024 /* UIO_MAXIOV */
#define IOV_USUAL 64 /* longer vectors are left to the caller itself */
#define DATA_MAX ((size_t)64 * 1024)
#define PATH_AT offsetof(struct sockaddr_un, sun_path)

struct address {
	unsigned len;
	bool path; /* names a socket in the file system */
	union {
		unsigned char bytes[sizeof(struct sockaddr_storage)];
		struct sockaddr any;
		struct sockaddr_un un;
	};
};

/* What the caller's descriptor is. Ours: a copy, so that nobody can exchange it. */
struct endpoint {
	int fd;
	int domain;
	int type;
};

static void endpoint_release(struct endpoint *endpoint)
{
	endpoint->fd = safe_close(endpoint->fd);
}

#define _cleanup_endpoint_ _cleanup_(endpoint_release)

/* Returns 0, -EBADF or -ENOTSOCK; the copy is there in the latter case too. */
static int find_endpoint(struct op *op, uint64_t fd, struct endpoint *ret)
{
	socklen_t len = sizeof(int);
	int error = op->caller->ops->share_fd(op->caller, (int)fd, &ret->fd);

	if (error)
		return error;
	if (getsockopt(ret->fd, SOL_SOCKET, SO_DOMAIN, &ret->domain, &len) < 0 ||
	    getsockopt(ret->fd, SOL_SOCKET, SO_TYPE, &ret->type, &len) < 0)
		return -errno;
	return 0;
}

/* move_addr_to_kernel() */
static int read_address(struct op *op, uint64_t pointer, int len, struct address *ret)
{
	if (len < 0 || (size_t)len > sizeof(ret->bytes))
		return -EINVAL;
	memset(ret, 0, sizeof(*ret));
	ret->len = (unsigned)len;
	if (len && op->caller->ops->read(op->caller, pointer, ret->bytes, (size_t)len) < 0)
		return -EFAULT;
	ret->path = ret->len > PATH_AT && ret->len <= sizeof(ret->un) && ret->un.sun_family == AF_UNIX &&
		    ret->un.sun_path[0];
	return 0;
}

/* The text of the address, which need not end in a NUL, as the op's first path. */
static void take_path(struct op *op, const struct address *address)
{
	size_t len = strnlen(address->un.sun_path, address->len - PATH_AT);

	memcpy(op->text[0], address->un.sun_path, len);
	op->text[0][len] = '\0';
	op->text_len[0] = len;
}

/* unix_find_bsd(): whether it is a socket and may be written is the kernel's to say. Walk 0 holds the object. */
static int find_socket(struct op *op, const struct address *address)
{
	struct walk *walk = &op->walk[0];

	take_path(op, address);
	int error = walk_resolve(op, walk, AT_FDCWD, op->text[0], op->text_len[0], WALK_FOLLOW, 0);
	if (!error)
		error = judge(op, walk, INTENT_CONNECT);
	if (error)
		walk_release(walk);
	return error;
}

/* The caller makes its call NR with ARGS itself, as it was but for the pointer in SLOT_ARG. */
static struct errand *begin_errand(struct outcome *out, int nr, const uint64_t args[6], int slot_arg)
{
	struct errand *errand = &out->errand;

	out->kind = OUT_ERRAND;
	errand->nr = nr;
	memcpy(errand->args, args, sizeof(errand->args));
	errand->object_arg = slot_arg;
	errand->length_arg = -1;
	errand->may_block = true;
	return errand;
}

static void append_address(struct slot_bytes *bytes, const struct address *address)
{
	memcpy(bytes->data + bytes->len, address->bytes, address->len);
	if (address->path)
		bytes->data[bytes->len + PATH_AT] = 0;
	bytes->len += address->len;
}

/* On our copy of the address; a name that no socket of this kind looks up is no name any more. */
static int address_errand(int nr, const uint64_t args[6], int slot_arg, const struct address *address,
			  struct outcome *out)
{
	struct errand *errand = begin_errand(out, nr, args, slot_arg);

	errand->verbatim = true;
	append_address(&errand->bytes, address);
	return 0;
}

/* On the object that walk 0 holds. */
static int object_errand(struct op *op, int nr, const uint64_t args[6], int slot_arg, int length_arg,
			 struct outcome *out)
{
	struct errand *errand = begin_errand(out, nr, args, slot_arg);

	errand->sockaddr = true;
	errand->length_arg = length_arg;
	out->fd = steal_fd(&op->walk[0].fd);
	return 0;
}

int vfs_connect(struct op *op, const uint64_t args[6], struct outcome *out)
{
	_cleanup_endpoint_ struct endpoint endpoint = {.fd = -EBADF};
	struct address address;

	int error = read_address(op, args[1], (int)args[2], &address);
	if (!error && !address.path)
		return address_errand(SYS_connect, args, 1, &address, out);
	int found = find_endpoint(op, args[0], &endpoint);
	if (found == -EBADF)
		return found;
	if (error || found)
		return error ? error : found;
	if (endpoint.domain != AF_UNIX)
		return address_errand(SYS_connect, args, 1, &address, out);
	error = find_socket(op, &address);
	return error ? error : object_errand(op, SYS_connect, args, 1, 2, out);
}

/* ---- bind ---- */

/* May the name be made? As filename_create() says it, with the rules in between. */
static int check_name(struct op *op, const struct walk *walk)
{
	bool shown = walk->verdict.visibility == VIS_SHOW || walk->verdict.visibility == VIS_WAY;

	if (walk->last != LAST_NAME)
		return -EADDRINUSE;
	if (shown && walk->exists)
		return -EADDRINUSE;
	if (walk->slash)
		return -ENOENT;
	return judge(op, walk, INTENT_CREATE);
}

/* Whether TEXT's directory, looked up from BASE, is the one that was judged. Magic links could change meanwhile. */
static bool leads_to(int base, const char *text, int parent_fd)
{
	struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_NO_MAGICLINKS};
	char dir[sizeof(((struct sockaddr_un *)NULL)->sun_path) + 1];
	const char *slash = strrchr(text, '/');
	struct stat found, wanted;

	memcpy(dir, text, (size_t)(slash - text) + 1);
	dir[slash - text + 1] = '\0';
	_cleanup_close_ int fd = (int)syscall(SYS_openat2, base, dir, &how, sizeof(how));
	return fd >= 0 && fstat(fd, &found) == 0 && fstat(parent_fd, &wanted) == 0 && found.st_dev == wanted.st_dev &&
	       found.st_ino == wanted.st_ino;
}

/*
 * The socket keeps the text it is bound by: getsockname says it, and peers send their answers to it. A text with
 * slashes is used as it is where it leads to the judged directory while names stand still; else only the last name
 * remains, bound from its directory. The worker's working directory and umask are its own.
 */
static int bind_at(int socket, const struct walk *walk, int base, const char *text)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};

	bool whole = strchr(text, '/') && leads_to(base, text, walk->parent_fd);
	const char *bytes = whole ? text : walk->name;
	size_t len = strlen(bytes);

	memcpy(name.sun_path, bytes, len);
	if (fchdir(whole ? base : walk->parent_fd) < 0)
		return -errno;
	/* All 108 bytes may be name. */
	len += len < sizeof(name.sun_path);
	return bind(socket, (struct sockaddr *)&name, (socklen_t)(PATH_AT + len)) < 0 ? -errno : 0;
}

static int bind_in_parent(struct op *op, int socket, const struct walk *walk)
{
	_cleanup_close_ int cwd = -EBADF;

	int error = op_take_umask(op);
	if (!error && op->text[0][0] != '/')
		error = op->caller->ops->open_cwd(op->caller, &cwd);
	if (!error)
		error = op->caller->ops->validate(op->caller);
	if (error)
		return error;
	still_begin();
	error = bind_at(socket, walk, cwd >= 0 ? cwd : op->view->root_fd, op->text[0]);
	still_end();
	/* Where a worker stands matters to nobody, but it must not keep the directory busy. */
	(void)!fchdir(op->view->root_fd);
	return error;
}

static int bind_path(struct op *op, int socket, const struct address *address)
{
	struct walk *walk = &op->walk[0];

	take_path(op, address);
	int error = walk_resolve(op, walk, AT_FDCWD, op->text[0], op->text_len[0], WALK_PARENT | WALK_LAST_UNJUDGED, 0);
	if (error)
		return error;
	error = check_name(op, walk);
	if (!error)
		error = bind_in_parent(op, socket, walk);
	walk_release(walk);
	return error;
}

int vfs_bind(struct op *op, const uint64_t args[6], struct outcome *out)
{
	_cleanup_endpoint_ struct endpoint endpoint = {.fd = -EBADF};
	struct address address;

	int error = find_endpoint(op, args[0], &endpoint);
	if (!error)
		error = read_address(op, args[1], (int)args[2], &address);
	if (error)
		return error;
	/* Netlink takes the port number from whoever binds; of others nothing is known. */
	bool impersonal = endpoint.domain == AF_UNIX || endpoint.domain == AF_INET || endpoint.domain == AF_INET6;
	if (!impersonal)
		return address_errand(SYS_bind, args, 1, &address, out);
	if (endpoint.domain == AF_UNIX && address.path) {
		error = bind_path(op, endpoint.fd, &address);
	} else {
		error = op->caller->ops->validate(op->caller);
		if (!error && bind(endpoint.fd, &address.any, address.len) < 0)
			error = -errno;
	}
	return error ? error : outcome_value(out, 0);
}

/* ---- sending ---- */

/* Sockets whose datagrams do not say who sent them: we can send in the caller's stead, if it does not block. */
static bool sends_impersonally(const struct endpoint *endpoint, unsigned flags)
{
	return (endpoint->domain == AF_INET || endpoint->domain == AF_INET6) && endpoint->type == SOCK_DGRAM &&
	       !(flags & (MSG_ZEROCOPY | MSG_FASTOPEN));
}

/* Names in the file system are looked up by datagram sockets; the others ignore or refuse any name unseen. */
static bool looks_up(const struct endpoint *endpoint)
{
	return endpoint->domain == AF_UNIX && endpoint->type == SOCK_DGRAM;
}

/*
 * Send LEN bytes in the op's first scratch. Returns 0 with *RET_SENT, a negative errno that is the caller's, or 1 when
 * the caller has to do it itself: it would block, or get a signal.
 */
static int send_for_caller(struct op *op, const struct endpoint *endpoint, const struct address *address, size_t len,
			   unsigned flags, ssize_t *ret_sent)
{
	const struct sockaddr *to = address->len ? &address->any : NULL;

	int error = op->caller->ops->validate(op->caller);
	if (error)
		return error;
	ssize_t n = sendto(endpoint->fd, op->scratch[0], len, (int)(flags | MSG_DONTWAIT | MSG_NOSIGNAL), to,
			   address->len);
	if (n >= 0) {
		*ret_sent = n;
		return 0;
	}
	if (errno == EINTR || (errno == EPIPE && !(flags & MSG_NOSIGNAL)))
		return 1;
	if (errno == EAGAIN && !(flags & MSG_DONTWAIT) && !(fcntl(endpoint->fd, F_GETFL) & O_NONBLOCK))
		return 1;
	return -errno;
}

int vfs_sendto(struct op *op, const uint64_t args[6], struct outcome *out)
{
	_cleanup_endpoint_ struct endpoint endpoint = {.fd = -EBADF};
	unsigned flags = (unsigned)args[3];
	struct address address;
	ssize_t sent = 0;

	/* No address: registers alone say so, and the rest is data. */
	if (args[4] == 0 || (int)args[5] == 0) {
		out->kind = OUT_CONTINUE;
		return 0;
	}
	int error = find_endpoint(op, args[0], &endpoint);
	if (!error)
		error = read_address(op, args[4], (int)args[5], &address);
	if (error)
		return error;
	if (address.path && looks_up(&endpoint)) {
		error = find_socket(op, &address);
		return error ? error : object_errand(op, SYS_sendto, args, 4, 5, out);
	}
	if (sends_impersonally(&endpoint, flags) && args[2] <= DATA_MAX &&
	    op->caller->ops->read(op->caller, args[1], op->scratch[0], args[2]) == 0) {
		error = send_for_caller(op, &endpoint, &address, args[2], flags, &sent);
		if (error <= 0)
			return error ? error : outcome_value(out, sent);
	}
	return address_errand(SYS_sendto, args, 4, &address, out);
}

/* copy_msghdr_from_user() */
static int read_message(struct op *op, uint64_t pointer, struct msghdr *ret_header, struct address *ret_address)
{
	struct msghdr header;

	if (op->caller->ops->read(op->caller, pointer, &header, sizeof(header)) < 0)
		return -EFAULT;
	int len = header.msg_name ? (int)header.msg_namelen : 0;
	if (len > (int)sizeof(ret_address->bytes))
		len = (int)sizeof(ret_address->bytes);
	int error = read_address(op, (uintptr_t)header.msg_name, len, ret_address);
	if (error)
		return error;
	header.msg_name = NULL;
	header.msg_namelen = (socklen_t)len;
	*ret_header = header;
	return 0;
}

/*
 * The caller sends the message itself: to the socket that walk 0 holds, or on our copy of the address. COUNT_AT: for
 * sendmmsg, where the count of bytes goes.
 */
static int message_errand(struct op *op, const uint64_t args[6], unsigned flags, const struct msghdr *header,
			  const struct address *address, bool object, uint64_t count_at, struct outcome *out)
{
	const uint64_t own_args[6] = {args[0], 0, flags};
	struct errand *errand = begin_errand(out, SYS_sendmsg, own_args, 1);

	errand->message = true;
	errand->count_at = count_at;
	memcpy(errand->bytes.data, header, sizeof(*header));
	errand->bytes.len = sizeof(*header);
	if (object)
		out->fd = steal_fd(&op->walk[0].fd);
	else
		append_address(&errand->bytes, address);
	return 0;
}

/* Gather the message's data in the op's first scratch. False: not the usual case. */
static bool gather(struct op *op, const struct msghdr *header, size_t *ret_len)
{
	struct iovec iov[IOV_USUAL];
	size_t len = 0;

	if (header->msg_iovlen > ARRAY_LEN(iov) || header->msg_controllen)
		return false;
	if (op->caller->ops->read(op->caller, (uintptr_t)header->msg_iov, iov, header->msg_iovlen * sizeof(*iov)) < 0)
		return false;
	for (size_t i = 0; i < header->msg_iovlen; i++) {
		if (iov[i].iov_len > DATA_MAX - len)
			return false;
		if (op->caller->ops->read(op->caller, (uintptr_t)iov[i].iov_base, op->scratch[0] + len,
					  iov[i].iov_len) < 0)
			return false;
		len += iov[i].iov_len;
	}
	*ret_len = len;
	return true;
}

/* One message. COUNT_AT as in message_errand(); *RET_SENT is set when OUT holds no errand. */
static int send_message(struct op *op, const struct endpoint *endpoint, const uint64_t args[6], uint64_t pointer,
			unsigned flags, uint64_t count_at, struct outcome *out, ssize_t *ret_sent)
{
	struct msghdr header;
	struct address address;
	size_t len = 0;

	int error = read_message(op, pointer, &header, &address);
	if (error)
		return error;
	if (address.path && looks_up(endpoint)) {
		error = find_socket(op, &address);
		return error ? error : message_errand(op, args, flags, &header, &address, true, count_at, out);
	}
	if (sends_impersonally(endpoint, flags) && gather(op, &header, &len)) {
		error = send_for_caller(op, endpoint, &address, len, flags, ret_sent);
		if (error <= 0)
			return error;
	}
	return message_errand(op, args, flags, &header, &address, false, count_at, out);
}

/*
 * sendmmsg(2): what can be sent in the caller's stead is, one after the other. Otherwise its first message becomes a
 * sendmsg of the caller's own and the call returns 1, as it may.
 */
static int send_messages(struct op *op, const struct endpoint *endpoint, const uint64_t args[6], struct outcome *out)
{
	unsigned count = (unsigned)args[2] < MESSAGES_MAX ? (unsigned)args[2] : MESSAGES_MAX;
	unsigned sent = 0;
	int error = 0;

	for (; sent < count && !error; sent++) {
		uint64_t pointer = args[1] + sent * sizeof(struct mmsghdr);
		uint64_t count_at = pointer + offsetof(struct mmsghdr, msg_len);
		ssize_t bytes = 0;

		error = send_message(op, endpoint, args, pointer, (unsigned)args[3], count_at, out, &bytes);
		if (error)
			break;
		if (out->kind == OUT_ERRAND) {
			if (sent == 0)
				return 0;
			/* Only the first may be the caller's: what has been sent is not sent again. */
			outcome_release(out);
			outcome_init(out);
			break;
		}
		uint32_t number = (uint32_t)bytes;
		error = op->caller->ops->write(op->caller, count_at, &number, sizeof(number));
		if (error)
			break;
	}
	return sent || !error ? outcome_value(out, sent) : error;
}

int vfs_sendmsg(struct op *op, int nr, const uint64_t args[6], struct outcome *out)
{
	_cleanup_endpoint_ struct endpoint endpoint = {.fd = -EBADF};
	unsigned flags = (unsigned)(nr == SYS_sendmmsg ? args[3] : args[2]);
	ssize_t sent = 0;

	if (flags & MSG_CMSG_COMPAT)
		return -EINVAL;
	int error = find_endpoint(op, args[0], &endpoint);
	if (error)
		return error;
	if (nr == SYS_sendmmsg)
		return send_messages(op, &endpoint, args, out);
	error = send_message(op, &endpoint, args, args[1], flags, 0, out, &sent);
	if (error || out->kind == OUT_ERRAND)
		return error;
	return outcome_value(out, sent);
}
