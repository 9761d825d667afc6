/* SPDX-License-Identifier: Apache-2.0 */
/* What the program finds at STATE_PATH: the view it is in, as JSON. */
#pragma once

#include "vfs/view.h"

/*
 * A sealed file in memory, open for reading, with the state as it is now:
 * {"version": "0.1.0", "mode": "enforce", "privileged": false, "rules": [{"rule": "hide ~/.ssh", "origin": "FILE",
 * "line": 3, "refused": 0}, ...]}. Texts that are not UTF-8 have their bytes above 127 written as \xNN. Returns 0 or a
 * negative errno.
 */
int view_state_open(const struct view *view, int *ret_fd);
