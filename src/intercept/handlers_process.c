/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that are not about paths but that a view cannot let pass unseen. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "intercept/dumpable.h"
#include "intercept/handlers.h"
#include "intercept/notify_caller.h"

/* Handlers of this room serve callers of a notification only. */
static struct notify_caller *caller_of(const struct op *op)
{
	return (struct notify_caller *)op->caller;
}

/* The caller's call is let run; nobody knows what it has afterwards until it is looked at. */
static int let_change(const struct op *op, struct outcome *out)
{
	wards_changing(caller_of(op)->wards, op->caller->tid);
	out->kind = OUT_CONTINUE;
	return 0;
}

/* PR_SET_DUMPABLE is remembered, not done, where the supervisor could read nothing of a caller that is not dumpable. */
static int remember_dumpable(struct op *op, const uint64_t args[6], struct outcome *out)
{
	pid_t tgid;
	int value = 0, error = op->caller->ops->tgid(op->caller, &tgid);

	if (error)
		return error;
	op_own_rights(op);
	if ((int)args[0] == PR_GET_DUMPABLE)
		value = dumpable_get(op->view->proc_fd, tgid);
	else if (args[1] > 1)
		error = -EINVAL;
	else
		error = dumpable_set(op->view->proc_fd, tgid, (int)args[1]);
	op_lend_rights(op);
	return error ? error : outcome_value(out, value);
}

/* The filter notifies these only. */
HANDLER(handle_prctl)
{
	(void)nr;
	switch ((int)args[0]) {
	case PR_GET_DUMPABLE:
	case PR_SET_DUMPABLE:
		return remember_dumpable(op, args, out);
	case PR_SET_SECUREBITS:
		if (!wards_may_set_securebits(caller_of(op)->wards, args[1]))
			return op_refuse_unserved(op, "SECBIT_NO_SETUID_FIXUP stays what it is inside a view", -EPERM);
		return let_change(op, out);
	case PR_CAPBSET_DROP:
	case PR_CAP_AMBIENT:
		return let_change(op, out);
	default:
		return -EINVAL;
	}
}

/* setgroups(2) and capset(2) change no id, and take nothing from the supervisor's looking at the caller. */
HANDLER(handle_set_id)
{
	const struct notify_caller *caller = caller_of(op);

	if (nr == SYS_setgroups || nr == SYS_capset || !wards_by_ids(caller->wards))
		return let_change(op, out);
	if (!wards_may_change_ids(caller->wards, caller->creds, nr, args))
		return op_refuse_unserved(op, "without CAP_SYS_PTRACE a process of the view has one uid and one gid, all of which can be changed",
					  -EPERM);
	wards_changing(caller->wards, op->caller->tid);
	out->kind = OUT_ERRAND;
	out->errand.nr = nr;
	out->errand.ids = true;
	memcpy(out->errand.args, args, sizeof(out->errand.args));
	return 0;
}

/* It is the kernel's; what is known of it is not true any more. */
HANDLER(handle_umask)
{
	struct threads *threads = caller_of(op)->threads;
	struct stat tasks;
	char path[32];
	pid_t tgid = 0;

	(void)nr;
	(void)args;
	/* Two links of the directory itself, and one for each thread (fs/proc/base.c, proc_task_getattr()). */
	snprintf(path, sizeof(path), "%d/task", (int)op->caller->tid);
	if (fstatat(op->view->proc_fd, path, &tasks, 0) < 0 || tasks.st_nlink != 3) {
		int error = op->caller->ops->tgid(op->caller, &tgid);

		if (error)
			return error;
	}
	threads_umask_changing(threads, op->caller->tid, tgid);
	out->kind = OUT_CONTINUE;
	return 0;
}

/* A new process that shares its umask with its parent. */
HANDLER(handle_clone)
{
	(void)nr;
	(void)args;
	threads_umasks_are_shared(caller_of(op)->threads);
	out->kind = OUT_CONTINUE;
	return 0;
}

/* Not let run: between our look and the kernel's the parent may end, and the reaper be told. */
HANDLER(handle_getppid)
{
	pid_t parent;
	int error = op->caller->ops->parent(op->caller, op->caller->tid, &parent);

	(void)nr;
	(void)args;
	return error ? error : outcome_value(out, parent);
}

/* A fixed mapping over the guard pages: a steered one never comes here. */
HANDLER(handle_mmap_low)
{
	(void)nr;
	(void)args;
	(void)out;
	return op_refuse_unserved(op, "mapping at the address of the guard pages", -EPERM);
}
