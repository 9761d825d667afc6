/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Callers that may have other credentials than the supervisor: in a view whose supervisor has more than an ordinary user
 * (root, any capability, several ids) every caller is served with its own (rights.h) and gets names of objects that it
 * may use (vaults.h).
 *
 * As long as nobody inside has changed anything all callers have what the supervisor was started with, and nothing is
 * looked up. The calls that change credentials are noted and let run: who makes one is not served before it is over, so
 * that what procfs says of the thread at its next call is the outcome, whatever the call's arguments were. What is known
 * of a thread is also forgotten when it executes a program (threads_forget()), and of a new one nothing is known.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "intercept/wards/creds.h"
#include "intercept/wards/rights.h"
#include "intercept/wards/threads.h"
#include "intercept/wards/vaults.h"

struct wards;

struct wards_config {
	int proc_fd;  /* O_PATH of /proc */
	int listener;
	pid_t vault;  /* that of callers with the supervisor's own credentials */
	_Atomic pid_t *vault_pids; /* room for VAULTS_MAX: those of others */
	struct threads *threads;
};

/* Of the calling process, before any thread is started. Returns 0 or a negative errno. */
int wards_new(const struct wards_config *config, struct wards **ret);

/* Does it matter who calls? One relaxed load. */
bool wards_matter(const struct wards *wards);

/* To be called once by each thread that takes callers' rights. */
void wards_init_rights(const struct wards *wards, struct rights *rights);

/*
 * The credentials of the caller TID of the held notification ID, a reference. RIGHTS: the calling thread's. -ESRCH: it does
 * not wait any more.
 */
int wards_creds(struct wards *wards, struct rights *rights, pid_t tid, uint64_t id, struct creds **ret);

/* Act as it; REAL as in rights_take(). */
int wards_take(const struct wards *wards, struct rights *rights, struct creds *creds, bool real);

/*
 * A name as vaults_name() gives it, for wards_drop(); *RET_PID is 0 if the reaper's will do. The calling thread has all of
 * the supervisor's rights.
 */
int wards_name(struct wards *wards, const struct creds *creds, int fd, pid_t *ret_pid, int *ret_fd);
/* Any thread. */
void wards_drop(struct wards *wards, pid_t pid, int fd);

/* The view has ended. Takes NULL. */
void wards_end(struct wards *wards);

/* TID makes a call that changes its credentials, or what they are after its next exec. Before it is let run. */
void wards_changing(struct wards *wards, pid_t tid);

/*
 * Without CAP_SYS_PTRACE, as in many containers, the supervisor can look at a caller only with the caller's own real ids,
 * only if that has one uid and one gid, and only while it is dumpable, which a change of ids takes away (kernel/cred.c,
 * commit_creds()). So calls that change ids are steered, and the caller made dumpable again before it goes on; those that
 * would leave it with several ids are refused.
 */
bool wards_by_ids(const struct wards *wards);
/* May a caller with CREDS (NULL: the supervisor's own) make the call NR that changes ids? */
bool wards_may_change_ids(const struct wards *wards, const struct creds *creds, int nr, const uint64_t args[6]);
/* Or execute a program: one whose file-system ids are not its effective ones would not be dumpable after it. */
bool wards_may_execute(const struct wards *wards, const struct creds *creds);
/*
 * Around looks at callers, which a change of ids by another thread of the same memory would make fail: short, they nest
 * not. Nothing to do with CAP_SYS_PTRACE.
 */
void wards_begin_look(struct wards *wards);
void wards_end_look(struct wards *wards);
/* The same around the change. */
void wards_begin_change(struct wards *wards);
void wards_end_change(struct wards *wards);
/*
 * For a thread of the supervisor's that has all its own rights: those to trace a caller with CREDS, and its own again. With
 * CAP_SYS_PTRACE, and for CREDS NULL, nothing to do.
 */
void wards_take_to_trace(struct wards *wards, struct creds *creds);
void wards_return_traced(struct wards *wards, struct creds *creds);
/* May securebits be set to BITS? All but for turning SECBIT_NO_SETUID_FIXUP, which nobody else can see. */
bool wards_may_set_securebits(const struct wards *wards, unsigned long bits);
