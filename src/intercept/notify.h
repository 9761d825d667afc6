/* SPDX-License-Identifier: Apache-2.0 */
/* The listener's ioctls, raw: libseccomp 2.5 has no ADDFD and folds errors (seccomp_unotify(2)). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <linux/seccomp.h>

/*
 * Wait for the next call. Returns 0; -EINTR, -ENOENT (the caller died meanwhile: go on); other errors are final.
 */
int notify_receive(int listener, struct seccomp_notif *ret);
/* Does a call wait to be received? */
bool notify_pending(int listener);
/* Has every process that was bound by the filter ended? Then no call comes any more (seccomp_unotify(2), POLLHUP). */
bool notify_ended(int listener);
/* Answer. All return 0, or -ENOENT when the caller is gone (nothing is left to do then). */
int notify_value(int listener, uint64_t id, int64_t value);
int notify_error(int listener, uint64_t id, int error); /* negative errno */
int notify_continue(int listener, uint64_t id);
/* Does the call still wait? 0 or -ENOENT. */
int notify_valid(int listener, uint64_t id);
/*
 * Install a copy of FD at the caller's lowest free number, or at the number AT (which must be free) if that is not -1, close FD, and only then let the caller go on with that
 * number: no copy of its open file description outlives the reply (flock after close, exec after write, FIFO ends).
 * Returns the number, or a negative errno, which has been answered too where the caller still waits. FD is consumed.
 */
int notify_fd(int listener, uint64_t id, int fd, int at, bool cloexec);
/* The wake-up hint (SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP, 6.6); older kernels say -EINVAL, which is fine. */
int notify_sync_wake_up(int listener);
