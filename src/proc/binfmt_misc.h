/* SPDX-License-Identifier: Apache-2.0 */
/* Does a registered binary format (fs/binfmt_misc.c) claim a file? */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * PROC_FD: a descriptor of /proc. NAME: the text by which the file is executed (extensions are matched on it); HEAD:
 * its first LEN bytes. False too where binfmt_misc is not mounted or is switched off.
 */
bool binfmt_misc_claims(int proc_fd, const char *name, const void *head, size_t len);

/* One entry as its file in /proc/sys/fs/binfmt_misc shows it (for tests and fuzzing). */
bool binfmt_misc_entry_matches(const char *entry, const char *name, const void *head, size_t len);
