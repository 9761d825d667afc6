/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operations, by family. Each answers one kind of system call for op->caller: paths are in op->text[] already
 * (op_read_path); other pointers are addresses in the caller. Returns 0 with OUT filled in, or the negative errno that
 * the caller gets. All may run in any number of workers at once, each with its own op.
 */
#pragma once

#include <linux/openat2.h>

#include "vfs/op.h"

/* open.c: op->text[0]; HOW as openat2(2) has it, checked already (flags, mode, resolve). */
int vfs_open(struct op *op, int dirfd, const struct open_how *how, struct outcome *out);

/* stat.c: op->text[0]. FLAGS: AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, AT_NO_AUTOMOUNT... as the call allows. */
int vfs_stat(struct op *op, int dirfd, int flags, uint64_t statbuf, struct outcome *out);
int vfs_fstat(struct op *op, int fd, uint64_t statbuf, struct outcome *out);
int vfs_statx(struct op *op, int dirfd, int flags, unsigned mask, uint64_t statxbuf, struct outcome *out);
int vfs_access(struct op *op, int dirfd, int mode, int flags, struct outcome *out);
int vfs_readlink(struct op *op, int dirfd, uint64_t buffer, int size, bool empty_ok, struct outcome *out);
int vfs_getcwd(struct op *op, uint64_t buffer, uint64_t size, struct outcome *out);
int vfs_chdir(struct op *op, struct outcome *out);
int vfs_statfs(struct op *op, uint64_t buffer, struct outcome *out);
int vfs_fstatfs(struct op *op, int fd, uint64_t buffer, struct outcome *out);

/* listing.c */
int vfs_getdents64(struct op *op, int fd, uint64_t buffer, unsigned count, struct outcome *out);
int vfs_getdents(struct op *op, int fd, uint64_t buffer, unsigned count, struct outcome *out);

/* names.c: op->text[0], and op->text[1] for the second path. */
int vfs_mkdir(struct op *op, int dirfd, mode_t mode, struct outcome *out);
int vfs_mknod(struct op *op, int dirfd, mode_t mode, unsigned dev, struct outcome *out);
/* text[0]: the target text (any bytes), text[1]: the new name under DIRFD. */
int vfs_symlink(struct op *op, int dirfd, struct outcome *out);
int vfs_link(struct op *op, int olddirfd, int newdirfd, int flags, struct outcome *out);
int vfs_unlink(struct op *op, int dirfd, int flags, struct outcome *out); /* AT_REMOVEDIR: rmdir */
int vfs_rename(struct op *op, int olddirfd, int newdirfd, unsigned flags, struct outcome *out);

/* attr.c. The f* forms take a descriptor of the caller. */
int vfs_chmod(struct op *op, int dirfd, mode_t mode, int flags, struct outcome *out);
int vfs_fchmod(struct op *op, int fd, mode_t mode, struct outcome *out);
int vfs_chown(struct op *op, int dirfd, uid_t uid, gid_t gid, int flags, struct outcome *out);
int vfs_fchown(struct op *op, int fd, uid_t uid, gid_t gid, struct outcome *out);
/* TIMES: two timespecs already read, or NULL for now. NULL_PATH: the call's path was NULL, DIRFD itself is meant. */
int vfs_utimens(struct op *op, int dirfd, const struct timespec times[2], int flags, bool null_path,
		struct outcome *out);
int vfs_truncate(struct op *op, int64_t length, struct outcome *out);
int vfs_ftruncate(struct op *op, int fd, int64_t length, struct outcome *out);
int vfs_fallocate(struct op *op, int fd, int mode, int64_t offset, int64_t length, struct outcome *out);
int vfs_fcntl_setfl(struct op *op, int fd, int flags, struct outcome *out);
/* F_GET_SEALS, F_ADD_SEALS. */
int vfs_fcntl_seals(struct op *op, int fd, int command, unsigned seals, struct outcome *out);
/* inotify.c */
int vfs_inotify_init(struct op *op, int flags, struct outcome *out);
int vfs_inotify_rm_watch(struct op *op, int fd, int wd, struct outcome *out);
int vfs_inotify_add_watch(struct op *op, int fd, uint32_t mask, struct outcome *out);

/* sync.c */
int vfs_fsync(struct op *op, int fd, bool data_only, struct outcome *out);
int vfs_sync_file_range(struct op *op, int fd, int64_t offset, int64_t length, unsigned flags, struct outcome *out);
int vfs_syncfs(struct op *op, int fd, struct outcome *out);
int vfs_sync(struct op *op, struct outcome *out);
int vfs_msync(struct op *op, uint64_t address, uint64_t length, struct outcome *out); /* MS_SYNC */
int vfs_durable_write(struct op *op, int fd, struct outcome *out); /* pwritev2 with RWF_SYNC or RWF_DSYNC */

/* xattr.c: NAME, VALUE, LIST are addresses in the caller. FLAGS: AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH. */
int vfs_setxattr(struct op *op, int dirfd, int at_flags, uint64_t name, uint64_t value, uint64_t size, int flags,
		 struct outcome *out);
int vfs_getxattr(struct op *op, int dirfd, int at_flags, uint64_t name, uint64_t value, uint64_t size,
		 struct outcome *out);
int vfs_listxattr(struct op *op, int dirfd, int at_flags, uint64_t list, uint64_t size, struct outcome *out);
int vfs_removexattr(struct op *op, int dirfd, int at_flags, uint64_t name, struct outcome *out);
int vfs_fsetxattr(struct op *op, int fd, uint64_t name, uint64_t value, uint64_t size, int flags, struct outcome *out);
int vfs_fgetxattr(struct op *op, int fd, uint64_t name, uint64_t value, uint64_t size, struct outcome *out);
int vfs_flistxattr(struct op *op, int fd, uint64_t list, uint64_t size, struct outcome *out);
int vfs_fremovexattr(struct op *op, int fd, uint64_t name, struct outcome *out);

/*
 * fileattr.c: op->text[0]. HANDLE, MOUNT, ATTR are addresses in the caller; SIZE is that of its struct file_attr, at most a page.
 * PATH_ERROR: op->text[0] could not be read for this reason, which comes after what is wrong with the attributes.
 */
int vfs_name_to_handle(struct op *op, int dirfd, uint64_t handle, uint64_t mount, int flags, struct outcome *out);
int vfs_file_getattr(struct op *op, int dirfd, uint64_t attr, size_t size, int flags, struct outcome *out);
int vfs_file_setattr(struct op *op, int dirfd, uint64_t attr, size_t size, int flags, int path_error, struct outcome *out);

/* exec.c: op->text[0]; NR and ARGS are the caller's own call (execve or execveat). */
int vfs_exec(struct op *op, int dirfd, int flags, int nr, const uint64_t args[6], struct outcome *out);

/* socket.c: ADDRESS/LEN are the caller's sockaddr. */
int vfs_connect(struct op *op, const uint64_t args[6], struct outcome *out);
int vfs_bind(struct op *op, const uint64_t args[6], struct outcome *out);
int vfs_sendto(struct op *op, const uint64_t args[6], struct outcome *out);
int vfs_sendmsg(struct op *op, int nr, const uint64_t args[6], struct outcome *out);
