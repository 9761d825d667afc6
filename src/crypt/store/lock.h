/* SPDX-License-Identifier: Apache-2.0 */
/* One writer or many readers of an encrypted file, between processes: fcntl(2), open file description locks. */
#pragma once

#include <stdbool.h>

#include "base/open_files.h"

/*
 * Lock the file behind FD, which must be open for writing if WRITE. The lock is advisory, lies on one byte that no
 * file has (so that locks of programs on the content never meet it), goes with the description and is never waited
 * for.
 * 0; -EBUSY with, if not NULL, *RET_HOLDER (pid 0 where it cannot be found out who keeps the file busy); or a negative errno. File
 * systems without locks (-ENOLCK, -EOPNOTSUPP): the caller decides.
 */
int store_lock(int fd, bool write, struct process_name *ret_holder);

/*
 * The same, but 150 ms are waited for who only needs to be told: a run that keeps the content of a file which nobody
 * uses any more lets go of it when it sees by inotify(7) that somebody opens it; one that was killed, when its last call is done.
 */
int store_lock_patiently(int fd, bool write, struct process_name *ret_holder);

/*
 * Have the pages of the version that stands now, and of every later one, left alone until FD (any access mode) is
 * closed. A writer may go on: it uses other pages. For a copy of a file in use: hold, then read the slots, then the
 * rest. 0 or a negative errno.
 */
int store_hold(int fd);

/* Does another description hold the file? False also where it cannot be told. */
bool store_is_held(int fd);
