/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "vfs/overlay/memfd.h"
#include "vfs/vnode/internal.h"

#define TRIES 8 /* somebody else changes the file all the time */

/* Can V serve an open with FLAGS as it is? */
static bool serves(const struct vnode *v, int flags)
{
	return v->ready && !v->error && !v->let_go && (v->writable || !vnode_wants_write(flags)) && (!v->tail || vnode_wants_tail(flags));
}

/* What is open already, or was a moment ago: pinned and, if it will be written to, marked so. NULL: not so simple. */
static struct vnode *get_ready(struct vnodes *all, const struct vnode_place *place, int flags)
{
	struct vnode *v;

	VNODE_LOCKED(&all->lock);
	v = table_find(all, place->real->st_dev, place->real->st_ino);
	if (!v || v->rule != place->rule || !serves(v, flags))
		return NULL;
	v->written |= vnode_wants_write(flags);
	v->pins++;
	v->opening++;
	table_touch(v);
	return v;
}

static int open_backing(struct vnode *v, int flags, int *ret_fd)
{
	int error = v->backing->open(v, flags, ret_fd);

	if (error == 0 && vnode_wants_write(flags))
		thread_expect(v->all);
	/* No event tells of it. */
	if (error == 0 && (flags & (O_ACCMODE | O_TRUNC)) == (O_RDONLY | O_TRUNC))
		thread_closed(v);
	return error;
}

/* The vnode of PLACE, pinned and with its lock held. */
static int get_locked(struct vnodes *all, const struct vnode_place *place, struct vnode **ret)
{
	int error = warm_make_room(all);

	if (error == 0)
		error = table_get(all, place, ret);
	if (error == 0)
		pthread_mutex_lock(&(*ret)->lock);
	return error;
}

/* By who may have loaded it just now, with its lock. */
static int open_first(struct vnode *v, int flags, int *ret_fd)
{
	if (v->reader >= 0 && (flags & ~(O_CLOEXEC | O_LARGEFILE | O_NOCTTY | O_NOFOLLOW)) == O_RDONLY) {
		*ret_fd = steal_fd(&v->reader);
		return 0;
	}
	v->reader = safe_close(v->reader);
	return open_backing(v, flags, ret_fd);
}

/* -ENODATA: it is no encrypted file. -ESTALE: to be tried again. */
static int open_slowly(struct vnodes *all, const struct vnode_place *place, int flags, bool made, int *ret_fd)
{
	struct vnode *v;
	int error = get_locked(all, place, &v);

	if (error < 0)
		return error;
	error = v->current ? load_for(v, place, flags, made) : -ESTALE;
	pthread_mutex_lock(&all->lock);
	if (error == 0) {
		v->rule = place->rule;
		v->written |= made || vnode_wants_write(flags);
		table_touch(v);
	} else if (error == -ESTALE && v->ready && !v->error) {
		table_retire(v);
	}
	pthread_mutex_unlock(&all->lock);
	if (error == 0)
		error = open_first(v, flags, ret_fd);
	pthread_mutex_unlock(&v->lock);
	vnode_unpin(v);
	return error;
}

static bool lacks_descriptors(struct vnodes *all, int error)
{
	return (error == -EMFILE || error == -ENFILE) && warm_sweep(all, true) > 0;
}

static int open_encrypted(struct vnodes *all, const struct vnode_place *place, int flags, bool made, int *ret_fd)
{
	int error = -ESTALE;

	for (int i = 0; i < TRIES && (error == -ESTALE || lacks_descriptors(all, error)); i++) {
		struct vnode *v = get_ready(all, place, flags);

		if (v) {
			error = open_backing(v, flags, ret_fd);
			vnode_unpin_ready(v);
		} else {
			error = open_slowly(all, place, flags, made, ret_fd);
		}
	}
	return error;
}

int vnodes_open(struct vnodes *all, const struct vnode_place *place, int flags, bool made, int *ret_fd)
{
	_cleanup_close_ int object = -EBADF;
	const struct vnode_key *key;
	struct vnode_place adopted;
	struct stat stat;
	int error = real_key(all, place->rule, &key);

	if (error == 0)
		error = open_encrypted(all, place, flags, made, ret_fd);
	if (error != -ENODATA)
		return error;
	error = plain_open(all, place, flags, ret_fd, &adopted, &object, &stat);
	return error <= 0 ? error : open_encrypted(all, &adopted, flags, false, ret_fd);
}

/* A file that nobody has open: in the store alone. */
static int truncate_closed(struct vnode *v, const struct vnode_place *place, uint64_t size)
{
	struct timespec now, times[2] = {{.tv_nsec = UTIME_OMIT}};
	struct store_time stored;
	int error = real_open(v, place->object, true, false);

	if (error == 0)
		error = real_start(v, place, true);
	if (error == 0 && size > v->all->config.file_max)
		error = -EFBIG;
	if (error == 0)
		error = store_truncate(v->store, size);
	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	stored = (struct store_time){.sec = now.tv_sec, .nsec = (uint32_t)now.tv_nsec};
	if (error == 0)
		error = store_set_times(v->store, &stored, &stored);
	if (error == 0)
		error = store_commit(v->store, false);
	times[1] = now;
	if (error == 0)
		(void)futimens(v->real, times);
	load_undo(v);
	return error;
}

static int truncate_backing(struct vnode *v, uint64_t size)
{
	_cleanup_close_ int fd = -EBADF;
	int error = size > v->all->config.file_max ? -EFBIG : v->backing->fill(v, &fd);

	if (error == 0 && ftruncate(fd, (off_t)size) < 0)
		error = -errno;
	if (error == 0)
		thread_closed(v);
	return error;
}

static int truncate_once(struct vnodes *all, const struct vnode_place *place, uint64_t size)
{
	struct vnode *v;
	int error = get_locked(all, place, &v);

	if (error < 0)
		return error;
	if (!v->current)
		error = -ESTALE;
	else if (!v->ready)
		error = truncate_closed(v, place, size);
	else
		error = load_for(v, place, O_RDWR, false);
	if (error == 0 && v->ready)
		error = truncate_backing(v, size);
	if (error == -ESTALE && v->ready && !v->error) {
		pthread_mutex_lock(&all->lock);
		table_retire(v);
		pthread_mutex_unlock(&all->lock);
	}
	pthread_mutex_unlock(&v->lock);
	vnode_unpin(v);
	return error;
}

int vnodes_truncate(struct vnodes *all, const struct vnode_place *place, uint64_t size)
{
	_cleanup_close_ int object = -EBADF, fd = -EBADF;
	const struct vnode_key *key;
	struct vnode_place adopted;
	struct stat stat;
	int error = real_key(all, place->rule, &key);

	if (error < 0)
		return error;
	error = -ESTALE;
	for (int i = 0; i < TRIES && error == -ESTALE; i++)
		error = truncate_once(all, place, size);
	if (error != -ENODATA)
		return error;
	error = plain_open(all, place, O_WRONLY, &fd, &adopted, &object, &stat);
	return error <= 0 ? error : truncate_once(all, &adopted, size);
}
