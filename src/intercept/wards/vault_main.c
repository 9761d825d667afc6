/* SPDX-License-Identifier: Apache-2.0 */
/* The process that is a vault: it keeps descriptors for others to name, and does nothing else. */
#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "intercept/wards/vault_message.h"
#include "intercept/wards/vaults.h"

/* Executed as root it has got back what it was to be without. Who has less may not look at it until this is done. */
static int keep_capabilities(uint64_t wanted)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &header, data) < 0)
		return -errno;
	for (unsigned i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		data[i].permitted &= (uint32_t)(wanted >> 32 * i);
		data[i].effective = data[i].permitted;
		data[i].inheritable = 0;
	}
	return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

/* Returns 0, or 1 at the end of the connection. */
static int serve_one(void)
{
	struct vault_message message;
	struct iovec iov = {&message, sizeof(message)};
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct msghdr header = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes)};

	ssize_t n = recvmsg(STDIN_FILENO, &header, MSG_CMSG_CLOEXEC);
	if (n < 0 && errno == EINTR)
		return 0;
	if (n != (ssize_t)sizeof(message))
		return 1;
	if (message.kind == VAULT_DROP) {
		if (message.fd > STDIN_FILENO)
			close(message.fd);
		return 0;
	}
	const struct cmsghdr *first = CMSG_FIRSTHDR(&header);
	message.fd = -1;
	if (first && first->cmsg_type == SCM_RIGHTS && first->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&message.fd, CMSG_DATA(first), sizeof(int));
	return send(STDIN_FILENO, &message, sizeof(message), MSG_NOSIGNAL) < 0;
}

int vault_main(int argc, char **argv)
{
	const struct rlimit none = {0, 0};
	sigset_t all;

	if (argc != 2 || keep_capabilities(strtoull(argv[1], NULL, 16)) < 0)
		return 1;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_NAME, "scrim-vault", 0, 0, 0);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (chdir("/") < 0 || prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0)
		return 1;
	while (serve_one() == 0)
		;
	return 0;
}
