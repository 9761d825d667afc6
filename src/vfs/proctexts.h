/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts of procfs that name files others use: mounts (mountinfo, mounts, mountstats), sockets (net/unix), swap files
 * (swaps), and record locks by inode (locks). Lines that tell of what is hidden are left out.
 */
#pragma once

struct op;
struct walk;

/*
 * *FD, open for reading only, is what WALK has found. If it is one of those and has such a line it is closed and *FD is a
 * copy of its text as of now, a file in memory, without them; else nothing is done. Returns 0 or a negative errno.
 */
int proctexts_show(struct op *op, const struct walk *walk, int *fd);
