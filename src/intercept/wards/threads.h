/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of callers' threads, so that it need not be read from procfs with each call. A thread is known by its
 * number and a pidfd that holds it: as long as that has not ended, the number is this thread's and nobody else's.
 * Entries are dropped by whoever learns that they may have become wrong. Bounded: an older entry gives way. Thread-safe.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "intercept/wards/creds.h"

struct threads;

/* Returns 0 or -ENOMEM. Lives as long as the process. */
int threads_new(struct threads **ret);

/*
 * A pidfd of the thread, or -errno (before Linux 6.9 there are none of threads that do not lead their process: nothing
 * is remembered of those).
 */
int threads_pidfd(pid_t tid);

/* A reference to the credentials, or NULL: not known. */
struct creds *threads_creds(struct threads *threads, pid_t tid);
/* PIDFD was had before CREDS were read; it is taken over. */
void threads_remember_creds(struct threads *threads, pid_t tid, int pidfd, struct creds *creds);

/* False: not known. */
bool threads_umask(struct threads *threads, pid_t tid, mode_t *ret);
/* The value of threads_umask_age() from before the mask was read; an outdated one is not remembered. */
void threads_remember_umask(struct threads *threads, pid_t tid, int pidfd, mode_t mask, unsigned age);
unsigned threads_umask_age(const struct threads *threads);
/* All masks may have changed. */
void threads_forget_umasks(struct threads *threads);

/* The thread may be another's from now on (exec by a thread that takes its number), or have other credentials. */
void threads_forget(struct threads *threads, pid_t tid);
