/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc/PID/stat and status, and those of threads: they name the parent, which for the command and for orphans is the
 * view's reaper. It is not there inside, so that what is shown is the parent that getppid(2) tells.
 */
#pragma once

struct op;
struct walk;

/*
 * *FD, open for reading only, is what WALK has found. If it names the reaper as parent it is closed and *FD is a copy of its
 * text as of now, a file in memory, with the parent exchanged; else nothing is done. Returns 0 or a negative errno.
 */
int procstat_show(struct op *op, const struct walk *walk, int *fd);
