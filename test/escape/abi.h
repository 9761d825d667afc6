/* SPDX-License-Identifier: Apache-2.0 */
/* Calls with their arguments by kind, to be made with junk, with bad pointers and with long names. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum abi_kind {
	ABI_NONE, /* the end of the arguments */
	ABI_INT,  /* 32 bits to the kernel */
	ABI_MODE, /* 16 bits */
	ABI_LONG,
	ABI_DIRFD, /* an int: the scene's directory, so that `path` is relative to it */
	ABI_FD,	   /* an int: a file that is open for reading and writing */
	ABI_LIST,  /* an int: a directory that is open for listing */
	ABI_SOCKET,
	ABI_PATH, /* a name in the scene */
	ABI_OUT,  /* a page that the kernel writes to */
	ABI_IN,	  /* LENGTH bytes that the kernel reads */
};

struct abi_arg {
	enum abi_kind kind;
	long value;	  /* of ABI_INT, ABI_MODE, ABI_LONG */
	const void *data; /* of ABI_PATH a string, of ABI_IN the bytes */
	size_t length;
};

struct abi_call {
	const char *name;
	long nr;
	struct abi_arg args[6];
};

extern const struct abi_call abi_calls[];
extern const size_t abi_call_count;
