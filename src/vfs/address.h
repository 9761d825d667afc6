/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the socket calls: addresses as the kernel takes them, what a caller's descriptor is, errands on either. */
#pragma once

#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "vfs/ops.h"

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

void endpoint_release(struct endpoint *endpoint);
#define _cleanup_endpoint_ _cleanup_(endpoint_release)

/* Returns 0, -EBADF or -ENOTSOCK; the copy is there in the latter case too. */
int endpoint_find(struct op *op, uint64_t fd, struct endpoint *ret);

/* Read LEN bytes at POINTER (move_addr_to_kernel()). Returns 0, -EINVAL or -EFAULT. */
int address_read(struct op *op, uint64_t pointer, int len, struct address *ret);
/* The text of the address, which need not end in a NUL, becomes the op's first path. */
void address_take_path(struct op *op, const struct address *address);
/*
 * Look the name up (unix_find_bsd()): whether it is a socket and may be written is the kernel's to say. Returns 0, walk
 * 0 holding the object, or the negative errno of the look-up.
 */
int address_find_socket(struct op *op, const struct address *address);
/* Behind what is in BYTES, as the kernel is to get it: a name in the file system is no name any more. */
void address_append(struct slot_bytes *bytes, const struct address *address);

/* The caller makes its call NR with ARGS itself, as it was but for the pointer in SLOT_ARG. */
struct errand *errand_begin(struct outcome *out, int nr, const uint64_t args[6], int slot_arg);
/* So, with our copy of the address. Returns 0. */
int errand_on_address(int nr, const uint64_t args[6], int slot_arg, const struct address *address,
		      struct outcome *out);
/* So, with the object of walk 0, or after ERROR with a name that leads to nothing. Returns 0. */
int errand_on_object(struct op *op, int nr, const uint64_t args[6], int slot_arg, int length_arg, int error,
		     struct outcome *out);
