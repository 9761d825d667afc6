/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encrypted files that are in use: docs/CRYPT.md. A vnode stands for one real file, found by its device and inode, for
 * as long as anybody has its plaintext open and some time after.
 *
 * All functions may be called by any worker. They act with the supervisor's own rights: the caller of these functions has asked
 * already whether the program may do to the real file what it wants (faccessat2(2), utimensat(2) on the real file...). Paths
 * are canonical, as the walk found them, and kept for links in /proc and for messages.
 *
 * Return 0 or a negative errno. Of files: -ENOKEY wrong key; -EBADMSG damaged, or not encrypted and the rule does not say
 * plain=; -EBUSY another scrim has it open; -EFBIG above the limit for one file; -ENOMEM above that for all; -ESTALE
 * somebody else wrote to it, or (strict) an older version; else as the file system said.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/errmsg.h"
#include "crypt/store/store.h"
#include "vfs/policy/policy.h"

struct vnodes;

/* The key of one crypt rule. `wrap` is in secret memory and outlives the view. */
struct vnode_key {
	struct store_key wrap;
	const struct aead_provider *provider;
};

/*
 * Something that the log must say at once, beside or instead of what a call returns: PATH as it is now, a negative errno (0: a
 * note) and what that means or what to do. Strings are valid during the call, which may come from any thread.
 */
typedef void vnode_report(void *data, const char *path, size_t path_len, int error, const char *note);

struct vnodes_config {
	const struct policy *policy;
	/* One for each rule of the policy, by its index; unused but for crypt rules. NULL: the policy has none. */
	const struct vnode_key *keys;
	uint64_t file_max;  /* plaintext bytes of one file; 0: a quarter of the machine's memory */
	uint64_t total_max; /* of all files together; 0: half of it */
	const char *freshness; /* directory of the record of versions; NULL: none is kept */
	bool strict_freshness;
	vnode_report *report; /* may be NULL */
	void *report_data;
};

/* *RET is NULL when no rule encrypts, which the other functions take. With MSG on error. */
int vnodes_new(const struct vnodes_config *config, struct vnodes **ret, struct errmsg *msg);
/* Start the thread that writes back. Once, in the process that serves. */
int vnodes_start(struct vnodes *vnodes);
/* Commit everything that nobody is writing, and of the rest what there is now. The first error, after all was tried. */
int vnodes_flush(struct vnodes *vnodes);
/* Flush, stop the thread, let go of everything. Returns NULL. */
struct vnodes *vnodes_free(struct vnodes *vnodes);

/* A real regular file under a crypt rule, as the walk found it. */
struct vnode_place {
	int32_t rule;
	int object; /* O_PATH or any other descriptor of the real file; borrowed */
	const struct stat *real; /* fstat() of it */
	const char *path;
	size_t path_len;
};

/*
 * Open the plaintext with open(2) FLAGS: access mode, O_APPEND, O_TRUNC, O_NONBLOCK, O_NOATIME, O_DIRECT... (O_CREAT and O_EXCL are
 * ignored; O_SYNC and O_DSYNC are -EINVAL, said by the caller). MADE: the caller of this function created the file just now, and
 * `object` is open for reading and writing, without O_APPEND. -EROFS: not encrypted, plain=read, and to be written. What plain=
 * lets the program read as it is comes as a description of the real file.
 */
int vnodes_open(struct vnodes *vnodes, const struct vnode_place *place, int flags, bool made, int *ret_fd);

/* Make STAT, which is the real file's, what is shown of it by name. */
int vnodes_present(struct vnodes *vnodes, const struct vnode_place *place, struct stat *stat);

/*
 * Is (DEV, INO) a memfd of ours? Returns 0 and, each if not NULL, an O_PATH descriptor of the real file, the rule, its path as the
 * kernel has it now (room for *PATH_LEN bytes; " (deleted)" behind it as in /proc), and the stat that is shown for a descriptor of
 * it; or -ENOENT.
 */
int vnodes_find(struct vnodes *vnodes, dev_t dev, ino_t ino, int *ret_object, int32_t *ret_rule, char *path,
		size_t *path_len, struct stat *ret_shown);

/* A path of the program's leads to the real file no longer by its old name, but by NEW_PATH. */
void vnodes_renamed(struct vnodes *vnodes, dev_t real_dev, ino_t real_ino, const char *new_path, size_t len);

/* truncate(2) and ftruncate(2), by place. */
int vnodes_truncate(struct vnodes *vnodes, const struct vnode_place *place, uint64_t size);

/*
 * Before a call that needs content which a tail-only vnode does not have (F_SETFL without O_APPEND, ftruncate, fallocate,
 * pwritev2 and io_submit with RWF_NOAPPEND): load it. 0 also for what is no vnode of ours.
 */
int vnodes_load(struct vnodes *vnodes, dev_t dev, ino_t ino);

/* fsync(2) of the memfd (DEV, INO): what was written to it before is on the disk when 0 is returned. -ENOENT: none of ours. */
int vnodes_sync(struct vnodes *vnodes, dev_t dev, ino_t ino);
/* sync(2), syncfs(2): all whose real files are on the device REAL_DEV; 0: all. */
int vnodes_sync_all(struct vnodes *vnodes, dev_t real_dev);

/*
 * The program changed the real file's metadata through the view: times were set (TIMES: those asked for, tv_nsec may be
 * UTIME_NOW or UTIME_OMIT; NULL: none were), or owner, mode, links, xattrs, which move ctime. REAL: fstat() after it.
 */
int vnodes_touched(struct vnodes *vnodes, const struct vnode_place *place, const struct timespec times[2]);
