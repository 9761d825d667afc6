/* SPDX-License-Identifier: Apache-2.0 */
/* The seccomp filter: from the system call table to BPF; installed by the raw system call. */
#pragma once

#include <sys/types.h>

#include "base/errmsg.h"
#include "intercept/filter/syscalls.h"

struct sock_fprog;

/* Build the program for a run. NEEDS: which parts are in force (enum syscall_needs). Free with filter_free(). */
int filter_build(unsigned needs, struct sock_fprog **ret, struct errmsg *msg);
struct sock_fprog *filter_free(struct sock_fprog *program);

/*
 * Install PROGRAM on the calling thread (after PR_SET_NO_NEW_PRIVS) with SECCOMP_FILTER_FLAG_NEW_LISTENER |
 * WAIT_KILLABLE_RECV. Async-signal-safe (raw system calls only). Returns the listener or a negative errno.
 */
int filter_install(const struct sock_fprog *program);

/*
 * Can this machine hold a view at all? Checks, in a throw-away child: user notification with WAIT_KILLABLE_RECV and
 * ADDFD, the memory of a child, ptrace of a grandchild (Yama scope 0 or 1), executable memfd mappings
 * at GUARD_ADDRESS (vm.mmap_min_addr), /proc mounted. The message names the remedy. There is no half-enforcing mode.
 */
int filter_check_requirements(struct errmsg *msg);

/*
 * The same proved by a start itself, so that no run need wait for the check above; it is asked for the reason when a
 * start failed. The command, under the filter and not yet let go, makes one notified call, filter_probe(); the
 * supervisor, having no other thread yet, receives it, reads the command's memory, seizes it, injects FD, answers, lets
 * go of it, in filter_prove(). Both return 0 or a negative errno: -ECHILD, the command died (REAPER_PIDFD: it ends then).
 * filter_probe() is async-signal-safe. filter_prove_calls(): /proc, for the supervisor.
 */
int filter_probe(void);
int filter_prove(int listener, pid_t command, int reaper_pidfd, int fd);
int filter_prove_calls(void);
