/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Twins: two directories with the same content, one used by the kernel's calls and one through the view's handlers.
 * The same call with the same arguments must give the same answer and leave the same tree.
 */
#pragma once

#include <stdint.h>

#include "fake_caller.h"
#include "intercept/handlers.h"
#include "view_fixture.h"

struct twin_call {
	int nr;
	handler_fn handler;
};

#define TWIN_FDS 8

struct twin {
	const char *base;
	char native[160], inside[160];
	int fds[2][TWIN_FDS]; /* [0] native, [1] inside; -EBADF where none */
	const struct twin_call *calls;
	struct fixture fixture;
	struct fake_caller fake;
	struct op *op;
	unsigned mediated; /* calls answered by handlers */
	unsigned open_before;
};

/* As an argument: the descriptor in slot I of whichever side makes the call. */
#define TWIN_FD(i) (0x7717000000000000ull | (uint64_t)(i))
/* Something in the upper half of an int argument: it has to be ignored. */
#define JUNK(i) (0xdeadbeef00000000ull | (uint32_t)(i))

/* A view of RULES (`@` is BASE) over BASE/inside. CALLS ends with handler NULL. */
void twin_begin(struct twin *t, const char *base, const char *const *rules, const struct twin_call *calls);
/* No descriptor may have been left open. */
void twin_end(struct twin *t);

/* The same on both sides, relative to each. */
void twin_mkdir(struct twin *t, const char *name, mode_t mode);
void twin_file(struct twin *t, const char *name, const char *content);
void twin_symlink(struct twin *t, const char *target, const char *name);
void twin_link(struct twin *t, const char *from, const char *name);
void twin_mode(struct twin *t, const char *name, mode_t mode);
void twin_open(struct twin *t, int slot, const char *name, int flags);

/* The result, or a negative errno. */
long twin_native_(struct twin *t, int nr, const uint64_t args[6]);
long twin_inside_(struct twin *t, int nr, const uint64_t args[6]);
long twin_same_(struct twin *t, const char *what, int nr, const uint64_t args[6]);
void twin_compare(struct twin *t, const char *what);

#define TWIN_ARGS(...) ((const uint64_t[6]){__VA_ARGS__})
#define P(text) ((uint64_t)(uintptr_t)(text))
#define twin_native(t, nr, ...) twin_native_(t, nr, TWIN_ARGS(__VA_ARGS__))
#define twin_inside(t, nr, ...) twin_inside_(t, nr, TWIN_ARGS(__VA_ARGS__))
/* Both, asserted equal, and the trees too; returns the common result. */
#define twin_same(t, nr, ...) twin_same_(t, #nr "(" #__VA_ARGS__ ")", nr, TWIN_ARGS(__VA_ARGS__))
