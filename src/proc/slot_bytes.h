/* SPDX-License-Identifier: Apache-2.0 */
/* What a caller's pointer led to, copied once, for a system call that the caller itself must make on the copy. */
#pragma once

#include <sys/socket.h>

#define SLOT_BYTES_MAX (sizeof(struct msghdr) + sizeof(struct sockaddr_storage))

struct slot_bytes {
	unsigned len;
	unsigned char data[SLOT_BYTES_MAX];
};
