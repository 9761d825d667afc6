/* SPDX-License-Identifier: Apache-2.0 */
/* Sending to an address (net/socket.c, net/unix/af_unix.c); what socket.c says of addresses holds here. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/syscall.h>

#include "proc/messages.h"
#include "vfs/address.h"

#ifndef MSG_ZEROCOPY
#define MSG_ZEROCOPY 0x4000000
#endif
#define MSG_CMSG_COMPAT 0x80000000u
#define MESSAGES_MAX 1024 /* UIO_MAXIOV */
#define OBJECTS_MAX 64 /* so many different names are looked up for one sendmmsg */
#define IOV_USUAL 64 /* longer vectors are left to the caller itself */
#define DATA_MAX ((size_t)64 * 1024)

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

/* copy_msghdr_from_user() */
static int read_message(struct op *op, uint64_t pointer, struct msghdr *ret_header, struct address *ret_address)
{
	struct msghdr header;

	if (op->caller->ops->read(op->caller, pointer, &header, sizeof(header)) < 0)
		return -EFAULT;
	int len = header.msg_name ? (int)header.msg_namelen : 0;
	if (len > (int)sizeof(ret_address->bytes))
		len = (int)sizeof(ret_address->bytes);
	int error = address_read(op, (uintptr_t)header.msg_name, len, ret_address);
	if (error)
		return error;
	header.msg_name = NULL;
	header.msg_namelen = (socklen_t)len;
	*ret_header = header;
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

/* ---- messages that the caller sends itself ---- */

struct list {
	struct op *op;
	const struct endpoint *endpoint;
	struct messages *messages;
	unsigned objects;
	struct address address; /* of the last message */
};

/* How much of the message the kernel takes at most; less than that and the next ones are not tried. */
static size_t length_of(struct op *op, const struct msghdr *header)
{
	struct iovec iov;
	size_t len = 0;

	if (header->msg_iovlen > IOV_MAX)
		return 0;
	if (op->caller->ops->read(op->caller, (uintptr_t)header->msg_iov, op->scratch[0],
				  header->msg_iovlen * sizeof(iov)) < 0)
		return 0;
	for (size_t i = 0; i < header->msg_iovlen; i++) {
		memcpy(&iov, op->scratch[0] + i * sizeof(iov), sizeof(iov));
		len += iov.iov_len;
	}
	return len;
}

/* The object of ADDRESS, which follows LAST in the list (NULL: it is the first). */
static void find_object(struct list *list, const struct address *address, const struct message *last,
			struct message *ret)
{
	const struct address *before = &list->address;

	ret->names = true;
	if (last && last->names && before->len == address->len && memcmp(before->bytes, address->bytes, address->len) == 0) {
		ret->fd = last->fd;
		return;
	}
	ret->error = address_find_socket(list->op, address);
	if (ret->error)
		return;
	ret->fd = steal_fd(&list->op->walk[0].fd);
	ret->owned = true;
	list->objects++;
}

/* Add the message at POINTER. Returns 0, or the error with which reading it fails; -E2BIG: no room. */
static int add_message(struct list *list, uint64_t pointer, uint64_t count_at)
{
	struct messages *messages = list->messages;
	struct message *message = &messages->item[messages->count];
	struct address address;
	struct msghdr header;

	if (list->objects == OBJECTS_MAX)
		return -E2BIG;
	int error = read_message(list->op, pointer, &header, &address);
	if (error)
		return error;
	memset(message, 0, sizeof(*message));
	message->fd = -EBADF;
	message->count_at = count_at;
	memcpy(message->bytes.data, &header, sizeof(header));
	message->bytes.len = sizeof(header);
	if (messages->counted && list->endpoint->type == SOCK_STREAM)
		message->whole = length_of(list->op, &header);
	if (address.path && looks_up(list->endpoint))
		find_object(list, &address, messages->count ? message - 1 : NULL, message);
	else
		address_append(&message->bytes, &address);
	list->address = address;
	messages->count++;
	return 0;
}

/* The caller sends MESSAGES. Only the last can be one whose name was not found. */
static int messages_errand(const uint64_t args[6], unsigned flags, struct messages *messages, struct outcome *out)
{
	const uint64_t own_args[6] = {args[0], 0, flags};
	struct errand *errand = errand_begin(out, SYS_sendmsg, own_args, 1);

	errand->messages = messages;
	errand->error = messages->item[messages->count - 1].error;
	return 0;
}

/* ---- the calls ---- */

#define MAX_RW_COUNT 0x7ffff000UL /* linux/fs.h: more is cut to that */

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
	/* net/socket.c, __sys_sendto(): data in the kernel's half is told before the descriptor is looked at. */
	if ((int64_t)args[1] < 0 || args[1] + (args[2] < MAX_RW_COUNT ? args[2] : MAX_RW_COUNT) > INT64_MAX)
		return -EFAULT;
	int error = endpoint_find(op, args[0], &endpoint);
	if (!error)
		error = address_read(op, args[4], (int)args[5], &address);
	if (error)
		return error;
	if (address.path && looks_up(&endpoint)) {
		error = address_find_socket(op, &address);
		return errand_on_object(op, SYS_sendto, args, 4, 5, error, out);
	}
	if (sends_impersonally(&endpoint, flags) && args[2] <= DATA_MAX &&
	    op->caller->ops->read(op->caller, args[1], op->scratch[0], args[2]) == 0) {
		error = send_for_caller(op, &endpoint, &address, args[2], flags, &sent);
		if (error <= 0)
			return error ? error : outcome_value(out, sent);
	}
	return errand_on_address(SYS_sendto, args, 4, &address, out);
}

