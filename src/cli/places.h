/* SPDX-License-Identifier: Apache-2.0 */
/* Where a user's things are. */
#pragma once

#include <stddef.h>

/* The user's home: HOME, or what the password file says. NULL where neither does. */
const char *home_directory(void);

/* $XDG_CONFIG_HOME/scrim/BELOW (~/.config). 0, -ENOENT when nothing says where, -ENAMETOOLONG. */
int config_path(const char *below, char *ret_path, size_t size);

/* $XDG_STATE_HOME/scrim/BELOW (~/.local/state). The same. */
int state_path(const char *below, char *ret_path, size_t size);
