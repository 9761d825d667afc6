/* SPDX-License-Identifier: Apache-2.0 */
/* From the disk to the backing: all of a file, nothing of it, or its end. */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "vfs/vnode/internal.h"

void load_undo(struct vnode *v)
{
	thread_unwatch(v);
	pthread_mutex_lock(&v->all->lock);
	thread_unwatch_real(v);
	table_drop_backing(v);
	v->all->total -= v->charged;
	v->charged = 0;
	pthread_mutex_unlock(&v->all->lock);
	v->backing->drop(v);
	store_free(TAKE_PTR(v->store));
	changes_forget(v);
	v->real = safe_close(v->real);
	v->real_writes = v->version_known = v->just_made = v->based = false;
}

/* All of the store's content is one chunk: writing that makes the backing as long as it is. */
static bool is_one_chunk(struct vnode *v, uint64_t size)
{
	struct store_info info;
	uint64_t data;

	store_get_info(v->store, &info);
	return size <= UINT64_C(1) << info.chunk_shift && store_seek_data(v->store, 0, &data) == 0 && data == 0;
}

/* The first SIZE bytes of the store into the new backing behind FD. */
static int fill(struct vnode *v, int fd, uint64_t size, bool with_content)
{
	int64_t n = 0;

	if (size && !(with_content && is_one_chunk(v, size)) && ftruncate(fd, (off_t)size) < 0)
		return -errno;
	if (size && with_content)
		n = store_copy_out(v->store, fd, 0, size, 0);
	return n < 0 ? (int)n : 0;
}

/* Each later write will move the backing's mtime away from what it is set to here. */
static int set_base(struct vnode *v)
{
	struct vnode_look look;
	struct timespec mtime;
	int error;

	pthread_mutex_lock(&v->all->lock);
	mtime = v->times.mtime;
	pthread_mutex_unlock(&v->all->lock);
	error = v->backing->set_mtime(v, &mtime);
	if (error == 0)
		error = v->backing->look(v, &look);
	if (error < 0)
		return error;
	pthread_mutex_lock(&v->all->lock);
	v->base = look.mtime;
	v->based = true;
	pthread_mutex_unlock(&v->all->lock);
	return 0;
}

static int note_times(struct vnode *v, bool write, bool fresh)
{
	struct stat real;

	if (fstat(v->real, &real) < 0)
		return -errno;
	if (real.st_mode & 0111)
		v->backing->set_mode(v, real.st_mode);
	pthread_mutex_lock(&v->all->lock);
	times_loaded(v, &real, fresh);
	pthread_mutex_unlock(&v->all->lock);
	v->nameless = real.st_nlink == 0;
	/* What nobody can write to is left for when somebody can. */
	return write ? set_base(v) : 0;
}

static int make_backing(struct vnode *v, uint64_t size, bool with_content)
{
	_cleanup_close_ int fd = -EBADF;
	int error = warm_charge(v, size);

	if (error == 0)
		error = v->backing->make(v, &fd);
	return error < 0 ? error : fill(v, fd, size, with_content);
}

static int load_first(struct vnode *v, const struct vnode_place *place, int flags, bool made)
{
	bool write = made || vnode_wants_write(flags), tail = !made && vnode_wants_tail(flags);
	bool empty = made || flags & O_TRUNC;
	uint64_t size = 0;
	int error = real_open(v, place->object, write, made);

	if (error == 0 && !made)
		error = real_start(v, place, write);
	if (error == 0 && !empty)
		size = store_size(v->store);
	tail = tail && size > 0;
	if (error == 0)
		error = make_backing(v, size, !tail);
	if (error == 0 && empty && v->store)
		error = store_truncate(v->store, 0);
	if (error == 0)
		error = note_times(v, write, made);
	if (error == 0 && write && !tail)
		error = changes_note(v, size);
	if (error < 0) {
		load_undo(v);
		return error;
	}
	if (write)
		thread_watch(v, false);
	else
		store_free(TAKE_PTR(v->store));
	thread_watch_real(v);
	v->nameless = v->nameless && made;
	v->tail_from = size;
	v->committed_at = vnode_now();
	pthread_mutex_lock(&v->all->lock);
	v->ready = true;
	v->writable = write;
	v->tail = tail;
	pthread_mutex_unlock(&v->all->lock);
	return 0;
}

static int become_writable(struct vnode *v)
{
	int error = real_upgrade(v);

	if (error < 0)
		return error;
	error = real_start(v, NULL, true);
	if (error == 0)
		error = changes_note(v, store_size(v->store));
	if (error == 0 && !v->based)
		error = set_base(v);
	if (error < 0) {
		store_free(TAKE_PTR(v->store));
		if (error == -ESTALE)
			real_unlock(v);
		else
			real_downgrade(v);
		return error;
	}
	thread_watch(v, false);
	v->committed_at = vnode_now();
	pthread_mutex_lock(&v->all->lock);
	v->writable = true;
	pthread_mutex_unlock(&v->all->lock);
	return 0;
}

/*
 * What is before the end of a tail-only file, while others go on appending: what stands in the store does not change meanwhile,
 * and behind it nothing is written here.
 */
int load_rest(struct vnode *v)
{
	_cleanup_close_ int fd = -EBADF;
	struct vnode_look look;
	int64_t n;
	int error;

	if (!v->tail)
		return 0;
	error = v->backing->look(v, &look);
	if (error == 0)
		error = changes_write(v, look.size);
	if (error == 0)
		error = v->backing->fill(v, &fd);
	if (error < 0)
		return error;
	n = store_copy_out(v->store, fd, 0, v->tail_from, 0);
	if (n < 0)
		return (int)n;
	/* That was no change of the program's. */
	pthread_mutex_lock(&v->all->lock);
	if (time_is_same(&look.mtime, &v->base))
		(void)v->backing->set_mtime(v, &v->base);
	else
		(void)v->backing->set_mtime(v, &look.mtime);
	pthread_mutex_unlock(&v->all->lock);
	error = changes_note(v, v->tail_from);
	if (error < 0)
		return error;
	pthread_mutex_lock(&v->all->lock);
	v->tail = false;
	pthread_mutex_unlock(&v->all->lock);
	return 0;
}

int load_for(struct vnode *v, const struct vnode_place *place, int flags, bool made)
{
	int error;

	if (v->error)
		return v->error;
	if (!v->ready)
		return load_first(v, place, flags, made);
	if (v->let_go) {
		error = real_take_back(v);
		if (error < 0)
			return error;
	}
	if (v->tail && !vnode_wants_tail(flags)) {
		error = load_rest(v);
		if (error < 0)
			return error;
	}
	return vnode_wants_write(flags) && !v->writable ? become_writable(v) : 0;
}
