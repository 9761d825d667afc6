/* SPDX-License-Identifier: Apache-2.0 */
/* Random system calls: what their arguments are made of. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FUZZ_ARENA (256UL << 10) /* what the kernel writes to */
#define FUZZ_TEXT (64UL << 10)	 /* what it reads: paths, names, structures */
#define FUZZ_MEMORY (64UL << 12) /* what mmap and its kin work on */
#define FUZZ_MEMORY_AT 0x10000000000UL

enum fuzz_kind {
	F_NONE,
	F_ZERO,
	F_PATH,
	F_FD,	 /* any descriptor */
	F_DIRFD, /* for paths: rather the working directory */
	F_OUT,
	F_SIZE,
	F_OFFSET,
	F_MODE,
	F_BITS,	  /* random ones of PARAM */
	F_CHOICE, /* one of the longs at LIST, PARAM of them */
	F_BELOW,  /* a number below PARAM */
	F_TIMES,  /* NULL or two timespecs */
	F_ADDRESS,
	F_ADDRESS_LENGTH,
	F_XATTR,
	F_BYTES,   /* whatever lies in the text */
	F_IOVEC,   /* two parts of the arena */
	F_MESSAGE, /* a msghdr of them, with an address perhaps */
	F_HOW,	   /* an open_how */
	F_MEMORY,  /* an address in the memory to work on */
	F_PID,
	F_SIGNAL,
	F_ARGV,
	F_HANDLE, /* a file_handle, as one that was written there */
	F_CREATE, /* as F_PATH, a name that is not there rather */
	F_LIMIT,
	F_CONST,
};

struct fuzz_arg {
	enum fuzz_kind kind;
	long param;
	const long *list;
};

enum fuzz_flag {
	FUZZ_SIGN = 1,	  /* of what it returns only whether it failed, and how */
	FUZZ_REFUSED = 2, /* not natively the same: not compared */
	FUZZ_CHILD = 4,	  /* returns twice */
	FUZZ_EXEC = 8,	  /* made in a child */
	FUZZ_MAPS = 16,	  /* returns an address */
	FUZZ_LOOSE = 32,  /* decided by time: that it was made is told, not how it ended */
};

struct fuzz_call {
	const char *name;
	long nr;
	unsigned weight;
	unsigned flags;
	struct fuzz_arg args[6];
};

extern const struct fuzz_call fuzz_calls[];
extern const size_t fuzz_call_count;

struct fuzz {
	uint64_t random;
	const char *tree; /* its absolute name */
	char *arena, *text;
	size_t used; /* of the text */
	int last_fd;
	bool leak; /* paths rather lead to what is hidden */
};

uint64_t fuzz_random(struct fuzz *fuzz);
uint64_t fuzz_below(struct fuzz *fuzz, uint64_t limit);
/* The arguments of one CALL. */
void fuzz_arguments(struct fuzz *fuzz, const struct fuzz_call *call, uint64_t args[6]);
