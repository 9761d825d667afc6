/* SPDX-License-Identifier: Apache-2.0 */
/* Names of descriptors: "/proc/self/fd/N", and the path that the kernel gives for what they refer to. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FD_NAME_MAX 32

/* Write "/proc/self/fd/FD" into NAME and return it. */
const char *fd_name(int fd, char name[FD_NAME_MAX]);

/*
 * The same for the calls that take a directory: "N" into NAME, and in *RET_DIR the descriptor of /proc/self/fd where
 * it is to be looked up: three components that the kernel need not walk. Without one (no descriptor free) the long
 * name and AT_FDCWD.
 */
const char *fd_name_at(int fd, char name[FD_NAME_MAX], int *ret_dir);

/*
 * The path of what FD refers to: readlink of /proc/self/fd/FD into PATH (CAP bytes, NUL-terminated). *RET_DETACHED
 * says that no path leads there: deleted, memfd, pipe, socket, unreachable; PATH then holds the kernel's text.
 * Returns the length or a negative errno (-ENAMETOOLONG).
 */
int fd_path(int fd, char *path, size_t cap, bool *ret_detached);

/* The id of the mount that FD was reached through (statx(2)); 0 where the kernel does not say (before 5.8). */
uint64_t fd_mount(int fd);

/* The file system or mount that FD was reached through is really read-only, whatever the rules say. */
bool fd_readonly(int fd);
