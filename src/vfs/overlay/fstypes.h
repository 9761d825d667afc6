/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fstype rules: everything on file systems of a type, judged on the object by its device number, wherever it is mounted and
 * whenever it came. (What is mounted at the start is known to the policy by its path, too, so that listings and new names
 * agree.) Which device has which type is asked of mountinfo and remembered until some mount changes. Thread-safe.
 */
#pragma once

#include <sys/types.h>

#include "vfs/policy/policy.h"

struct fstypes;

/* *RET is NULL when the policy has no such rule. 0 or a negative errno. */
int fstypes_new(const struct policy *policy, struct fstypes **ret);
struct fstypes *fstypes_free(struct fstypes *fstypes);

/* Lay the rules for the file system DEVICE over VERDICT (later rule wins). FSTYPES may be NULL. */
void fstypes_apply(struct fstypes *fstypes, dev_t device, struct verdict *verdict);
