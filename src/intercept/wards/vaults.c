/* SPDX-License-Identifier: Apache-2.0 */
#include "intercept/wards/vaults.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "intercept/wards/vault_message.h"

/* A vault that does not answer for so long (its user may stop it) is ended; the next one is new. */
#define ANSWER_SECONDS 5

struct vault {
	struct vaults *all;
	pid_t pid; /* 0: there is none here */
	int socket;
	uid_t fsuid;
	gid_t fsgid;
	uint64_t capabilities;
	unsigned named;	     /* descriptors it holds for somebody */
	uint64_t used;
};

struct vaults {
	pthread_mutex_t lock; /* all of it, and asking a vault */
	_Atomic pid_t *pids;
	int program; /* our own executable */
	uint64_t clock;
	struct vault vaults[VAULTS_MAX];
};

int vaults_new(_Atomic pid_t *pids, struct vaults **ret)
{
	struct vaults *vaults = calloc(1, sizeof(*vaults));

	if (!vaults)
		return -ENOMEM;
	pthread_mutex_init(&vaults->lock, NULL);
	vaults->pids = pids;
	vaults->program = -EBADF;
	for (unsigned i = 0; i < VAULTS_MAX; i++)
		vaults->vaults[i] = (struct vault){.all = vaults, .socket = -EBADF};
	*ret = vaults;
	return 0;
}

static int set_capabilities(uint64_t permitted, uint64_t inheritable)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	for (unsigned i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		data[i].permitted = data[i].effective = (uint32_t)(permitted >> 32 * i);
		data[i].inheritable = (uint32_t)(inheritable >> 32 * i);
	}
	return (int)syscall(SYS_capset, &header, data);
}

/*
 * In the child: a copy of the supervisor, of which nobody else may see anything. From its new credentials on it cannot be
 * looked into (commit_creds() takes "dumpable" away) until it has executed. Raw calls only: other threads' locks are held.
 */
static _Noreturn void become_vault(const struct vault *vault, int socket, int program)
{
	uint64_t all = 0, wanted = vault->capabilities;
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};
	char text[32];
	const char *const argv[] = {"scrim", VAULT_COMMAND, text, NULL}, *const envp[] = {NULL};

	snprintf(text, sizeof(text), "%llx", (unsigned long long)wanted);
	if (syscall(SYS_dup3, socket, 0, 0) < 0 || syscall(SYS_dup3, program, 1, O_CLOEXEC) < 0 ||
	    syscall(SYS_close_range, 2u, ~0u, 0u) < 0 || syscall(SYS_capget, &header, data) < 0)
		_exit(1);
	for (unsigned i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
		all |= (uint64_t)data[i].permitted << 32 * i;
	wanted &= all;
	prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
	if (set_capabilities(all, wanted) < 0)
		_exit(1);
	/* Which groups it has does not count; where none may be set they are everybody's. */
	(void)syscall(SYS_setgroups, 0, NULL);
	if (syscall(SYS_setresgid, vault->fsgid, vault->fsgid, vault->fsgid) < 0 ||
	    syscall(SYS_setresuid, vault->fsuid, vault->fsuid, vault->fsuid) < 0 || set_capabilities(wanted, wanted) < 0)
		_exit(1);
	for (int i = 0; i < 64; i++)
		if (wanted >> i & 1)
			prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i, 0, 0);
	syscall(SYS_execveat, 1, "", argv, envp, AT_EMPTY_PATH);
	_exit(1);
}

/* Under the lock. */
static void end_vault(struct vault *vault)
{
	struct vaults *all = vault->all;

	if (!vault->pid)
		return;
	vault->socket = safe_close(vault->socket);
	kill(vault->pid, SIGKILL);
	while (waitpid(vault->pid, NULL, 0) < 0 && errno == EINTR)
		;
	atomic_store(&all->pids[vault - all->vaults], 0);
	vault->pid = 0;
	vault->named = 0;
}

