/* SPDX-License-Identifier: Apache-2.0 */
/* What processes of the view asked of PR_SET_DUMPABLE. Thread-safe, bounded. */
#pragma once

#include <sys/types.h>

/* Remember. Returns 0, or -ENOMEM when too many processes asked for something else than the default. */
int dumpable_set(pid_t tgid, int value);
/* 1 unless something else was remembered. */
int dumpable_get(pid_t tgid);
/* The process executed a program or ended: the default again. */
void dumpable_forget(pid_t tgid);
