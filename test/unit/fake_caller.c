/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_caller.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/memory.h"

#define PAGE 4096

static struct fake_caller *fake_of(struct caller *caller)
{
	return (struct fake_caller *)caller;
}

/* Through the kernel, so that a bad address is an error and not a signal. */
static int fake_read(struct caller *caller, uint64_t address, void *ret, size_t len)
{
	(void)caller;
	return len == 0 || memory_read(getpid(), address, ret, len) == (ssize_t)len ? 0 : -EFAULT;
}

static int fake_write(struct caller *caller, uint64_t address, const void *bytes, size_t len)
{
	(void)caller;
	return len == 0 || memory_write(getpid(), address, bytes, len) == (ssize_t)len ? 0 : -EFAULT;
}

static ssize_t fake_read_string(struct caller *caller, uint64_t address, char *ret, size_t cap)
{
	size_t have = 0;

	while (have < cap) {
		size_t part = PAGE - (size_t)((address + have) % PAGE);
		char *end;

		if (part > cap - have)
			part = cap - have;
		if (fake_read(caller, address + have, ret + have, part) < 0)
			return -EFAULT;
		end = memchr(ret + have, '\0', part);
		if (end)
			return end - ret;
		have += part;
	}
	return -ENAMETOOLONG;
}

static int fake_open_cwd(struct caller *caller, int *ret_fd)
{
	int fd = fcntl(fake_of(caller)->cwd_fd, F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

static int fake_open_object(struct caller *caller, int fd, int *ret_fd)
{
	char name[64];
	int object;

	(void)caller;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	object = open(name, O_PATH | O_CLOEXEC);
	if (object < 0)
		return errno == ENOENT ? -EBADF : -errno;
	*ret_fd = object;
	return 0;
}

/* The test's own directory is taken back to. */
static int fake_enter(struct caller *caller, int dirfd)
{
	_cleanup_close_ int object = -EBADF, home = open(".", O_PATH | O_CLOEXEC);
	int error = dirfd == AT_FDCWD ? fake_open_cwd(caller, &object) : fake_open_object(caller, dirfd, &object);

	if (home < 0)
		return -errno;
	if (error)
		return error;
	if (fchdir(object) < 0)
		return -errno;
	fake_of(caller)->entered++;
	fake_of(caller)->home_fd = steal_fd(&home);
	return 0;
}

static void fake_leave(struct caller *caller)
{
	struct fake_caller *fake = fake_of(caller);

	if (fake->home_fd < 0 ? chdir("/") : fchdir(fake->home_fd))
		abort();
	fake->home_fd = safe_close(fake->home_fd);
}

static int fake_stat_object(struct caller *caller, int fd, struct stat *ret)
{
	_cleanup_close_ int object = -EBADF;
	int error = fd == AT_FDCWD ? fake_open_cwd(caller, &object) : fake_open_object(caller, fd, &object);

	if (error)
		return error;
	return fstat(object, ret) < 0 ? -errno : 0;
}

static int fake_share_fd(struct caller *caller, int fd, int *ret_fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	(void)caller;
	if (copy < 0)
		return -errno;
	*ret_fd = copy;
	return 0;
}

static int fake_umask(struct caller *caller, mode_t *ret)
{
	*ret = fake_of(caller)->mask;
	return 0;
}

static int fake_tgid(struct caller *caller, pid_t *ret)
{
	(void)caller;
	*ret = getpid();
	return 0;
}

static uint64_t fake_size_limit(struct caller *caller)
{
	return fake_of(caller)->size_limit;
}

static void fake_signal(struct caller *caller, int number)
{
	fake_of(caller)->signalled = number;
}

static bool fake_in_view(struct caller *caller, pid_t pid)
{
	(void)caller;
	return pid == getpid();
}

static int fake_validate(struct caller *caller)
{
	fake_of(caller)->validations++;
	return fake_of(caller)->validate_error;
}

static const struct caller_ops fake_ops = {
	.read = fake_read,
	.write = fake_write,
	.read_string = fake_read_string,
	.open_cwd = fake_open_cwd,
	.enter = fake_enter,
	.leave = fake_leave,
	.open_object = fake_open_object,
	.stat_object = fake_stat_object,
	.share_fd = fake_share_fd,
	.umask = fake_umask,
	.tgid = fake_tgid,
	.size_limit = fake_size_limit,
	.signal = fake_signal,
	.in_view = fake_in_view,
	.validate = fake_validate,
};

int fake_caller_chdir(struct fake_caller *fake, const char *cwd)
{
	int fd = open(cwd, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	safe_close(fake->cwd_fd);
	fake->cwd_fd = fd;
	return 0;
}

int fake_caller_init(struct fake_caller *fake, const char *cwd, mode_t mask)
{
	*fake = (struct fake_caller){.caller = {.ops = &fake_ops, .tid = gettid()}, .cwd_fd = -EBADF,
				     .home_fd = -EBADF, .mask = mask, .size_limit = UINT64_MAX};
	return fake_caller_chdir(fake, cwd);
}

void fake_caller_release(struct fake_caller *fake)
{
	fake->cwd_fd = safe_close(fake->cwd_fd);
}
