/* SPDX-License-Identifier: Apache-2.0 */
#include "intercept/wards/wards.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/prctl.h>

#include "base/cleanup.h"
#include "intercept/notify.h"

struct wards {
	struct wards_config config;
	struct creds *own;
	struct vaults *vaults;
	bool fixup;   /* setuid semantics: ids and capabilities go together */
	bool uniform; /* `own` has one uid and one gid */
	_Atomic bool matter;
};

static bool one_id(uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
	return a == b && a == c && a == d;
}

/* Plain root, for whom an exec changes nothing (capabilities(7), "Capabilities and execution of programs by root"). */
static bool stays_as_it_is(const struct wards *wards, int securebits)
{
	const struct creds *own = wards->own;

	return wards->uniform && own->ruid == 0 && own->effective == own->permitted &&
	       own->permitted == (own->inheritable | own->bounding) && securebits >= 0 && !(securebits & SECBIT_NOROOT);
}

int wards_new(const struct wards_config *config, struct wards **ret)
{
	_cleanup_free_ struct wards *wards = calloc(1, sizeof(*wards));
	int securebits = prctl(PR_GET_SECUREBITS, 0, 0, 0, 0);
	int error;

	if (!wards)
		return -ENOMEM;
	wards->config = *config;
	wards->fixup = securebits < 0 || !(securebits & SECBIT_NO_SETUID_FIXUP);
	error = creds_read(config->proc_fd, 0, &wards->own);
	if (!error)
		error = vaults_new(config->vault_pids, &wards->vaults);
	if (error)
		return error;
	wards->uniform = one_id(wards->own->ruid, wards->own->euid, wards->own->suid, wards->own->fsuid) &&
			 one_id(wards->own->rgid, wards->own->egid, wards->own->sgid, wards->own->fsgid);
	atomic_store(&wards->matter, !stays_as_it_is(wards, securebits));
	*ret = TAKE_PTR(wards);
	return 0;
}

bool wards_matter(const struct wards *wards)
{
	/* Who changes something is not answered before it is stored, and its calls come out of the kernel after that. */
	return wards && atomic_load_explicit(&wards->matter, memory_order_relaxed);
}

void wards_init_rights(const struct wards *wards, struct rights *rights)
{
	rights_init(rights, wards->own);
}

int wards_creds(struct wards *wards, struct rights *rights, pid_t tid, uint64_t id, struct creds **ret)
{
	struct threads *threads = wards->config.threads;
	struct creds *creds = threads_creds(threads, tid);
	int pidfd, error;

	if (creds) {
		*ret = creds;
		return 0;
	}
	pidfd = threads_pidfd(tid);
	rights_own(rights);
	error = creds_read(wards->config.proc_fd, tid, &creds);
	rights_lend(rights);
	if (error) {
		safe_close(pidfd);
		return error;
	}
	if (creds_equal(creds, wards->own)) {
		creds_unref(creds);
		creds = creds_ref(wards->own);
	}
	if (pidfd >= 0)
		threads_remember_creds(threads, tid, pidfd, creds);
	/* It still waits: so it was this thread's number all the time, and no exec has come between. */
	error = notify_valid(wards->config.listener, id);
	if (error) {
		threads_forget(threads, tid);
		creds_unref(creds);
		return -ESRCH;
	}
	*ret = creds;
	return 0;
}

int wards_take(const struct wards *wards, struct rights *rights, struct creds *creds, bool real)
{
	return rights_take(rights, creds, real, wards->fixup);
}

/* kernel/ptrace.c, __ptrace_may_access() with PTRACE_MODE_READ_FSCREDS, and security/commoncap.c behind it. */
static bool may_look_at_reaper(const struct wards *wards, const struct creds *creds)
{
	const struct creds *own = wards->own;

	const uint64_t searches = 1ull << CAP_DAC_READ_SEARCH | 1ull << CAP_DAC_OVERRIDE;

	/* The directory of descriptors is the owner's alone. */
	if (creds->effective >> CAP_SYS_PTRACE & 1)
		return creds->fsuid == own->euid || (creds->effective & searches);
	return wards->uniform && creds->fsuid == own->ruid && creds->fsgid == own->rgid &&
	       !(own->permitted & ~creds->effective);
}

int wards_name(struct wards *wards, const struct creds *creds, int fd, pid_t *ret_pid, int *ret_fd)
{
	if (may_look_at_reaper(wards, creds)) {
		*ret_pid = 0;
		return 0;
	}
	return vaults_name(wards->vaults, creds->fsuid, creds->fsgid, creds->effective, fd, ret_pid, ret_fd);
}

void wards_drop(struct wards *wards, pid_t pid, int fd)
{
	vaults_drop(wards->vaults, pid, fd);
}

void wards_end(struct wards *wards)
{
	if (wards)
		vaults_end(wards->vaults);
}

void wards_changing(struct wards *wards, pid_t tid)
{
	atomic_store(&wards->matter, true);
	threads_forget(wards->config.threads, tid);
}

bool wards_may_change_ids(const struct wards *wards)
{
	return wards->own->effective >> CAP_SYS_PTRACE & 1;
}

bool wards_may_set_securebits(const struct wards *wards, unsigned long bits)
{
	return !(bits & SECBIT_NO_SETUID_FIXUP) == wards->fixup;
}
