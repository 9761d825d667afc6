/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An open file description of the caller's, sent by the caller itself: where pidfd_getfd(2) is refused (Docker's
 * default filter), or before Linux 6.9 does not reach a thread with a descriptor table of its own. The held caller is
 * given one end of a socket pair, sends the descriptor, closes the end, and then makes its own call anew, for which
 * the copy is kept by whoever asked.
 */
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/cleanup.h"
#include "intercept/steer/internal.h"

/* What lies in the slot: a message of one byte and one descriptor. */
struct letter {
	struct msghdr header;
	struct iovec iov;
	union {
		struct cmsghdr align;
		unsigned char bytes[CMSG_SPACE(sizeof(int))];
	} control;
};

_Static_assert(sizeof(struct letter) <= GUARD_SLOT_BYTES, "a letter fits a slot");

/* The letter for descriptor FD as it has to stand at ADDRESS of the caller. */
static void write_letter(struct letter *ret, uint64_t address, int fd)
{
	memset(ret, 0, sizeof(*ret));
	struct cmsghdr *head = &ret->control.align;
	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(head), &fd, sizeof(fd));
	/* NOLINTBEGIN(performance-no-int-to-ptr): addresses of the caller's */
	ret->iov = (struct iovec){.iov_base = (void *)(uintptr_t)address, .iov_len = 1};
	ret->header.msg_iov = (void *)(uintptr_t)(address + offsetof(struct letter, iov));
	ret->header.msg_iovlen = 1;
	ret->header.msg_control = (void *)(uintptr_t)(address + offsetof(struct letter, control));
	ret->header.msg_controllen = head->cmsg_len;
	/* NOLINTEND(performance-no-int-to-ptr) */
}

/* Returns the descriptor or a negative errno. */
static int open_letter(int socket)
{
	char byte;
	struct iovec iov = {.iov_base = &byte, .iov_len = 1};
	union {
		struct cmsghdr align;
		unsigned char bytes[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct msghdr header = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes)};
	ssize_t n = recvmsg(socket, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (n < 0)
		return -errno;
	struct cmsghdr *head = CMSG_FIRSTHDR(&header);
	if (n != 1 || !head || head->cmsg_type != SCM_RIGHTS || head->cmsg_len != CMSG_LEN(sizeof(int)))
		return -EBADF; /* somebody else's letter: a sibling thread put another socket at that number */
	int fd;
	memcpy(&fd, CMSG_DATA(head), sizeof(fd));
	return fd;
}

/* Have the held caller send its descriptor. Returns 0 and *RET_COPY, or *RET_COPY is the caller's errno; or -ESRCH. */
static int send_descriptor(struct tracee *t, const struct steer_job *job, unsigned slot, int *ret_copy)
{
	struct guard *guard = t->steer->config.guard;
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		*ret_copy = -errno;
		return 0;
	}
	_cleanup_close_ int ours = pair[0], theirs = pair[1];
	long number = 0, sent = 0, closed = 0;
	int r = tracee_give(t, theirs, &number);
	if (r < 0 || number < 0) {
		*ret_copy = (int)number;
		return r;
	}
	theirs = safe_close(theirs);

	struct letter letter;
	write_letter(&letter, guard_slot_address(slot), job->lent);
	uint64_t address = guard_write_slot(guard, slot, &letter, sizeof(letter));
	struct call call = {.nr = SYS_sendmsg, .ip = GUARD_CALL, .flags = CALL_PLAIN};
	call.args[0] = (uint64_t)number;
	call.args[1] = address;
	call.args[2] = MSG_DONTWAIT | MSG_NOSIGNAL;
	r = tracee_call(t, &call, &sent);
	if (r < 0)
		return -ESRCH;
	call = (struct call){.nr = SYS_close, .args = {(uint64_t)number}, .ip = GUARD_CALL, .flags = CALL_PLAIN};
	r = tracee_call(t, &call, &closed);
	if (r < 0)
		return -ESRCH;
	*ret_copy = sent < 0 ? (int)sent : open_letter(ours);
	return 0;
}

long lend_run(struct tracee *t, const struct steer_job *job, unsigned slot)
{
	int copy = -EIO;
	int r = send_descriptor(t, job, slot, &copy);
	if (r < 0)
		return -ESRCH;
	if (copy < 0)
		return tracee_release(t, copy) < 0 ? -ESRCH : copy;
	/* Before it goes on: its call may be there again at once. */
	job->keep(job, copy, job->userdata);
	return tracee_release_anew(t, job->notif.data.nr) < 0 ? -ESRCH : 0;
}
