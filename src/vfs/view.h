/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The view: everything about a run that operations read. Made once before the command starts, then immutable but for
 * its counters.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/errmsg.h"
#include "vfs/policy/policy.h"

struct binfmt_misc;
struct fstypes;
struct known;
struct link_hints;
struct masks;
struct pins;
struct privates;
struct queues;
struct vnodes;
struct vnodes_config;

/* There inside only: the state of the view as JSON (state.h). */
#define STATE_PATH "/dev/scrim"

#define VIEW_VAULTS_MAX 16

struct view {
	const struct policy *policy;
	struct policy_needs needs;
	struct fstypes *fstypes; /* fstype rules (overlay/fstypes.h); NULL: none */
	struct pins *pins;   /* objects of literal rules, by identity (overlay/pins.h) */
	struct masks *masks; /* masked content being shown (overlay/mask.h) */
	struct vnodes *vnodes; /* encrypted files in use (vnode/vnode.h); NULL: no rule encrypts */
	struct privates *privates; /* files of the view's own (overlay/privates.h); NULL: no create=private */
	struct queues *queues; /* of file events, fed by us (watch/queues.h); NULL: they are the kernel's */
	struct known *known; /* paths that just led to regular files (known.h) */
	struct binfmt_misc *formats; /* registered with the kernel (proc/binfmt_misc.h) */
	struct link_hints *links; /* where symlinks were met (walk_links.c) */
	int proc_fd;	     /* O_PATH of /proc */
	dev_t proc_dev;
	blksize_t proc_blksize; /* st_blksize of all that is on any procfs */
	int root_fd;	     /* O_PATH of / */
	struct stat root_stat;
	/* Processes of scrim itself: absent from /proc inside. 0: none here; the first is the supervisor. */
	pid_t own_pids[3];
	_Atomic pid_t vault_pids[VIEW_VAULTS_MAX]; /* these come and go */
	bool root;	     /* the supervisor has more than an ordinary user (uid 0, any capability, several ids) */
	bool traces;	     /* it may look at any process that it serves (CAP_SYS_PTRACE) */
	bool protected_symlinks; /* fs.protected_symlinks, read at start */
	_Atomic uint64_t *rule_counts; /* of each rule: how often it refused something */
	unsigned protected_regular; /* fs.protected_regular and fs.protected_fifos, likewise */
	unsigned protected_fifos;
};

/* Zeros, but for the policy: nothing is encrypted. Everything that is pointed to outlives the view. */
struct view_config {
	const struct policy *policy; /* compiled */
	/* What encrypted files are served with (vnode/vnode.h; its `policy` is filled in). NULL: no rule may encrypt. */
	const struct vnodes_config *vnodes;
};

/* Returns 0 or a negative errno with MSG. */
int view_new(const struct view_config *config, struct view **ret, struct errmsg *msg);
struct view *view_free(struct view *view);

/* Memory of the walk's alone. Returns 0 or -ENOMEM. */
int link_hints_new(struct link_hints **ret);
struct link_hints *link_hints_free(struct link_hints *hints);

/* Is PID one of the processes of scrim itself? Any thread. */
bool view_owns_pid(const struct view *view, pid_t pid);

/* RULE refused something (RULE_NONE: nothing is counted). Any thread. */
void view_count_rule(const struct view *view, int32_t rule);
