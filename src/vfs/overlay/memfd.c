/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/overlay/memfd.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/whole.h"
#include "vfs/fdpath.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U /* Linux 6.3 */
#endif
#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U /* likewise */
#endif

int memfd_new(const char *name, const void *data, size_t len, int *ret_fd)
{
	_cleanup_close_ int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
	int error;

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	/* Anybody may open what he was given once more: who may see it was judged before. */
	if (fd < 0 || fchmod(fd, 0666) < 0)
		return -errno;
	error = write_whole(fd, data, len);
	if (error < 0)
		return error;
	*ret_fd = steal_fd(&fd);
	return 0;
}

int memfd_new_program(const char *name, int *ret_fd)
{
	/* Before 6.3 all can be executed; with vm.memfd_noexec=2 none (sysctl/vm.rst). */
	static const unsigned kinds[] = {MFD_EXEC, 0, MFD_NOEXEC_SEAL};
	_cleanup_close_ int fd = -EBADF;

	for (size_t i = 0; fd < 0 && i < ARRAY_LEN(kinds); i++) {
		fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | kinds[i]);
		if (fd < 0 && errno != EINVAL && errno != EACCES)
			break;
	}
	if (fd < 0 || fchmod(fd, 0666) < 0)
		return -errno;
	*ret_fd = steal_fd(&fd);
	return 0;
}

int memfd_seal(int fd)
{
	return fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0 ? -errno : 0;
}

int memfd_reopen(int fd, int flags, int *ret_fd)
{
	char text[FD_NAME_MAX];
	const char *name;
	int new_fd, dir;

	flags &= ~(O_CREAT | O_EXCL | O_NOFOLLOW | O_DIRECTORY);
	flags |= O_CLOEXEC | O_NOCTTY;
	name = fd_name_at(fd, text, &dir);
	new_fd = openat(dir, name, flags);
	/* Before Linux 6.6 files in memory do not know O_DIRECT, which real ones mostly do. */
	if (new_fd < 0 && errno == EINVAL && (flags & O_DIRECT))
		new_fd = openat(dir, name, flags & ~O_DIRECT);
	if (new_fd < 0)
		return -errno;
	*ret_fd = new_fd;
	return 0;
}

bool memfd_others(int fd, bool writers)
{
	/*
	 * Should somebody open it just now: not SIGIO, which kills, but one that nobody minds. To be said each time: giving a
	 * lease back forgets it.
	 */
	if (fcntl(fd, F_SETSIG, SIGURG) < 0 || fcntl(fd, F_SETLEASE, writers ? F_RDLCK : F_WRLCK) < 0)
		return true;
	fcntl(fd, F_SETLEASE, F_UNLCK);
	return false;
}

int memfd_show(const char *name, const void *data, size_t len, int *ret_fd)
{
	_cleanup_close_ int fd = -EBADF;
	int error;

	error = memfd_new(name, data, len, &fd);
	if (error < 0)
		return error;
	error = memfd_seal(fd);
	if (error < 0)
		return error;
	return memfd_reopen(fd, O_RDONLY, ret_fd);
}
