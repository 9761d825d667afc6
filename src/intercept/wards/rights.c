/* SPDX-License-Identifier: Apache-2.0 */
#include "intercept/wards/rights.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define KEEP ((uid_t)-1)

static bool has(const struct creds *creds, int capability)
{
	return creds->effective >> capability & 1;
}

/* The effective set of the calling thread; permitted and inheritable stay what they are. */
static int set_effective(const struct rights *rights, uint64_t effective)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	const struct creds *own = rights->own;
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	for (unsigned i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		data[i].effective = (uint32_t)(effective >> 32 * i);
		data[i].permitted = (uint32_t)(own->permitted >> 32 * i);
		data[i].inheritable = (uint32_t)(own->inheritable >> 32 * i);
	}
	return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

void rights_init(struct rights *rights, struct creds *own)
{
	*rights = (struct rights){
		.own = own,
		.can_setuid = has(own, CAP_SETUID),
		.can_setgid = has(own, CAP_SETGID),
		.by_ids = !has(own, CAP_SYS_PTRACE),
		.ruid = own->ruid,
		.rgid = own->rgid,
		.euid = own->euid,
		.fsuid = own->fsuid,
		.egid = own->egid,
		.fsgid = own->fsgid,
		.lent = own->effective,
		.effective = own->effective,
		.groups = creds_ref(own),
	};
	/* One whose real ids are not root's loses what is permitted when it comes back from root. */
	prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
}

static int take_groups(struct rights *rights, struct creds *creds)
{
	if (creds == rights->groups)
		return 0;
	if (rights->can_setgid && !creds_same_groups(creds, rights->groups) &&
	    syscall(SYS_setgroups, creds->group_count, creds->groups) < 0)
		return -errno;
	creds_unref(rights->groups);
	rights->groups = creds_ref(creds);
	return 0;
}

/* setfsuid(2) does not say whether it did it: asking for no id at all tells. */
static int take_fs_id(long nr, uint32_t id)
{
	syscall(nr, id);
	return (uint32_t)syscall(nr, KEEP) == id ? 0 : -EPERM;
}

static int take_gids(struct rights *rights, gid_t rgid, gid_t egid, gid_t fsgid)
{
	if (rights->can_setgid && (egid != rights->egid || rgid != rights->rgid)) {
		if (syscall(SYS_setresgid, rgid == rights->rgid ? KEEP : rgid, egid, KEEP) < 0)
			return -errno;
		rights->rgid = rgid;
		rights->egid = rights->fsgid = egid;
	}
	if (fsgid != rights->fsgid) {
		int error = take_fs_id(SYS_setfsgid, fsgid);

		if (error)
			return error;
		rights->fsgid = fsgid;
	}
	return 0;
}

static int take_uids(struct rights *rights, uid_t ruid, uid_t euid, uid_t fsuid)
{
	if (rights->can_setuid && (euid != rights->euid || ruid != rights->ruid)) {
		if (syscall(SYS_setresuid, ruid == rights->ruid ? KEEP : ruid, euid, KEEP) < 0)
			return -errno;
		rights->ruid = ruid;
		rights->euid = rights->fsuid = euid;
	}
	if (fsuid != rights->fsuid) {
		/* A change from root to another has emptied the effective set. */
		int error = set_effective(rights, rights->own->permitted);

		if (!error)
			error = take_fs_id(SYS_setfsuid, fsuid);

		if (error)
			return error;
		rights->fsuid = fsuid;
	}
	return 0;
}

/* What a thread acts with, but for its groups. */
struct part {
	uid_t ruid, euid, fsuid;
	gid_t rgid, egid, fsgid;
	uint64_t effective;
};

