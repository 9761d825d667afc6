/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Directories deeper than PATH_MAX: no call tells their path, and programs work there by relative names (rm -r, find).
 *
 * The matcher's state is found by climbing with ".." to the first directory whose path the kernel can tell; when rules
 * can still match below that one, the names in between are read from the directories on the way.
 */
#pragma once

#include <stddef.h>

#include "vfs/policy/policy.h"

/*
 * State of the directory FD, and in PATH (CAP bytes, NUL-terminated, length in *RET_LEN) what can be told of its place:
 * the path of a directory far above and "/...". Returns 0 or a negative errno: -ENAMETOOLONG where FD is no directory,
 * more than 4096 levels too deep, or a directory on the way cannot be read and a rule might match its names.
 */
int deep_place(const struct policy *policy, int fd, struct match_state *ret, char *path, size_t cap, size_t *ret_len);
