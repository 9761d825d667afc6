/* SPDX-License-Identifier: Apache-2.0 */
#include "intercept/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/cleanup.h"
#include "intercept/listener.h"

#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#endif
#ifndef SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#endif

int notify_receive(int listener, struct seccomp_notif *ret)
{
	memset(ret, 0, sizeof(*ret));
	return ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, ret) < 0 ? -errno : 0;
}

bool notify_pending(int listener)
{
	struct pollfd polled = {.fd = listener, .events = POLLIN};

	return poll(&polled, 1, 0) > 0 && (polled.revents & POLLIN);
}

bool notify_ended(int listener)
{
	struct pollfd hangup = {.fd = listener};

	return poll(&hangup, 1, 0) > 0 && (hangup.revents & POLLHUP);
}

static int reply(int listener, const struct seccomp_notif_resp *response)
{
	return listener_request(listener, SECCOMP_IOCTL_NOTIF_SEND, response);
}

int notify_value(int listener, uint64_t id, int64_t value)
{
	struct seccomp_notif_resp response = {.id = id, .val = value};

	return reply(listener, &response);
}

int notify_error(int listener, uint64_t id, int error)
{
	struct seccomp_notif_resp response = {.id = id, .error = error};

	return reply(listener, &response);
}

int notify_continue(int listener, uint64_t id)
{
	struct seccomp_notif_resp response = {.id = id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};

	return reply(listener, &response);
}

int notify_valid(int listener, uint64_t id)
{
	return listener_request(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id);
}

int notify_fd(int listener, uint64_t id, int fd, int at, bool cloexec)
{
	struct seccomp_notif_addfd add = {.id = id, .srcfd = (uint32_t)fd, .newfd_flags = cloexec ? O_CLOEXEC : 0};
	int number;

	if (at >= 0) {
		add.flags = SECCOMP_ADDFD_FLAG_SETFD;
		add.newfd = (uint32_t)at;
	}
#ifdef SCRIM_CONTROL_ADDFD_SEND
	/* Never in a release: the control that a test must see fail (test/cmake/lifetime.cmake builds it). */
	add.flags = SECCOMP_ADDFD_FLAG_SEND;
#endif
	number = listener_request(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add);
	safe_close(fd);
#ifdef SCRIM_CONTROL_ADDFD_SEND
	if (number >= 0)
		return number;
#endif
	if (number < 0)
		notify_error(listener, id, number);
	else
		notify_value(listener, id, number);
	return number;
}

int notify_sync_wake_up(int listener)
{
	return ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP) < 0 ? -errno : 0;
}
