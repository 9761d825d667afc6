/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thread of the supervisor with the credentials of a caller. All of them that a system call on files looks at are
 * the caller's: effective and file-system ids, supplementary groups, effective capabilities; so they are also those of
 * a file that is opened (f_cred: who may read kallsyms, write a uid_map, change a sysctl). Real and saved ids and the
 * permitted capabilities stay the supervisor's: by them the thread comes back, and nobody inside may signal it.
 *
 * Without CAP_SYS_PTRACE (`by_ids`) the real ids are the caller's too: by these the kernel decides whether it may be
 * looked at (kernel/ptrace.c, __ptrace_may_access()). Whoever inside has them may then signal the thread, as anybody may in
 * a view of an ordinary user.
 *
 * Raw system calls, since libc's change every thread. A failure on the way to fewer rights ends the supervisor: then
 * every mediated call is ENOSYS, and nobody is served with more than is his.
 */
#pragma once

#include <stdbool.h>

#include "intercept/wards/creds.h"

/* What this thread acts with. Each thread has its own. */
struct rights {
	struct creds *own; /* what the supervisor started with; outlives it */
	bool can_setuid, can_setgid; /* without: nobody inside can change these either */
	bool by_ids;
	uid_t ruid;
	gid_t rgid;
	uid_t euid, fsuid;
	gid_t egid, fsgid;
	uint64_t lent;		/* the caller's effective capabilities */
	uint64_t effective;	/* those in force: `lent`, or all while rights_own() holds */
	struct creds *groups;	/* a reference to whose groups these are */
	bool away;		/* something differs from `own` */
};

/* For the calling thread, which has all of OWN (a thread that was started by one that had it has). 0 or -ENOMEM. */
void rights_init(struct rights *rights, struct creds *own);

/*
 * Act as a thread with CREDS would; REAL: as access(2) does, with real ids in the place of effective ones (capabilities:
 * FIXUP tells that setuid semantics are in force, see capabilities(7), SECBIT_NO_SETUID_FIXUP). What is in force already
 * costs nothing. Returns 0 or a negative errno: then the rights are the supervisor's own again.
 */
int rights_take(struct rights *rights, struct creds *creds, bool real, bool fixup);

/* The supervisor's own again, all of them. */
void rights_return(struct rights *rights);

/*
 * The caller's ids (`by_ids`: its real ones for all of them) with all of the supervisor's capabilities, until
 * rights_lend(): to look at the caller itself.
 */
void rights_own(struct rights *rights);
void rights_lend(struct rights *rights);
