/* SPDX-License-Identifier: Apache-2.0 */
/* Files in memory that show content to the program. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * A memfd called NAME that holds LEN bytes of DATA; not executable. The descriptor is the one that memfd_create(2)
 * gives: programs get a description of their own by memfd_reopen(), which has the flags they asked for.
 */
int memfd_new(const char *name, const void *data, size_t len, int *ret_fd);

/* An empty one that may be executed when it gets the mode for it. */
int memfd_new_program(const char *name, int *ret_fd);

/* Nothing of it can be changed any more, by anybody. */
int memfd_seal(int fd);

/* Another description of the file behind FD, opened with FLAGS (access mode and status flags). */
int memfd_reopen(int fd, int flags, int *ret_fd);

/*
 * Has anybody but us the file open for writing (WRITERS), or at all, mappings and descriptors under way included? FD is our only
 * description of it, for reading, and not memfd_create()'s own, which the kernel does not count; one thread at a time asks. It is
 * asked by trying for a lease (fcntl(2), F_SETLEASE): one for reading is given while nobody has it open for writing, one for
 * writing while ours is the only description. Names of it (O_PATH) do not count.
 */
bool memfd_others(int fd, bool writers);

/* A sealed memfd, open for reading only. */
int memfd_show(const char *name, const void *data, size_t len, int *ret_fd);
