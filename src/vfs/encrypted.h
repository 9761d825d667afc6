/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encrypted files as operations meet them: from a walk to its vnode (vnode/vnode.h). The caller's permissions are asked
 * here, of the real file; what is then done with it is done with the supervisor's own rights.
 *
 * In a walk an encrypted file is its real file: `fd`, path, verdict. Where the walk came to it by the plaintext that somebody
 * has open (walk->crypt_memfd), `stat` is what is shown; else the real one, until encrypted_present().
 */
#pragma once

#include <stdbool.h>
#include <sys/stat.h>

#include "vfs/op.h"

/* Is the object at WALK a file that is encrypted on the disk? */
static inline bool is_encrypted(const struct walk *walk)
{
	return walk->verdict.content == CONTENT_CRYPT && S_ISREG(walk->stat.st_mode);
}

/* Do RULES of the policy, two indices, both encrypt with the same key? */
bool encrypted_same_key(const struct op *op, int32_t rule, int32_t other);

/*
 * walk->fd is a regular file that no path leads to. If it is the plaintext of a vnode the walk becomes the encrypted file; if
 * it is an encrypted file that lost its name it is one still. Returns 0 or a negative errno.
 */
int encrypted_apply_detached(struct op *op, struct walk *walk);

/*
 * Open with the FLAGS of open(2), for the caller. MADE: it is new, and walk->fd is open for reading and writing: nobody need
 * be asked. The refusals that a rule explains are noted.
 */
int encrypted_open(struct op *op, const struct walk *walk, uint64_t flags, bool made, int *ret_fd);
/* The same to read what is executed: the caller need not be able to read it. */
int encrypted_open_program(struct op *op, const struct walk *walk, int *ret_fd);
/* FLAGS hold what an encrypted file cannot be opened with: -EINVAL, noted. */
int encrypted_check_flags(struct op *op, const struct walk *walk, uint64_t flags);

/* Make STAT, the real file's, what is shown of it. What cannot be read of a damaged file is the real one's. */
int encrypted_present(struct op *op, const struct walk *walk, struct stat *stat);

/* May the caller do MODE (R_OK, W_OK) with the real file? */
int encrypted_check_access(const struct walk *walk, int mode);
/* truncate(2) and ftruncate(2); that the caller may is known. */
int encrypted_truncate(struct op *op, const struct walk *walk, int64_t length);

/* The metadata of the real file were changed for the caller: see vnodes_touched(). Nothing where it is none of ours. */
void encrypted_touched(struct op *op, const struct walk *walk, const struct timespec times[2]);

/*
 * Around a call that changes names: hold an object that WALK knows by its name alone, if it is an encrypted file. After it:
 * encrypted_touched(), and where a name was given, encrypted_named().
 */
void encrypted_hold(struct walk *walk);
void encrypted_named(struct op *op, const struct walk *walk, const struct walk *name);

/*
 * The text that a link of procfs to the memfd with this STAT has for the program, into TEXT. Its length, 0: it is none of
 * ours, or a negative errno.
 */
ssize_t encrypted_link_text(const struct view *view, const struct stat *stat, char *text, size_t cap);
