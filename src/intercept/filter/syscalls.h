/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system call table: every number of the kernel, each in exactly one class. The filter is built from it, the
 * workers dispatch by it, docs/PARITY.md is checked against it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the filter does with a call. */
enum syscall_class {
	CLASS_ALLOW,  /* never of interest: runs natively, at native speed */
	CLASS_NOTIFY, /* answered by the supervisor; natively when `needs` names parts that the policy does not use */
	CLASS_REFUSE, /* always fails with `error`; natively when `needs` names parts that the policy does not use */
	CLASS_SCREEN, /* decided by scalar arguments, by the rules in filter.c's table for this number */
};

/* When a row is in force: any of these is true of the run. 0: always. */
enum syscall_needs {
	NEEDS_HIDE = 1u << 0, /* hide or deny */
	NEEDS_MASK = 1u << 1,
	NEEDS_APPEND = 1u << 2,
	NEEDS_READONLY = 1u << 3,
	NEEDS_ROOT = 1u << 4, /* the supervisor could do more than an ordinary caller */
	NEEDS_DUMPABLE = 1u << 5, /* the supervisor could not read a process that is not dumpable */
	NEEDS_CRYPT = 1u << 6,
	NEEDS_IDS = 1u << 7, /* both NEEDS_ROOT and NEEDS_DUMPABLE: calls that change ids are steered */
	NEEDS_PRIVATE = 1u << 8, /* create=private */
	NEEDS_END = 1u << 9,
};

/* Which handler answers a notified call: the intercept room maps each to a function. */
enum handler {
	HANDLER_NONE,
	HANDLER_OPEN, HANDLER_OPENAT, HANDLER_OPENAT2, HANDLER_CREAT,
	HANDLER_STAT, HANDLER_LSTAT, HANDLER_NEWFSTATAT, HANDLER_FSTAT, HANDLER_STATX,
	HANDLER_ACCESS, HANDLER_FACCESSAT, HANDLER_FACCESSAT2,
	HANDLER_READLINK, HANDLER_READLINKAT,
	HANDLER_GETCWD, HANDLER_CHDIR,
	HANDLER_GETDENTS, HANDLER_GETDENTS64,
	HANDLER_STATFS, HANDLER_FSTATFS,
	HANDLER_MKDIR, HANDLER_MKDIRAT, HANDLER_MKNOD, HANDLER_MKNODAT, HANDLER_SYMLINK, HANDLER_SYMLINKAT,
	HANDLER_LINK, HANDLER_LINKAT, HANDLER_UNLINK, HANDLER_UNLINKAT, HANDLER_RMDIR,
	HANDLER_RENAME, HANDLER_RENAMEAT, HANDLER_RENAMEAT2,
	HANDLER_CHMOD, HANDLER_FCHMOD, HANDLER_FCHMODAT, HANDLER_FCHMODAT2,
	HANDLER_CHOWN, HANDLER_LCHOWN, HANDLER_FCHOWN, HANDLER_FCHOWNAT,
	HANDLER_UTIME, HANDLER_UTIMES, HANDLER_FUTIMESAT, HANDLER_UTIMENSAT,
	HANDLER_TRUNCATE, HANDLER_FTRUNCATE, HANDLER_FALLOCATE,
	HANDLER_SETXATTR, HANDLER_LSETXATTR, HANDLER_FSETXATTR, HANDLER_SETXATTRAT,
	HANDLER_GETXATTR, HANDLER_LGETXATTR, HANDLER_FGETXATTR, HANDLER_GETXATTRAT,
	HANDLER_LISTXATTR, HANDLER_LLISTXATTR, HANDLER_FLISTXATTR, HANDLER_LISTXATTRAT,
	HANDLER_REMOVEXATTR, HANDLER_LREMOVEXATTR, HANDLER_FREMOVEXATTR, HANDLER_REMOVEXATTRAT,
	HANDLER_NAME_TO_HANDLE_AT, HANDLER_FILE_GETATTR, HANDLER_FILE_SETATTR,
	HANDLER_INOTIFY_INIT, HANDLER_INOTIFY_INIT1, HANDLER_INOTIFY_ADD_WATCH, HANDLER_INOTIFY_RM_WATCH,
	HANDLER_EXECVE, HANDLER_EXECVEAT,
	HANDLER_CONNECT, HANDLER_BIND, HANDLER_SENDTO, HANDLER_SENDMSG, HANDLER_SENDMMSG,
	HANDLER_FCNTL,	 /* F_SETFL that would clear O_APPEND; F_GET_SEALS, F_ADD_SEALS */
	HANDLER_PRCTL,	 /* PR_SET_DUMPABLE, PR_GET_DUMPABLE; in a root view what changes credentials */
	HANDLER_SET_ID,	 /* set*id, setgroups, capset in a root view */
	HANDLER_MMAP_LOW, /* mmap fixed below GUARD_END: only a steered one is let through */
	HANDLER_UMASK,
	HANDLER_CLONE, /* a process that shares its parent's umask */
	HANDLER_GETPPID,
	HANDLER_FSYNC, HANDLER_FDATASYNC, HANDLER_SYNC_FILE_RANGE, HANDLER_SYNCFS, HANDLER_SYNC,
	HANDLER_MSYNC,	  /* MS_SYNC */
	HANDLER_PWRITEV2, /* RWF_SYNC, RWF_DSYNC */
	HANDLER_COUNT,
};

struct syscall_row {
	int nr;
	const char *name;
	enum syscall_class class;
	unsigned needs; /* enum syscall_needs; 0: always */
	int error;	/* CLASS_REFUSE: positive errno */
	enum handler handler;
};

/* Row i describes the call number i or a hole (name NULL). Numbers not in the table are ENOSYS. */
extern const struct syscall_row syscall_table[];
extern const size_t syscall_table_len;

/* The row of NR, or NULL. */
const struct syscall_row *syscall_find(int nr);
const struct syscall_row *syscall_by_name(const char *name);
