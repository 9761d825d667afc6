/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Masked content: memfds that stand in for regular files. One memfd serves all opens of one masked file as long as
 * the content it must show is the same; each open is a fresh description of it. With write=discard each open has a
 * memfd of its own.
 *
 * `with=` shows the file as it was at the start; `redact=` shows the real content with what the expression finds
 * replaced (redact.h), made anew when the real file was changed. Where nothing is found, or above 64 MiB, the rule's
 * nomatch= says what is shown.
 * At most 4096 (a quarter of the hard RLIMIT_NOFILE, if that is less: the supervisor raises its own) can be open at a time: -ENFILE.
 *
 * The registry knows each living memfd by (device, inode), so that stat by descriptor, readlink of /proc/PID/fd/N and
 * reopening lead back to the masked file. Thread-safe.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/errmsg.h"
#include "vfs/policy/policy.h"

struct masks;

/*
 * Read with= files and compile redact= expressions of POLICY's rules. *RET is NULL when nothing is masked, which the
 * other functions take. Returns 0 or a negative errno with MSG.
 */
int masks_new(const struct policy *policy, struct masks **ret, struct errmsg *msg);
struct masks *masks_free(struct masks *masks);

/*
 * The content of the regular file OBJECT (O_PATH), masked by RULE, opened with open(2) FLAGS (access mode and status
 * flags). PATH is its canonical path, kept for links. Returns 0 and a descriptor; -EACCES when writing is asked and
 * the rule does not discard; -ENODATA when nothing can be redacted and the rule does not say what to show then; other
 * errors as open(2).
 */
int masks_open(struct masks *masks, int32_t rule, int object, const struct stat *stat, const char *path,
	       size_t path_len, int flags, int *ret_fd);

/*
 * The size that the masked file shows by its name. What cannot be read or redacted shows as empty. By descriptor it is
 * the memfd's own st_size (a private copy may have been written to).
 */
int masks_size(struct masks *masks, int32_t rule, int object, const struct stat *stat, off_t *ret_size);

/*
 * Is (DEV, INO) one of our memfds? Returns 0, an O_PATH descriptor of the masked file, its rule and path (as it was
 * when opened; PATH has room for *PATH_LEN bytes; both may be NULL), or -ENOENT.
 */
int masks_find(struct masks *masks, dev_t dev, ino_t ino, int *ret_object, int32_t *ret_rule, char *path,
	       size_t *path_len);

/* Turn the stat of a memfd (or of the real file) into what is shown: real identity, masked size and blocks. */
void masks_present(const struct stat *real, off_t masked_size, struct stat *ret);
