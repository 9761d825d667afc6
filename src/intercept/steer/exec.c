/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "intercept/steer/internal.h"

long exec_run(struct tracee *t, const struct steer_job *job, const struct call *call, unsigned slot,
	      const char *slot_text)
{
	(void)job;
	(void)call;
	(void)slot;
	(void)slot_text;
	return tracee_release(t, -ENOSYS) < 0 ? -ESRCH : -ENOSYS;
}
