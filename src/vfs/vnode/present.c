/* SPDX-License-Identifier: Apache-2.0 */
/* What is shown of encrypted files, by name and by descriptor. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "crypt/random.h"
#include "vfs/fdpath.h"
#include "vfs/overlay/memfd.h"
#include "vfs/vnode/internal.h"

static void show(struct stat *stat, uint64_t size, const struct vnode_times *times)
{
	stat->st_size = (off_t)size;
	stat->st_blocks = (blkcnt_t)((size + 4095) / 4096 * 8);
	stat->st_mtim = times->mtime;
	stat->st_ctim = times->ctime;
}

/* STAT is the real file's. With the lock of all. */
static bool show_vnode(struct vnode *v, struct stat *stat)
{
	struct vnode_times times;
	struct vnode_look look;

	if (!v->ready || v->backing->look(v, &look) < 0)
		return false;
	times_shown(v, stat, &look, &times);
	show(stat, look.size, &times);
	return true;
}

/* What stands on the disk, whoever may be writing to it. */
static void look_at_disk(struct vnodes *all, const struct vnode_place *place, struct vnode_size *ret)
{
	_cleanup_close_ int fd = -EBADF;
	struct store_env env = {.io = &store_io_file, .handle = &fd, .random = random_bytes, .key_count = 1};
	struct vnode_times stored;
	struct store_info info;
	const struct vnode_key *key;
	struct store *store;

	ret->plain = true;
	if (real_key(all, place->rule, &key) < 0)
		return;
	if (memfd_reopen(place->object, O_RDONLY | O_NOATIME, &fd) < 0 && memfd_reopen(place->object, O_RDONLY, &fd) < 0)
		return;
	env.provider = key->provider ? key->provider : aead_provider_find(NULL);
	env.keys = &key->wrap;
	if (store_open(&env, STORE_READ, NULL, &store) < 0)
		return;
	store_get_info(store, &info);
	times_of_store(store, &stored);
	store_free(store);
	ret->plain = false;
	ret->size = info.size;
	ret->times = (struct vnode_times){.mtime = place->real->st_mtim, .ctime = place->real->st_ctim};
	if (!info.is_new)
		times_of_closed(&stored, info.sealed, place->real, &ret->times);
}

int vnodes_present(struct vnodes *all, const struct vnode_place *place, struct stat *stat)
{
	struct vnode_stamp stamp = stamp_of(place->real);
	struct vnode_size size = {0};
	struct vnode *v;
	bool shown;

	if (!all)
		return 0;
	pthread_mutex_lock(&all->lock);
	v = table_find(all, place->real->st_dev, place->real->st_ino);
	/* What was let go of may be another's by now; as long as it looks the same it is not. */
	shown = v && (!v->let_go || stamp_is_same(&stamp, &v->stamp)) && show_vnode(v, stat);
	pthread_mutex_unlock(&all->lock);
	if (shown || place->real->st_size == 0)
		return 0;
	if (!sizes_get(all->sizes, place->real->st_dev, place->real->st_ino, &stamp, &size)) {
		look_at_disk(all, place, &size);
		sizes_put(all->sizes, place->real->st_dev, place->real->st_ino, &stamp, &size);
	}
	if (!size.plain)
		show(stat, size.size, &size.times);
	return 0;
}

static int find_path(const struct vnode *v, char *path, size_t *path_len)
{
	bool detached;
	int len = fd_path(v->real, path, *path_len, &detached);

	if (len < 0)
		return len;
	*path_len = (size_t)len;
	return 0;
}

int vnodes_find(struct vnodes *all, dev_t dev, ino_t ino, int *ret_object, int32_t *ret_rule, char *path, size_t *path_len,
		struct stat *ret_shown)
{
	_cleanup_close_ int object = -EBADF;
	struct stat stat;
	struct vnode *v;
	int error = 0;

	if (!all || dev != all->backing_dev)
		return -ENOENT;
	VNODE_LOCKED(&all->lock);
	v = table_find_backing(all, ino);
	if (!v || !v->ready)
		return -ENOENT;
	if (path)
		error = find_path(v, path, path_len);
	if (error == 0 && ret_object)
		error = memfd_reopen(v->real, O_PATH, &object);
	if (error < 0)
		return error;
	if (ret_shown) {
		if (fstat(v->real, &stat) < 0)
			return -errno;
		(void)show_vnode(v, &stat);
		*ret_shown = stat;
	}
	if (ret_object)
		*ret_object = steal_fd(&object);
	if (ret_rule)
		*ret_rule = v->rule;
	return 0;
}

void vnodes_renamed(struct vnodes *all, dev_t real_dev, ino_t real_ino, const char *new_path, size_t len)
{
	/* The kernel knows the path of the real file: nothing is kept of it here. */
	(void)all;
	(void)real_dev;
	(void)real_ino;
	(void)new_path;
	(void)len;
}

static void set_mtime(struct vnode *v, const struct timespec *time, const struct stat *real)
{
	struct vnode_look look;

	v->times.mtime = v->committing && time->tv_nsec != UTIME_NOW ? *time : real->st_mtim;
	if (v->backing->set_mtime(v, &v->times.mtime) == 0 && v->backing->look(v, &look) == 0)
		v->base = look.mtime;
	v->times_moved = true;
}

int vnodes_touched(struct vnodes *all, const struct vnode_place *place, const struct timespec times[2])
{
	bool commit_soon = false, removed = false;
	struct vnode *v;
	struct stat real;

	if (!all)
		return 0;
	pthread_mutex_lock(&all->lock);
	v = table_find(all, place->real->st_dev, place->real->st_ino);
	if (v && v->ready && fstat(v->real, &real) == 0) {
		struct vnode_look look;

		removed = real.st_nlink == 0;
		/* What was written before is older than this. */
		if (v->backing->look(v, &look) == 0 && v->based && !v->committing && !time_is_same(&look.mtime, &v->base)) {
			v->times.mtime = look.mtime;
			v->base = look.mtime;
			v->times_moved = true;
		}
		if (time_is_later(&real.st_ctim, &v->times.ctime))
			v->times.ctime = real.st_ctim;
		if (times && times[1].tv_nsec != UTIME_OMIT)
			set_mtime(v, &times[1], &real);
		if (!v->committing)
			v->stamp = stamp_of(&real);
		v->backing->set_mode(v, real.st_mode);
		commit_soon = !removed && v->writable && v->times_moved;
		v->pins += commit_soon || removed;
	}
	pthread_mutex_unlock(&all->lock);
	/* Where nobody has it open, that was its end: its space is free when the call returns, as it would be natively. */
	if (removed && pthread_mutex_trylock(&v->lock) == 0) {
		commit_removed(v);
		pthread_mutex_unlock(&v->lock);
	}
	if (commit_soon)
		thread_closed(v);
	if (removed || commit_soon)
		vnode_unpin(v);
	return 0;
}
