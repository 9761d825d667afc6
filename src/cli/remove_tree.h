/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Names that begin so are directories on their way out. */
#define REMOVED_PREFIX ".removed-"

/*
 * Remove all that is in the directory FD (open for reading), which stays. No symlink is followed and no other file system
 * entered; directories that forbid it are made writable. Goes on where something cannot be removed. 0 or a negative errno.
 */
int remove_contents(int fd);
