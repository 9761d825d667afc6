/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The caller: whoever made the call that is being answered, behind a table of functions, so that every operation runs
 * against a real process (intercept/notify_caller.c), a unit test and a fuzzer alike.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

struct caller;

struct caller_ops {
	/* Copy LEN bytes at ADDRESS of the caller. 0 or -EFAULT; all or nothing. */
	int (*read)(struct caller *caller, uint64_t address, void *ret, size_t len);
	/* Copy LEN bytes into the caller where the caller itself could write. 0 or -EFAULT. */
	int (*write)(struct caller *caller, uint64_t address, const void *bytes, size_t len);
	/*
	 * Copy a NUL-terminated string of at most CAP-1 bytes. Returns its length, -EFAULT, or -ENAMETOOLONG when no
	 * NUL comes in CAP bytes. Reads page by page: a string that ends at the last byte of a page is fine.
	 */
	ssize_t (*read_string)(struct caller *caller, uint64_t address, char *ret, size_t cap);
	/* An O_PATH descriptor of the working directory. 0 or -errno. */
	int (*open_cwd)(struct caller *caller, int *ret_fd);
	/*
	 * Make what open_cwd (DIRFD is AT_FDCWD) or open_object would open this thread's own working directory: that
	 * costs less than a descriptor of it, and so does asking for its path. 0 or -errno; it fails as well where that
	 * directory may not be searched, or is none. leave: wherever this thread stands, back to where it belongs
	 * between calls, so that no directory is kept busy.
	 */
	int (*enter)(struct caller *caller, int dirfd);
	void (*leave)(struct caller *caller);
	/* An O_PATH descriptor of what the caller's descriptor FD refers to. -EBADF when there is none. */
	int (*open_object)(struct caller *caller, int fd, int *ret_fd);
	/* fstat() of what open_cwd (FD is AT_FDCWD) or open_object would open, without opening it. */
	int (*stat_object)(struct caller *caller, int fd, struct stat *ret);
	/*
	 * The caller's own open file description (shared offset and flags). Close it before replying. What needs one asks
	 * for it before it does anything: an error may mean that the operation will be begun anew.
	 */
	int (*share_fd)(struct caller *caller, int fd, int *ret_fd);
	int (*umask)(struct caller *caller, mode_t *ret);
	int (*tgid)(struct caller *caller, pid_t *ret);
	/* The soft RLIMIT_FSIZE of the caller in bytes; UINT64_MAX if there is none or it cannot be known. */
	uint64_t (*size_limit)(struct caller *caller);
	/* Send the caller's thread a signal, which it takes when the call is answered. */
	void (*signal)(struct caller *caller, int number);
	/* Is this process one of the view? */
	bool (*in_view)(struct caller *caller, pid_t pid);
	/*
	 * The parent that the process of the thread PID would have without scrim (intercept/parents.h). 0 or -ESRCH. NULL:
	 * the one that the kernel says.
	 */
	int (*parent)(struct caller *caller, pid_t pid, pid_t *ret);
	/*
	 * Operations act with the caller's credentials. Between these two they act with all that the supervisor may, for what
	 * is the view's own affair and of which the caller learns no more than it would natively. NULL: nothing to do.
	 */
	void (*own_rights)(struct caller *caller);
	void (*lend_rights)(struct caller *caller);
	/* The call still waits for its answer: what was read through its pid was its own. 0 or -ESRCH. */
	int (*validate)(struct caller *caller);
};

/* Implementations put this first. Used by one worker at a time. */
struct caller {
	const struct caller_ops *ops;
	pid_t tid;
	/* The ids in force are the caller's for this very call: for access(2) its real ones stand in the effective ones' place. */
	bool lent;
};
