/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From raw system call arguments to vfs operations: one small decoder per call. Each masks its int arguments to 32
 * bits as the kernel's prototypes do, checks flags in the kernel's order, copies what pointers point to once, and
 * calls one vfs_* function. A negative return is the caller's errno.
 */
#pragma once

#include "intercept/filter/syscalls.h"
#include "vfs/ops.h"

typedef int (*handler_fn)(struct op *op, int nr, const uint64_t args[6], struct outcome *out);

/* Indexed by enum handler; NULL: not served yet (the worker answers ENOSYS and logs it). */
extern const handler_fn handler_table[HANDLER_COUNT];

#define HANDLER(name) int name(struct op *op, int nr, const uint64_t args[6], struct outcome *out)

/* handlers_open.c */
HANDLER(handle_open);
HANDLER(handle_openat);
HANDLER(handle_openat2);
HANDLER(handle_creat);
/* handlers_stat.c */
HANDLER(handle_stat);
HANDLER(handle_lstat);
HANDLER(handle_newfstatat);
HANDLER(handle_fstat);
HANDLER(handle_statx);
HANDLER(handle_access);
HANDLER(handle_faccessat);
HANDLER(handle_faccessat2);
HANDLER(handle_readlink);
HANDLER(handle_readlinkat);
HANDLER(handle_getcwd);
HANDLER(handle_chdir);
HANDLER(handle_getdents);
HANDLER(handle_getdents64);
HANDLER(handle_statfs);
HANDLER(handle_fstatfs);
/* handlers_names.c */
HANDLER(handle_mkdir);
HANDLER(handle_mkdirat);
HANDLER(handle_mknod);
HANDLER(handle_mknodat);
HANDLER(handle_symlink);
HANDLER(handle_symlinkat);
HANDLER(handle_link);
HANDLER(handle_linkat);
HANDLER(handle_unlink);
HANDLER(handle_unlinkat);
HANDLER(handle_rmdir);
HANDLER(handle_rename);
HANDLER(handle_renameat);
HANDLER(handle_renameat2);
/* handlers_attr.c */
HANDLER(handle_chmod);
HANDLER(handle_fchmod);
HANDLER(handle_fchmodat);
HANDLER(handle_fchmodat2);
HANDLER(handle_chown);
HANDLER(handle_lchown);
HANDLER(handle_fchown);
HANDLER(handle_fchownat);
HANDLER(handle_utime);
HANDLER(handle_utimes);
HANDLER(handle_futimesat);
HANDLER(handle_utimensat);
HANDLER(handle_truncate);
HANDLER(handle_ftruncate);
HANDLER(handle_fallocate);
HANDLER(handle_fcntl);
HANDLER(handle_inotify_init);
HANDLER(handle_inotify_init1);
HANDLER(handle_inotify_add_watch);
HANDLER(handle_inotify_rm_watch);
/* handlers_sync.c */
HANDLER(handle_fsync);
HANDLER(handle_fdatasync);
HANDLER(handle_sync_file_range);
HANDLER(handle_syncfs);
HANDLER(handle_sync);
HANDLER(handle_msync);
HANDLER(handle_pwritev2);
/* handlers_fileattr.c */
HANDLER(handle_name_to_handle_at);
HANDLER(handle_file_getattr);
HANDLER(handle_file_setattr);
/* handlers_xattr.c */
HANDLER(handle_setxattr);
HANDLER(handle_lsetxattr);
HANDLER(handle_fsetxattr);
HANDLER(handle_setxattrat);
HANDLER(handle_getxattr);
HANDLER(handle_lgetxattr);
HANDLER(handle_fgetxattr);
HANDLER(handle_getxattrat);
HANDLER(handle_listxattr);
HANDLER(handle_llistxattr);
HANDLER(handle_flistxattr);
HANDLER(handle_listxattrat);
HANDLER(handle_removexattr);
HANDLER(handle_lremovexattr);
HANDLER(handle_fremovexattr);
HANDLER(handle_removexattrat);
/* handlers_exec.c */
HANDLER(handle_execve);
HANDLER(handle_execveat);
/* handlers_socket.c */
HANDLER(handle_connect);
HANDLER(handle_bind);
HANDLER(handle_sendto);
HANDLER(handle_sendmsg);
HANDLER(handle_sendmmsg);
/* handlers_process.c */
HANDLER(handle_prctl);
HANDLER(handle_set_id);
HANDLER(handle_mmap_low);
HANDLER(handle_umask);
HANDLER(handle_clone);
HANDLER(handle_getppid);
