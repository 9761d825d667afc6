/* SPDX-License-Identifier: Apache-2.0 */
/* Files in memory that show content to the program. */
#pragma once

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

/* A sealed memfd, open for reading only. */
int memfd_show(const char *name, const void *data, size_t len, int *ret_fd);
