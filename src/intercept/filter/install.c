/* SPDX-License-Identifier: Apache-2.0 */
#include "intercept/filter/filter.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/filter.h>
#include <linux/seccomp.h>

/*
 * The raw call, because libc has none, and because this runs between fork and exec. See seccomp(2); one listener per
 * thread, so a view inside a view gets EBUSY.
 */
int filter_install(const struct sock_fprog *program)
{
	unsigned flags = SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
	long r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, program);
	return r < 0 ? -errno : (int)r;
}
