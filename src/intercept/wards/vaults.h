/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Vaults for callers that may not look into the reaper (intercept/steer: who has other ids, or fewer capabilities).
 *
 * A vault has just the credentials by which the kernel lets such a caller look at it (ptrace(2), PTRACE_MODE_READ_FSCREDS):
 * its file-system ids as real, effective and saved ones, and its effective capabilities. So whoever can look into it
 * could look into the caller itself. It shares nothing with the supervisor: a program of its own, executed afresh,
 * holds copies of those O_PATH descriptors alone that are named right now. One for each credentials, made when first
 * needed; when there are too many one that names nothing is ended. Thread-safe.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define VAULTS_MAX 16

struct vaults;

/* The words after the program's own name that make it a vault: cli calls vault_main() for them. */
#define VAULT_COMMAND "__vault"

/* PIDS has room for VAULTS_MAX and always says which processes are vaults; it outlives this. 0 or -ENOMEM. */
int vaults_new(_Atomic pid_t *pids, struct vaults **ret);

/*
 * A name for the object FD (not taken over) that a caller with these credentials can use, /proc/PID/fd/NUMBER, until
 * vaults_drop(). The calling thread has all of the supervisor's rights. Blocks for microseconds, for the first of some
 * credentials for milliseconds. Returns 0 or a negative errno.
 */
int vaults_name(struct vaults *vaults, uid_t fsuid, gid_t fsgid, uint64_t capabilities, int fd, pid_t *ret_pid,
		int *ret_fd);
/* The name is not needed any more. Any thread. */
void vaults_drop(struct vaults *vaults, pid_t pid, int fd);
/* End them all. */
void vaults_end(struct vaults *vaults);

/* The vault's own main: `scrim __vault CAPABILITIES`, its socket being descriptor 0. Returns the exit status. */
int vault_main(int argc, char **argv);
