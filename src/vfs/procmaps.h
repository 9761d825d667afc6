/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of /proc/PID that tell which file a process has open or mapped: maps, smaps, numa_maps, fdinfo/N. Of an encrypted file
 * that is the plaintext in memory; shown is the real file.
 */
#pragma once

#include <sys/stat.h>

struct op;
struct walk;

/*
 * *FD, open for reading only, is what WALK has found. If it is one of those and tells of plaintext it is closed and *FD is a
 * copy of its text as of now, a file in memory, with the real file's names and numbers. Returns 0 or a negative errno.
 */
int procmaps_show(struct op *op, const struct walk *walk, int *fd);

/*
 * The device and inode that the link WALK of a map_files directory leads to, into *RET: to follow it wants a capability, to
 * read it does not. Returns 0 or a negative errno.
 */
int procmaps_mapped(const struct walk *walk, struct stat *ret);
