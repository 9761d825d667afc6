/* SPDX-License-Identifier: Apache-2.0 */
/* Plaintext in a file in memory. Of it we keep one description, for reading, so that memfd_others() tells who else has it open. */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "vfs/overlay/memfd.h"
#include "vfs/vnode/internal.h"

static int make_new(struct spare_backing *ret)
{
	_cleanup_close_ int fd = -EBADF, kept = -EBADF;
	struct stat stat;
	int error = memfd_new_program("scrim-crypt", &fd);

	if (!error)
		error = memfd_reopen(fd, O_RDONLY, &kept);
	if (error < 0)
		return error;
	if (fstat(fd, &stat) < 0)
		return -errno;
	*ret = (struct spare_backing){.fd = steal_fd(&fd), .kept = steal_fd(&kept), .reader = -EBADF, .ino = stat.st_ino};
	return 0;
}

void spares_fill(struct vnodes *all)
{
	for (;;) {
		struct spare_backing spare;
		bool full;

		pthread_mutex_lock(&all->lock);
		full = all->spare_count >= all->spare_max;
		pthread_mutex_unlock(&all->lock);
		if (full || make_new(&spare) < 0)
			return;
		(void)memfd_reopen(spare.kept, O_RDONLY, &spare.reader);
		pthread_mutex_lock(&all->lock);
		all->spares[all->spare_count++] = spare;
		pthread_mutex_unlock(&all->lock);
	}
}

void spares_free(struct vnodes *all)
{
	while (all->spare_count > 0) {
		struct spare_backing *spare = &all->spares[--all->spare_count];

		safe_close(spare->fd);
		safe_close(spare->kept);
		safe_close(spare->reader);
	}
}

/* *RET_FEW: the thread is to make more; it is told on the way down, not each time. */
static bool take_spare(struct vnodes *all, struct spare_backing *ret, bool *ret_few)
{
	VNODE_LOCKED(&all->lock);
	if (all->spare_count == 0) {
		*ret_few = false;
		return false;
	}
	*ret = all->spares[--all->spare_count];
	*ret_few = all->spare_count == all->spare_max / 2 || all->spare_count == 0;
	return true;
}

static int make(struct vnode *v, int *ret_fd)
{
	struct spare_backing spare;
	bool few;
	int error = take_spare(v->all, &spare, &few) ? 0 : make_new(&spare);

	if (error < 0)
		return error;
	pthread_mutex_lock(&v->all->lock);
	v->backing_ino = spare.ino;
	v->memfd = spare.kept;
	table_add_backing(v);
	pthread_mutex_unlock(&v->all->lock);
	v->reader = spare.reader;
	*ret_fd = spare.fd;
	if (few)
		thread_kick(v->all);
	return 0;
}

static int fill(struct vnode *v, int *ret_fd)
{
	return memfd_reopen(v->memfd, O_RDWR, ret_fd);
}

static void drop(struct vnode *v)
{
	v->reader = safe_close(v->reader);
	v->memfd = safe_close(v->memfd);
}

static int open_for_program(struct vnode *v, int flags, int *ret_fd)
{
	return memfd_reopen(v->memfd, flags, ret_fd);
}

static int look(struct vnode *v, struct vnode_look *ret)
{
	struct stat stat;

	if (fstat(v->memfd, &stat) < 0)
		return -errno;
	ret->size = (uint64_t)stat.st_size;
	ret->mtime = stat.st_mtim;
	return 0;
}

static int set_mtime(struct vnode *v, const struct timespec *mtime)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, *mtime};

	return futimens(v->memfd, times) < 0 ? -errno : 0;
}

static void set_mode(struct vnode *v, mode_t mode)
{
	/* Anybody may open what he was given once more: who may see it was judged before. */
	(void)fchmod(v->memfd, mode & 0111 ? 0777 : 0666);
}

static ssize_t read_some(struct vnode *v, void *bytes, size_t len, uint64_t offset)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pread(v->memfd, (char *)bytes + done, len - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

static int64_t copy_in(struct vnode *v, uint64_t offset, uint64_t len, const struct store_witness *witness)
{
	return store_copy_in_seen(v->store, v->memfd, offset, len, offset, witness);
}

static int next_data(struct vnode *v, uint64_t offset, uint64_t *ret_from, uint64_t *ret_to)
{
	off_t from = lseek(v->memfd, (off_t)offset, SEEK_DATA), to;

	if (from < 0)
		return -errno;
	to = lseek(v->memfd, from, SEEK_HOLE);
	if (to < 0)
		return -errno;
	*ret_from = (uint64_t)from;
	*ret_to = (uint64_t)to;
	return 0;
}

static bool has_writers(struct vnode *v)
{
	return memfd_others(v->memfd, true);
}

static bool has_users(struct vnode *v)
{
	return memfd_others(v->memfd, false);
}

static void stop_growth(struct vnode *v)
{
	_cleanup_close_ int fd = -EBADF;

	/* Seals are added through a description that can write. */
	if (memfd_reopen(v->memfd, O_RDWR, &fd) == 0)
		(void)fcntl(fd, F_ADD_SEALS, F_SEAL_GROW);
}

const struct vnode_backing vnode_memfd = {
	.make = make,
	.fill = fill,
	.drop = drop,
	.open = open_for_program,
	.look = look,
	.set_mtime = set_mtime,
	.set_mode = set_mode,
	.read = read_some,
	.copy_in = copy_in,
	.next_data = next_data,
	.has_writers = has_writers,
	.has_users = has_users,
	.stop_growth = stop_growth,
};
