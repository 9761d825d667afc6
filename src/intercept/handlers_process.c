/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that are not about paths but that a view cannot let pass unseen. */
#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "intercept/dumpable.h"
#include "intercept/handlers.h"

/*
 * PR_SET_DUMPABLE is remembered, not done: an unprivileged supervisor could read nothing of a non-dumpable caller.
 * PR_GET_DUMPABLE answers what was remembered. The filter notifies these two only.
 */
HANDLER(handle_prctl)
{
	pid_t tgid;
	int error = op->caller->ops->tgid(op->caller, &tgid);

	(void)nr;
	if (error)
		return error;
	switch ((int)args[0]) {
	case PR_GET_DUMPABLE:
		return outcome_value(out, dumpable_get(op->view->proc_fd, tgid));
	case PR_SET_DUMPABLE:
		if (args[1] > 1)
			return -EINVAL;
		error = dumpable_set(op->view->proc_fd, tgid, (int)args[1]);
		return error ? error : outcome_value(out, 0);
	default:
		return -EINVAL;
	}
}

/*
 * In a view whose supervisor has more than an ordinary user, callers keep its credentials: a lesser caller would be
 * served with more than it has. Calls that change nothing are let through by saying so.
 */
HANDLER(handle_set_id)
{
	uint64_t ids = args[0];

	switch (nr) {
	case SYS_setuid:
	case SYS_setgid:
	case SYS_setfsuid:
	case SYS_setfsgid:
		if ((uint32_t)ids == 0)
			return outcome_value(out, 0);
		break;
	case SYS_setreuid:
	case SYS_setregid:
		if (((uint32_t)args[0] == 0 || (uint32_t)args[0] == UINT32_MAX) &&
		    ((uint32_t)args[1] == 0 || (uint32_t)args[1] == UINT32_MAX))
			return outcome_value(out, 0);
		break;
	case SYS_setresuid:
	case SYS_setresgid:
		for (int i = 0; i < 3; i++) {
			if ((uint32_t)args[i] != 0 && (uint32_t)args[i] != UINT32_MAX)
				goto refused;
		}
		return outcome_value(out, 0);
	default:
		break;
	}
refused:
	return op_refuse_unserved(op, "changing ids or capabilities is not served in a view of root: run scrim as that user",
				  -EPERM);
}

/* A fixed mapping over the guard pages: a steered one never comes here. */
HANDLER(handle_mmap_low)
{
	(void)nr;
	(void)args;
	(void)out;
	return op_refuse_unserved(op, "mapping at the address of the guard pages", -EPERM);
}
