/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What processes of the view asked of PR_SET_DUMPABLE. It belongs to the memory (linux/sched/coredump.h): fork hands it
 * on, exec starts anew. Neither is seen here, so what was asked is remembered for a process together with where its
 * stack begins, which proc(5) tells, a fork keeps and an exec draws anew. Thread-safe, bounded.
 */
#pragma once

#include <sys/types.h>

/* Remember VALUE for the process TGID. Returns 0 or a negative errno. PROC_FD: /proc. */
int dumpable_set(int proc_fd, pid_t tgid, int value);
/* What was remembered for TGID's memory, or for that it was copied from; 1 when nothing was. */
int dumpable_get(int proc_fd, pid_t tgid);
