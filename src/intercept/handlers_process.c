/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that are not about paths but that a view cannot let pass unseen. */
#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
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
static const struct {
	int nr;
	unsigned ids; /* how many arguments are ids; -1 leaves one as it is, where the call has that */
	bool group;
	bool keeps;   /* -1 is no change */
	bool queries; /* returns the id there was, whatever was asked */
} set_id_calls[] = {
	{SYS_setuid, 1, false, false, false},  {SYS_setgid, 1, true, false, false},
	{SYS_setreuid, 2, false, true, false}, {SYS_setregid, 2, true, true, false},
	{SYS_setresuid, 3, false, true, false}, {SYS_setresgid, 3, true, true, false},
	{SYS_setfsuid, 1, false, true, true},  {SYS_setfsgid, 1, true, true, true},
};

/* Every id of the view is the supervisor's own. */
static bool changes_nothing(size_t call, const uint64_t args[6], uint32_t own)
{
	for (unsigned i = 0; i < set_id_calls[call].ids; i++) {
		uint32_t id = (uint32_t)args[i];

		if (id != own && !(set_id_calls[call].keeps && id == UINT32_MAX))
			return false;
	}
	return true;
}

HANDLER(handle_set_id)
{
	for (size_t i = 0; i < ARRAY_LEN(set_id_calls); i++) {
		uint32_t own = set_id_calls[i].group ? getegid() : geteuid();

		if (set_id_calls[i].nr == nr && changes_nothing(i, args, own))
			return outcome_value(out, set_id_calls[i].queries ? own : 0);
	}
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