/* Groups and gids first: they need what a change of the uid takes away. */
static int become(struct rights *rights, struct creds *groups, const struct part *part)
{
	int error = set_effective(rights, rights->own->permitted);

	rights->effective = rights->own->permitted;
	if (!error)
		error = take_groups(rights, groups);
	if (!error)
		error = take_gids(rights, part->rgid, part->egid, part->fsgid);
	if (!error)
		error = take_uids(rights, part->ruid, part->euid, part->fsuid);
	if (!error)
		error = set_effective(rights, part->effective);
	if (error)
		return error;
	rights->lent = rights->effective = part->effective;
	return 0;
}

void rights_return(struct rights *rights)
{
	struct creds *own = rights->own;

	if (!rights->away)
		return;
	/* Without its own rights the thread is of no use to anybody, and could harm. */
	if (become(rights, own,
		   &(struct part){.ruid = own->ruid,
				  .euid = own->euid,
				  .fsuid = own->fsuid,
				  .rgid = own->rgid,
				  .egid = own->egid,
				  .fsgid = own->fsgid,
				  .effective = own->effective}) < 0)
		abort();
	rights->away = false;
}

int rights_take(struct rights *rights, struct creds *creds, bool real, bool fixup)
{
	struct part part = {
		.ruid = rights->by_ids ? creds->ruid : rights->ruid,
		.euid = real ? creds->ruid : creds->euid,
		.fsuid = real ? creds->ruid : creds->fsuid,
		.rgid = rights->by_ids ? creds->rgid : rights->rgid,
		.egid = real ? creds->rgid : creds->egid,
		.fsgid = real ? creds->rgid : creds->fsgid,
		.effective = creds->effective,
	};
	int error;

	/* fs/open.c, access_override_creds() */
	if (real && fixup)
		part.effective = creds->ruid == 0 ? creds->permitted : 0;
	/* The supervisor has all that was there at the start; what it has not it could not lend. */
	part.effective &= rights->own->permitted;
	if ((!rights->can_setuid || (part.euid == rights->euid && part.ruid == rights->ruid)) &&
	    part.fsuid == rights->fsuid &&
	    (!rights->can_setgid || (part.egid == rights->egid && part.rgid == rights->rgid)) &&
	    part.fsgid == rights->fsgid && part.effective == rights->effective &&
	    (!rights->can_setgid || creds_same_groups(creds, rights->groups)))
		return 0;
	rights->away = true;
	error = become(rights, creds, &part);
	if (error)
		rights_return(rights);
	return error;
}

/* Its file-system ids are what /proc/PID asks for; only a caller that has used setfsuid(2) has others than its real ones. */
static void own_fs_ids(const struct rights *rights)
{
	if (rights->fsgid != rights->rgid)
		syscall(SYS_setfsgid, rights->rgid);
	if (rights->fsuid != rights->ruid)
		syscall(SYS_setfsuid, rights->ruid);
}

static void lend_fs_ids(const struct rights *rights)
{
	if (rights->fsgid != rights->rgid && take_fs_id(SYS_setfsgid, rights->fsgid) < 0)
		abort();
	if (rights->fsuid != rights->ruid && take_fs_id(SYS_setfsuid, rights->fsuid) < 0)
		abort();
}

void rights_own(struct rights *rights)
{
	/* Too few rights to look at a caller: it gets that error. */
	if (rights->effective != rights->own->permitted && set_effective(rights, rights->own->permitted) == 0)
		rights->effective = rights->own->permitted;
	if (rights->by_ids && rights->away)
		own_fs_ids(rights);
}

void rights_lend(struct rights *rights)
{
	if (rights->by_ids && rights->away && (rights->fsuid != rights->ruid || rights->fsgid != rights->rgid)) {
		lend_fs_ids(rights);
		/* A change from root has taken some of them away, one to root has given some. */
		if (set_effective(rights, rights->own->permitted) < 0)
			abort();
		rights->effective = rights->own->permitted;
	}
	if (rights->effective == rights->lent)
		return;
	if (set_effective(rights, rights->lent) < 0)
		abort();
	rights->effective = rights->lent;
}
