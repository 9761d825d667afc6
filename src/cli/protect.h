/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a process does before it holds a key: no core dump, no tracer and no /proc/PID/mem of the same user
 * (PR_SET_DUMPABLE, which an exec takes back). 0 or a negative errno. May be called again.
 */
int protect_secrets(void);
