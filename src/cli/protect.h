/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a process does before it holds a key: no core dump, no tracer and no /proc/PID/mem of the same user
 * (PR_SET_DUMPABLE, which an exec takes back), and all of its memory locked if it may lock as much as it likes. 0 or
 * a negative errno. May be called again.
 */
int protect_secrets(void);

/* For the end of a message about ERROR: that the limit of locked memory did it. Empty where it did not. */
const char *why_no_memory(int error);
