/* SPDX-License-Identifier: Apache-2.0 */
/* Messages that a caller is to send itself, one after the other: made by vfs/send.c, carried out by intercept/steer. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "proc/slot_bytes.h"

struct message {
	/* A struct msghdr, its msg_name NULL, and behind it the name as the kernel is to get it (none: no name). */
	struct slot_bytes bytes;
	/*
	 * `names`: the name is an object instead: `fd`, our O_PATH descriptor of a socket. Where the name could not be
	 * looked up `fd` is negative: the kernel gets a name that leads to nothing, and its ENOENT becomes `error`.
	 */
	bool names;
	bool owned; /* `fd` is closed with the list; else it is an earlier message's */
	int fd;
	/* It is /proc/`vault`/fd/`vault_fd` to the caller; 0: /proc/VAULT/fd/`fd` of the usual vault. */
	pid_t vault;
	int vault_fd;
	int error;
	size_t whole; /* a result that is smaller is the last */
	uint64_t count_at; /* sendmmsg: where in the caller the length sent goes, as 32 bits */
};

struct messages {
	bool counted;  /* sendmmsg: the caller's result is how many were sent; else that of the only message */
	unsigned before; /* so many have been sent already */
	unsigned count;
	struct message item[];
};

/* Room for MAX messages, none in it. NULL: no memory. */
struct messages *messages_new(unsigned max);
/* Close what the messages own, free the list (NULL: nothing). Returns NULL. */
struct messages *messages_free(struct messages *messages);
