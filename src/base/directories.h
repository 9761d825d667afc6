/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <dirent.h>

/*
 * The directory PATH and what is above it, each made for its owner alone (0700) if it is not there. A HOME (may be NULL)
 * above it that is not there ("/nonexistent" of system users) is not made: -ENOENT. 0 or a negative errno.
 */
int make_directories(const char *path, const char *home);

/* The directory PATH, from DIR on, to be listed; no link. NULL: errno says why. closedir(3) ends it. */
DIR *open_directory(int dir, const char *path);

/* For _cleanup_(). */
void cleanup_closedir(DIR **dir);