static pid_t raw_fork(void)
{
	return (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
}

/*
 * The threads of workers wait for whatever stops of theirs: a vault must not be their child. The kernel gives an orphan to
 * the first thread of the supervisor, which is its subreaper and waits for nobody but the reaper. Returns its pid or a
 * negative errno.
 */
static pid_t start_orphan(const struct vault *vault, int theirs, int ours)
{
	struct vault_message message = {.fd = -ECHILD};
	pid_t between = raw_fork();

	if (between < 0)
		return -errno;
	if (between == 0) {
		pid_t pid = raw_fork();

		if (pid == 0)
			become_vault(vault, theirs, vault->all->program);
		message.fd = pid < 0 ? -errno : pid;
		_exit(send(theirs, &message, sizeof(message), MSG_NOSIGNAL) < 0);
	}
	while (waitpid(between, NULL, 0) < 0 && errno == EINTR)
		;
	if (recv(ours, &message, sizeof(message), MSG_DONTWAIT) != (ssize_t)sizeof(message))
		return -ECHILD;
	return message.fd;
}

/* Under the lock. VAULT says for whom. */
static int start_vault(struct vault *vault)
{
	const struct timeval patience = {.tv_sec = ANSWER_SECONDS};
	struct vaults *all = vault->all;
	int pair[2];

	if (all->program < 0)
		all->program = open("/proc/self/exe", O_PATH | O_CLOEXEC);
	if (all->program < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	_cleanup_close_ int theirs = pair[1], ours = pair[0];
	setsockopt(ours, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(ours, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	pid_t pid = start_orphan(vault, theirs, ours);
	if (pid < 0)
		return pid;
	atomic_store(&all->pids[vault - all->vaults], pid);
	vault->pid = pid;
	vault->socket = steal_fd(&ours);
	return 0;
}

/* Under the lock. Returns the number in the vault, or a negative errno. */
static int ask(const struct vault *vault, int fd)
{
	struct vault_message message = {.kind = VAULT_NAME, .fd = -1};
	struct iovec iov = {&message, sizeof(message)};
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	struct msghdr header = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes)};
	struct cmsghdr *first = CMSG_FIRSTHDR(&header);

	first->cmsg_level = SOL_SOCKET;
	first->cmsg_type = SCM_RIGHTS;
	first->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(first), &fd, sizeof(int));
	if (sendmsg(vault->socket, &header, MSG_NOSIGNAL) < 0 ||
	    recv(vault->socket, &message, sizeof(message), 0) != (ssize_t)sizeof(message))
		return -EPIPE;
	return message.fd < 0 ? -EMFILE : message.fd;
}

/* Under the lock. The one for these credentials, or a place for it. NULL: all are in use. */
static struct vault *choose(struct vaults *vaults, uid_t fsuid, gid_t fsgid, uint64_t capabilities)
{
	struct vault *place = NULL;

	for (unsigned i = 0; i < VAULTS_MAX; i++) {
		struct vault *vault = &vaults->vaults[i];

		if (vault->pid && vault->fsuid == fsuid && vault->fsgid == fsgid && vault->capabilities == capabilities)
			return vault;
		if (!vault->named && (!place || (place->pid && (!vault->pid || vault->used < place->used))))
			place = vault;
	}
	if (!place)
		return NULL;
	end_vault(place);
	place->fsuid = fsuid;
	place->fsgid = fsgid;
	place->capabilities = capabilities;
	return place;
}

int vaults_name(struct vaults *vaults, uid_t fsuid, gid_t fsgid, uint64_t capabilities, int fd, pid_t *ret_pid,
		int *ret_fd)
{
	int number = -EMFILE;

	pthread_mutex_lock(&vaults->lock);
	struct vault *vault = choose(vaults, fsuid, fsgid, capabilities);
	/* Its user may have killed it: once more. */
	for (int i = 0; vault && i < 2; i++) {
		number = vault->pid ? 0 : start_vault(vault);
		if (number == 0)
			number = ask(vault, fd);
		if (number != -EPIPE)
			break;
		end_vault(vault);
	}
	if (number >= 0) {
		vault->named++;
		vault->used = ++vaults->clock;
		*ret_pid = vault->pid;
		*ret_fd = number;
	}
	pthread_mutex_unlock(&vaults->lock);
	return number < 0 ? number : 0;
}

void vaults_drop(struct vaults *vaults, pid_t pid, int fd)
{
	const struct vault_message message = {.kind = VAULT_DROP, .fd = fd};

	pthread_mutex_lock(&vaults->lock);
	for (unsigned i = 0; i < VAULTS_MAX; i++) {
		struct vault *vault = &vaults->vaults[i];

		if (vault->pid != pid)
			continue;
		vault->named--;
		if (send(vault->socket, &message, sizeof(message), MSG_NOSIGNAL) < 0)
			end_vault(vault);
		break;
	}
	pthread_mutex_unlock(&vaults->lock);
}

void vaults_end(struct vaults *vaults)
{
	pthread_mutex_lock(&vaults->lock);
	for (unsigned i = 0; i < VAULTS_MAX; i++)
		end_vault(&vaults->vaults[i]);
	pthread_mutex_unlock(&vaults->lock);
}
