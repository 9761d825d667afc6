/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the programs of a view did with which path, for `scrim learn`. Successful calls only: what is not there needs no rule.
 * Memory is bounded: paths beyond RECORD_PATHS_MAX are counted, not kept. Thread-safe.
 */
#pragma once

#include <stdint.h>

#include "intercept/filter/syscalls.h"
#include "vfs/op.h"

#define RECORD_PATHS_MAX (1u << 20)

enum record_use {
	USE_LOOKED = 1u << 0, /* stat, access, readlink, getxattr, chdir... */
	USE_READ = 1u << 1,
	USE_LISTED = 1u << 2,
	USE_EXECUTED = 1u << 3,
	USE_WRITTEN = 1u << 4, /* opened for writing, truncated, its metadata changed */
	USE_CREATED = 1u << 5, /* the name */
	USE_REMOVED = 1u << 6, /* the name, also by a rename */
	USE_CONNECTED = 1u << 7,
};

struct record;

int record_new(struct record **ret);
struct record *record_free(struct record *record);

/* Before a call is served: what the walks of OP still say of an earlier one is forgotten. */
void record_begin(struct op *op);
/* HANDLER has succeeded for OP. */
void record_note(struct record *record, enum handler handler, const struct op *op);

/*
 * Write it to FD: for each path "USES PATH" and a NUL, USES in decimal; at the end how many are missing as "dropped N" and a
 * NUL. 0 or a negative errno.
 */
int record_write(struct record *record, int fd);
