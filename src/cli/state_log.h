/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the log of a run goes when nobody says otherwise: $XDG_STATE_HOME/scrim/last.log (~/.local/state/scrim). It is
 * made at the first refusal, as a new file that replaces the old one, so `scrim explain --last` speaks of the latest
 * run that was refused anything, and a run that still writes is not disturbed by the next.
 */
#pragma once

#include <stddef.h>

/* The directory and the file. 0, -ENOENT when there is neither XDG_STATE_HOME nor HOME, -ENAMETOOLONG. */
int state_log_path(char *path, size_t size);

/* Make the file, mode 0600. Returns a descriptor or a negative errno. For log_config.open; USERDATA is not used. */
int state_log_create(void *userdata);
