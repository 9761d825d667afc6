/* SPDX-License-Identifier: Apache-2.0 */
/* Which files a process has mapped (proc(5), /proc/PID/maps). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One line of maps, or the head of an entry of smaps. */
struct maps_line {
	uint64_t start, end;
	uint64_t dev, ino; /* as stat(2) has them; the superblock's device */
	size_t device_at;  /* where in the line the device's number stands, */
	size_t device_end; /* and where that of the inode ends */
	size_t path_at;	   /* where the name stands; the line's length without one */
};

/* False: LINE (without its end) is none. */
bool maps_parse(const char *line, size_t len, struct maps_line *ret);

/*
 * Call EACH for every file mapped between FROM and TO by the process whose maps file MAPS_FD is, until it returns
 * something else than 0, which is returned. Otherwise 0, or a negative errno.
 */
int maps_each_file(int maps_fd, uint64_t from, uint64_t to, int (*each)(uint64_t dev, uint64_t ino, void *data), void *data);
