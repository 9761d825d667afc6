/* SPDX-License-Identifier: Apache-2.0 */
/* What a call on attributes acts on: the object of a path or of a descriptor, or the open file description itself. */
#pragma once

#include "vfs/op.h"

/* The object that a call with DIRFD, op->text[0] and AT_ FLAGS means. 0 or a negative errno. */
int target_find(struct op *op, struct walk *walk, int dirfd, int flags);

/* A copy of the caller's description behind FD, and its status flags; O_PATH descriptors are none: -EBADF. */
int target_share(struct op *op, int fd, int *ret_copy, int *ret_flags);

/*
 * The description behind FD and the object it refers to, the one and the same: another thread of the caller may put
 * something else at that number meanwhile. A descriptor is proof that its object was visible to whoever opened it:
 * only content and writing are left to judge.
 */
int target_description(struct op *op, struct walk *walk, int fd, int *ret_copy, int *ret_flags);

/* The same for calls that only need the object. */
int target_descriptor(struct op *op, struct walk *walk, int fd);
