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

static int take_gids(struct rights *rights, gid_t egid, gid_t fsgid)
{
	if (rights->can_setgid && egid != rights->egid) {
		if (syscall(SYS_setresgid, KEEP, egid, KEEP) < 0)
			return -errno;
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

static int take_uids(struct rights *rights, uid_t euid, uid_t fsuid)
{
	if (rights->can_setuid && euid != rights->euid) {
		if (syscall(SYS_setresuid, KEEP, euid, KEEP) < 0)
			return -errno;
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

/* Groups and gids first: they need what a change of the uid takes away. */
static int become(struct rights *rights, struct creds *groups, uid_t euid, uid_t fsuid, gid_t egid, gid_t fsgid,
		  uint64_t effective)
{
	int error = set_effective(rights, rights->own->permitted);

	rights->effective = rights->own->permitted;
	if (!error)
		error = take_groups(rights, groups);
	if (!error)
		error = take_gids(rights, egid, fsgid);
	if (!error)
		error = take_uids(rights, euid, fsuid);
	if (!error)
		error = set_effective(rights, effective);
	if (error)
		return error;
	rights->lent = rights->effective = effective;
	return 0;
}

void rights_return(struct rights *rights)
{
	struct creds *own = rights->own;

	if (!rights->away)
		return;
	/* Without its own rights the thread is of no use to anybody, and could harm. */
	if (become(rights, own, own->euid, own->fsuid, own->egid, own->fsgid, own->effective) < 0)
		abort();
	rights->away = false;
}

int rights_take(struct rights *rights, struct creds *creds, bool real, bool fixup)
{
	uid_t euid = real ? creds->ruid : creds->euid, fsuid = real ? creds->ruid : creds->fsuid;
	gid_t egid = real ? creds->rgid : creds->egid, fsgid = real ? creds->rgid : creds->fsgid;
	uint64_t effective = creds->effective;
	int error;

	/* fs/open.c, access_override_creds() */
	if (real && fixup)
		effective = creds->ruid == 0 ? creds->permitted : 0;
	/* The supervisor has all that was there at the start; what it has not it could not lend. */
	effective &= rights->own->permitted;
	if ((!rights->can_setuid || euid == rights->euid) && fsuid == rights->fsuid &&
	    (!rights->can_setgid || egid == rights->egid) && fsgid == rights->fsgid && effective == rights->effective &&
	    (!rights->can_setgid || creds_same_groups(creds, rights->groups)))
		return 0;
	rights->away = true;
	error = become(rights, creds, euid, fsuid, egid, fsgid, effective);
	if (error)
		rights_return(rights);
	return error;
}

void rights_own(struct rights *rights)
{
	if (rights->effective == rights->own->permitted)
		return;
	/* Too few rights to look at a caller: it gets that error. */
	if (set_effective(rights, rights->own->permitted) == 0)
		rights->effective = rights->own->permitted;
}

void rights_lend(struct rights *rights)
{
	if (rights->effective == rights->lent)
		return;
	if (set_effective(rights, rights->lent) < 0)
		abort();
	rights->effective = rights->lent;
}
