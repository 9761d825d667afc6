/* SPDX-License-Identifier: Apache-2.0 */
/* The mounts that this process sees: /proc/self/mountinfo (proc(5)). */
#pragma once

#include <stddef.h>
#include <stdbool.h>
#include <sys/types.h>

struct mount {
	dev_t device;     /* as stat(2) says it of what is on it; not on file systems with devices of their own kind (btrfs) */
	const char *path; /* where it is */
	const char *type; /* "ext4", "fuse.sshfs" */
};

/* Call EACH for every mount, in the kernel's order, until it returns other than 0. Returns that, 0, or a negative errno. */
int mounts_each(int (*each)(const struct mount *mount, void *data), void *data);

/* Is TYPE what NAME means: the same, or with something behind a dot ("fuse" means "fuse.sshfs", too)? */
bool mount_type_is(const char *type, const char *name);
