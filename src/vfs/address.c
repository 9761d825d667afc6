/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/address.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "vfs/judge.h"

void endpoint_release(struct endpoint *endpoint)
{
	endpoint->fd = safe_close(endpoint->fd);
}

int endpoint_find(struct op *op, uint64_t fd, struct endpoint *ret)
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

int address_read(struct op *op, uint64_t pointer, int len, struct address *ret)
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

void address_take_path(struct op *op, const struct address *address)
{
	size_t len = strnlen(address->un.sun_path, address->len - PATH_AT);

	memcpy(op->text[0], address->un.sun_path, len);
	op->text[0][len] = '\0';
	op->text_len[0] = len;
}

int address_find_socket(struct op *op, const struct address *address)
{
	struct walk *walk = &op->walk[0];

	address_take_path(op, address);
	int error = walk_resolve(op, walk, AT_FDCWD, op->text[0], op->text_len[0], WALK_FOLLOW, 0);
	if (!error)
		error = judge(op, walk, INTENT_CONNECT);
	if (error)
		walk_release(walk);
	return error;
}

void address_append(struct slot_bytes *bytes, const struct address *address)
{
	memcpy(bytes->data + bytes->len, address->bytes, address->len);
	if (address->path)
		bytes->data[bytes->len + PATH_AT] = 0;
	bytes->len += address->len;
}

struct errand *errand_begin(struct outcome *out, int nr, const uint64_t args[6], int slot_arg)
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

int errand_on_address(int nr, const uint64_t args[6], int slot_arg, const struct address *address,
		      struct outcome *out)
{
	struct errand *errand = errand_begin(out, nr, args, slot_arg);

	errand->verbatim = true;
	address_append(&errand->bytes, address);
	return 0;
}

int errand_on_object(struct op *op, int nr, const uint64_t args[6], int slot_arg, int length_arg, int error,
		     struct outcome *out)
{
	struct errand *errand = errand_begin(out, nr, args, slot_arg);

	errand->sockaddr = true;
	errand->length_arg = length_arg;
	errand->error = error;
	out->fd = error ? -EBADF : steal_fd(&op->walk[0].fd);
	return 0;
}
