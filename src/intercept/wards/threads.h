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
/*
 * A mask is shared by those who share an fs_struct (clone(2), CLONE_FS). Before a call that changes it is let run:
 * TGID: the caller's process if it has several threads, whose masks are not remembered from then on, since there is no
 * telling when the change is made; else 0, and only its own thread TID is forgotten, which asks no sooner than it is over.
 */
void threads_umask_changing(struct threads *threads, pid_t tid, pid_t tgid);
/* Processes share masks from now on: none is remembered any more. */
void threads_umasks_are_shared(struct threads *threads);
/* May a mask of a thread of TGID be remembered? To be asked after it was read. */
bool threads_umask_settled(const struct threads *threads, pid_t tgid);

/* The thread may be another's from now on (exec by a thread that takes its number), or have other credentials. */
void threads_forget(struct threads *threads, pid_t tid);
