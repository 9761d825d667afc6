/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vault: a process that shares the supervisor's descriptor table and does nothing, so that a caller can reach an
 * object we hold as "/proc/VAULT/fd/N" without having any descriptor of it (see steer.h).
 *
 * Why not /proc/SUPERVISOR/fd: that asks for read access to the supervisor by the rules of ptrace, hence a dumpable
 * supervisor whose capabilities the caller all has. The vault has none and is dumpable; nothing can be taken from it
 * but the descriptors, and no call of the view reaches it by name.
 */
#pragma once

#include <sys/types.h>

/*
 * Start it. It dies with the calling THREAD (PR_SET_PDEATHSIG): call from one that lives until the end. The caller
 * reaps it. It holds the listener too, so its death after ours is what makes the view fail closed.
 * Real, effective and saved ids are the supervisor's; a caller needs the same uid and gid to use it (or, as root,
 * CAP_SYS_PTRACE). Returns 0 or a negative errno.
 */
int vault_start(pid_t *ret);