/* Send the message at POINTER in the caller's stead. Returns 0, its error, or 1: the caller has to do it. */
static int send_message(struct op *op, const struct endpoint *endpoint, uint64_t pointer, unsigned flags,
			ssize_t *ret_sent)
{
	struct address address;
	struct msghdr header;
	size_t len = 0;

	if (!sends_impersonally(endpoint, flags))
		return 1;
	int error = read_message(op, pointer, &header, &address);
	if (error)
		return error;
	if (!gather(op, &header, &len))
		return 1;
	return send_for_caller(op, endpoint, &address, len, flags, ret_sent);
}

static int send_one(struct op *op, const struct endpoint *endpoint, const uint64_t args[6], struct outcome *out)
{
	unsigned flags = (unsigned)args[2];
	ssize_t sent = 0;

	int error = send_message(op, endpoint, args[1], flags, &sent);
	if (error <= 0)
		return error ? error : outcome_value(out, sent);
	struct messages *messages = messages_new(1);
	if (!messages)
		return -ENOMEM;
	struct list list = {.op = op, .endpoint = endpoint, .messages = messages};
	error = add_message(&list, args[1], 0);
	if (error) {
		messages_free(messages);
		return error;
	}
	return messages_errand(args, flags, messages, out);
}

/* sendmmsg(2): what can be sent in the caller's stead is, one after the other; the rest it sends itself. */
static int send_many(struct op *op, const struct endpoint *endpoint, const uint64_t args[6], struct outcome *out)
{
	unsigned count = (unsigned)args[2] < MESSAGES_MAX ? (unsigned)args[2] : MESSAGES_MAX;
	unsigned flags = (unsigned)args[3];
	unsigned sent = 0;
	int error = 0;

	for (; sent < count; sent++) {
		uint64_t pointer = args[1] + sent * sizeof(struct mmsghdr);
		ssize_t bytes = 0;

		error = send_message(op, endpoint, pointer, flags, &bytes);
		if (error)
			break;
		uint32_t number = (uint32_t)bytes;
		error = op->caller->ops->write(op->caller, pointer + offsetof(struct mmsghdr, msg_len), &number,
					       sizeof(number));
		if (error)
			break;
	}
	if (error <= 0)
		return sent || !error ? outcome_value(out, sent) : error;

	struct messages *messages = messages_new(count - sent);
	if (!messages)
		return sent ? outcome_value(out, sent) : -ENOMEM;
	struct list list = {.op = op, .endpoint = endpoint, .messages = messages};
	messages->counted = true;
	messages->before = sent;
	error = 0;
	for (unsigned i = sent; i < count && !error; i++) {
		uint64_t pointer = args[1] + i * sizeof(struct mmsghdr);

		error = add_message(&list, pointer, pointer + offsetof(struct mmsghdr, msg_len));
		if (!error && messages->item[messages->count - 1].error)
			break; /* it will not be sent */
	}
	if (messages->count)
		return messages_errand(args, flags, messages, out);
	messages_free(messages);
	return sent ? outcome_value(out, sent) : error;
}

int vfs_sendmsg(struct op *op, int nr, const uint64_t args[6], struct outcome *out)
{
	_cleanup_endpoint_ struct endpoint endpoint = {.fd = -EBADF};
	unsigned flags = (unsigned)(nr == SYS_sendmmsg ? args[3] : args[2]);

	if (flags & MSG_CMSG_COMPAT)
		return -EINVAL;
	int error = endpoint_find(op, args[0], &endpoint);
	if (error)
		return error;
	return nr == SYS_sendmmsg ? send_many(op, &endpoint, args, out) : send_one(op, &endpoint, args, out);
}
