/* SPDX-License-Identifier: Apache-2.0 */
#include "intercept/wards/wards.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "base/cleanup.h"
#include "intercept/notify.h"

struct wards {
	struct wards_config config;
	struct creds *own;
	struct vaults *vaults;
	bool fixup;   /* setuid semantics: ids and capabilities go together */
	bool uniform; /* `own` has one uid and one gid */
	_Atomic bool matter;
	pthread_rwlock_t looks; /* without CAP_SYS_PTRACE: for reading by who looks at a caller, for writing around a change of ids */
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
	pthread_rwlock_init(&wards->looks, NULL);
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

bool wards_by_ids(const struct wards *wards)
{
	return !(wards->own->effective >> CAP_SYS_PTRACE & 1);
}

/* Calls that set ids: how many they name; with -1 for one that stays as it is. */
static const struct {
	int nr;
	unsigned ids;
	bool group;
} id_calls[] = {
	{SYS_setreuid, 2, false},
	{SYS_setregid, 2, true},
	{SYS_setresuid, 3, false},
	{SYS_setresgid, 3, true},
};

/* kernel/sys.c: what the real, effective and saved ids of who has but one are after a call that it may make. */
static bool stays_uniform(uint32_t id, unsigned ids, const uint64_t args[6])
{
	uint32_t after[3] = {id, id, id};

	for (unsigned i = 0; i < ids; i++)
		if ((uint32_t)args[i] != UINT32_MAX)
			after[i] = (uint32_t)args[i];
	/* setreuid(2): the saved one follows where the real one is named, or the effective one becomes another than that was. */
	if (ids == 2 && ((uint32_t)args[0] != UINT32_MAX || after[1] != id))
		after[2] = after[1];
	return after[0] == after[1] && after[0] == after[2];
}

bool wards_may_change_ids(const struct wards *wards, const struct creds *creds, int nr, const uint64_t args[6])
{
	const struct creds *has = creds ? creds : wards->own;

	if (!wards_by_ids(wards))
		return true;
	if (!wards->uniform)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(id_calls); i++)
		if (id_calls[i].nr == nr)
			return stays_uniform(id_calls[i].group ? has->egid : has->euid, id_calls[i].ids, args);
	/* setuid(2) sets all, or none that were others; setfsuid(2) one that nobody asks who looks at a process. */
	return true;
}

bool wards_may_execute(const struct wards *wards, const struct creds *creds)
{
	return !wards_by_ids(wards) || (creds->fsuid == creds->euid && creds->fsgid == creds->egid);
}

void wards_begin_look(struct wards *wards)
{
	if (wards && wards_by_ids(wards))
		pthread_rwlock_rdlock(&wards->looks);
}

void wards_end_look(struct wards *wards)
{
	if (wards && wards_by_ids(wards))
		pthread_rwlock_unlock(&wards->looks);
}

void wards_begin_change(struct wards *wards)
{
	if (wards && wards_by_ids(wards))
		pthread_rwlock_wrlock(&wards->looks);
}

void wards_end_change(struct wards *wards)
{
	wards_end_look(wards);
}

/* Of the calling thread, while it traces: apart from what a worker has, which is its own again meanwhile. */
static _Thread_local struct rights tracing;

void wards_take_to_trace(struct wards *wards, struct creds *creds)
{
	if (!wards || !creds || !wards_by_ids(wards))
		return;
	if (!tracing.own)
		rights_init(&tracing, wards->own);
	/* Where it cannot be had the caller cannot be seized, and is told so. */
	if (rights_take(&tracing, creds, false, wards->fixup) == 0)
		rights_own(&tracing);
}

void wards_return_traced(struct wards *wards, struct creds *creds)
{
	if (!wards || !creds || !wards_by_ids(wards))
		return;
	rights_return(&tracing);
}

bool wards_may_set_securebits(const struct wards *wards, unsigned long bits)
{
	return !(bits & SECBIT_NO_SETUID_FIXUP) == wards->fixup;
}
