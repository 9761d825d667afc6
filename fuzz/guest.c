/* SPDX-License-Identifier: Apache-2.0 */
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

static struct guest *guest_of(struct caller *caller)
{
	return (struct guest *)caller;
}

/* Where ADDRESS lies in the block, and that LEN bytes from there do too. */
static unsigned char *place_of(struct guest *guest, uint64_t address, size_t len)
{
	guest->looks++;
	if (address < GUEST_BASE || address - GUEST_BASE > guest->size || len > guest->size - (address - GUEST_BASE))
		return NULL;
	return guest->memory + (address - GUEST_BASE);
}

/* Another thread of the guest writes: after each look something else stands there. */
static void stir(struct guest *guest)
{
	if (guest->restless && guest->size)
		guest->memory[guest->looks * 7919u % guest->size] ^= (unsigned char)(1u << guest->looks % 8);
}

static int guest_read(struct caller *caller, uint64_t address, void *ret, size_t len)
{
	struct guest *guest = guest_of(caller);
	const unsigned char *from = len ? place_of(guest, address, len) : guest->memory;

	if (!from)
		return -EFAULT;
	if (len)
		memcpy(ret, from, len);
	stir(guest);
	return 0;
}

static int guest_write(struct caller *caller, uint64_t address, const void *bytes, size_t len)
{
	struct guest *guest = guest_of(caller);
	unsigned char *to = len ? place_of(guest, address, len) : guest->memory;

	if (len && memmem(bytes, len, guest->token, strlen(guest->token)))
		abort();
	if (!to)
		return -EFAULT;
	if (len)
		memcpy(to, bytes, len);
	return 0;
}

static ssize_t guest_read_string(struct caller *caller, uint64_t address, char *ret, size_t cap)
{
	struct guest *guest = guest_of(caller);
	const unsigned char *from = place_of(guest, address, 0);
	size_t there = from ? guest->size - (size_t)(from - guest->memory) : 0;
	size_t part = there < cap ? there : cap;
	const unsigned char *end = part ? memchr(from, 0, part) : NULL;

	if (part)
		memcpy(ret, from, end ? (size_t)(end - from) + 1 : part);
	stir(guest);
	if (end)
		return end - from;
	return part == cap && cap ? -ENAMETOOLONG : -EFAULT;
}

static int duplicate(int fd, int *ret_fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (copy < 0)
		return -errno;
	*ret_fd = copy;
	return 0;
}

static int real_fd(struct caller *caller, int fd)
{
	return fd < 0 || fd >= GUEST_FDS ? -EBADF : guest_of(caller)->fds[fd];
}

static int guest_open_cwd(struct caller *caller, int *ret_fd)
{
	return duplicate(guest_of(caller)->cwd_fd, ret_fd);
}

static int guest_enter(struct caller *caller, int dirfd)
{
	int real = dirfd == AT_FDCWD ? guest_of(caller)->cwd_fd : real_fd(caller, dirfd);

	return real < 0 ? real : fchdir(real) < 0 ? -errno : 0;
}

static void guest_leave(struct caller *caller)
{
	if (fchdir(guest_of(caller)->cwd_fd) < 0)
		abort();
}

static int guest_open_object(struct caller *caller, int fd, int *ret_fd)
{
	int real = real_fd(caller, fd), object;
	char name[64];

	if (real < 0)
		return real;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", real);
	object = open(name, O_PATH | O_CLOEXEC);
	if (object < 0)
		return -errno;
	*ret_fd = object;
	return 0;
}

static int guest_stat_object(struct caller *caller, int fd, struct stat *ret)
{
	int real = fd == AT_FDCWD ? guest_of(caller)->cwd_fd : real_fd(caller, fd);

	if (real < 0)
		return real;
	return fstat(real, ret) < 0 ? -errno : 0;
}

static int guest_share_fd(struct caller *caller, int fd, int *ret_fd)
{
	int real = real_fd(caller, fd);

	return real < 0 ? real : duplicate(real, ret_fd);
}

static int guest_umask(struct caller *caller, mode_t *ret)
{
	*ret = guest_of(caller)->mask;
	return 0;
}

static int guest_tgid(struct caller *caller, pid_t *ret)
{
	(void)caller;
	*ret = getpid();
	return 0;
}

static int guest_parent(struct caller *caller, pid_t pid, pid_t *ret)
{
	(void)caller;
	if (pid != getpid())
		return -ESRCH;
	*ret = getppid();
	return 0;
}

static bool guest_in_view(struct caller *caller, pid_t pid)
{
	(void)caller;
	return pid == getpid();
}

static int guest_validate(struct caller *caller)
{
	return guest_of(caller)->gone ? -ESRCH : 0;
}

static uint64_t guest_size_limit(struct caller *caller)
{
	(void)caller;
	return 4096;
}

/* Nobody takes it. */
static void guest_signal(struct caller *caller, int number)
{
	(void)caller;
	(void)number;
}

const struct caller_ops guest_ops = {
	.read = guest_read,
	.write = guest_write,
	.read_string = guest_read_string,
	.open_cwd = guest_open_cwd,
	.enter = guest_enter,
	.leave = guest_leave,
	.open_object = guest_open_object,
	.stat_object = guest_stat_object,
	.share_fd = guest_share_fd,
	.umask = guest_umask,
	.tgid = guest_tgid,
	.parent = guest_parent,
	.size_limit = guest_size_limit,
	.signal = guest_signal,
	.in_view = guest_in_view,
	.validate = guest_validate,
};
