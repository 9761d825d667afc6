/* SPDX-License-Identifier: Apache-2.0 */
/* The credentials of a thread as procfs tells them (proc(5), /proc/pid/status; credentials(7)). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* An immutable object, counted: one is shared by many threads. */
struct creds {
	_Atomic unsigned references;
	uid_t ruid, euid, suid, fsuid;
	gid_t rgid, egid, sgid, fsgid;
	uint64_t inheritable, permitted, effective, bounding; /* a bit for each capability */
	size_t group_count;
	gid_t groups[];
};

/*
 * Of the thread TID (0: the calling one's), through PROC_FD (O_PATH of /proc). Returns 0, with a reference in *RET; -ESRCH when there is no
 * such thread, or another negative errno. Reading takes microseconds: callers keep the result.
 */
int creds_read(int proc_fd, pid_t tid, struct creds **ret);
struct creds *creds_ref(struct creds *creds);
/* Takes NULL. Returns NULL. */
struct creds *creds_unref(struct creds *creds);
bool creds_equal(const struct creds *a, const struct creds *b);
bool creds_same_groups(const struct creds *a, const struct creds *b);

/* Parse the text of a status file (in a test: any). Returns 0, -EIO for a text that is none, -ENOMEM. */
int creds_parse(const char *text, struct creds **ret);
