/* SPDX-License-Identifier: Apache-2.0 */
/* What workers and steering ask of the listener (seccomp_unotify(2)) in the middle of a call. */
#pragma once

#include <errno.h>
#include <sys/ioctl.h>

/*
 * An ioctl of the listener that may be repeated: what a signal interrupted was not done (kernel/seccomp.c,
 * seccomp_notify_addfd() takes it back). Returns what it gives, or a negative errno other than -EINTR.
 */
static inline int listener_request(int listener, unsigned long request, const void *argument)
{
	int result;

	do
		result = ioctl(listener, request, argument);
	while (result < 0 && errno == EINTR);
	return result < 0 ? -errno : result;
}
