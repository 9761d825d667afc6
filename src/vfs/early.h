/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel looks at before it reads the path: for decoders whose path could not be read, so that the errors keep
 * their order. Those that check return 0 or a negative errno.
 */
#pragma once

#include "vfs/op.h"

/*
 * rename(2): a last component longer than a name can be is told of only when the name is looked for, after both parents
 * were walked. Cuts op->text[WHICH] to a name that can be walked to; true when there was something to cut.
 */
bool early_cut_name(struct op *op, unsigned which);
/* inotify_add_watch(2): MASK, and FD is an inotify descriptor. */
int early_inotify(struct op *op, int fd, uint32_t mask);
/* setxattr(2) and its kin: flags, name, size, value. */
int early_setxattr(struct op *op, uint64_t name, uint64_t value, uint64_t size, int flags);
/* getxattr(2), removexattr(2): the name. */
int early_xattr_name(struct op *op, uint64_t name);
