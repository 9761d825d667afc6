/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Write all LEN bytes of DATA to FD, as write(2) but never short and never interrupted. 0 or a negative errno. */
int write_whole(int fd, const void *data, size_t len);

/* The same at OFFSET, as pwrite(2). -EIO: nothing was taken. */
int pwrite_whole(int fd, const void *data, size_t len, uint64_t offset);
