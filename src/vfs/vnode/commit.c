/* SPDX-License-Identifier: Apache-2.0 */
/* From the backing to the disk: when, stands in docs/CRYPT.md. */
#include <errno.h>
#include <sys/stat.h>
#include <time.h>

#include "vfs/vnode/internal.h"

#define REMOVED_MAX (UINT64_C(1) << 20) /* bytes: what is longer and has no name any more goes when it would be finished */

/* The real file's mtime as it is shown, for who looks from outside. */
static void set_real_mtime(struct vnode *v)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}};

	pthread_mutex_lock(&v->all->lock);
	times[1] = v->times.mtime;
	pthread_mutex_unlock(&v->all->lock);
	(void)futimens(v->real, times);
}

/* What a commit that begins now will see; returns whether others may write meanwhile. */
static bool begin(struct vnode *v, const struct stat *real, const struct vnode_look *look)
{
	bool writers;

	/* Who is about to open it is counted, or comes later and sets `written` again. */
	pthread_mutex_lock(&v->all->lock);
	v->written = v->opening > 0;
	pthread_mutex_unlock(&v->all->lock);
	writers = v->backing->has_writers(v);
	pthread_mutex_lock(&v->all->lock);
	v->written = v->written || writers;
	times_begin(v, real, look);
	pthread_mutex_unlock(&v->all->lock);
	return writers;
}

static int put_times(struct vnode *v, bool was_dirty, bool *ret_moved)
{
	struct store_time mtime, ctime;
	bool dirty = store_is_dirty(v->store), moved;

	pthread_mutex_lock(&v->all->lock);
	/* Changed without a write: by stores to a mapping, whose first one alone may move the times. */
	if (dirty && !was_dirty && !v->times_moved) {
		clock_gettime(CLOCK_REALTIME_COARSE, &v->times.mtime);
		v->times.ctime = v->times.mtime;
		v->times_moved = true;
	}
	mtime = (struct store_time){.sec = v->times.mtime.tv_sec, .nsec = (uint32_t)v->times.mtime.tv_nsec};
	ctime = (struct store_time){.sec = v->times.ctime.tv_sec, .nsec = (uint32_t)v->times.ctime.tv_nsec};
	moved = v->times_moved;
	pthread_mutex_unlock(&v->all->lock);
	*ret_moved = moved;
	/* A file without a byte has no meta. */
	if (!moved || (!dirty && v->version.is_new && store_size(v->store) == 0))
		return 0;
	return store_set_times(v->store, &mtime, &ctime);
}

static void finish_times(struct vnode *v, bool set)
{
	if (set)
		set_real_mtime(v);
	pthread_mutex_lock(&v->all->lock);
	times_end(v);
	pthread_mutex_unlock(&v->all->lock);
}

static void set_error(struct vnode *v, int error)
{
	static const char note[] = "what was written is kept in memory; it is tried again every few seconds";

	pthread_mutex_lock(&v->all->lock);
	if (error < 0)
		v->written = true;
	pthread_mutex_unlock(&v->all->lock);
	if (v->error == error)
		return;
	if (error < 0)
		vnode_report_fd(v->all, v->real, error,
				error == -ESTALE ? "somebody else wrote to it: what was written here cannot be kept" : note);
	pthread_mutex_lock(&v->all->lock);
	v->error = error;
	pthread_mutex_unlock(&v->all->lock);
}

static int write_version(struct vnode *v, const struct vnode_look *look, const struct stat *real, enum commit_why why,
			 bool durable)
{
	bool was_dirty, writers, wrote, moved = false, set;
	int error = real_start(v, NULL, true);

	if (error < 0)
		return error;
	was_dirty = store_is_dirty(v->store);
	writers = begin(v, real, look);
	error = changes_write(v, look->size);
	if (error == 0)
		error = put_times(v, was_dirty, &moved);
	wrote = store_is_dirty(v->store);
	if (error == 0)
		error = store_commit(v->store, durable);
	if (error == 0) {
		real_note_version(v);
		v->just_made = false;
		pthread_mutex_lock(&v->all->lock);
		v->times_moved = false;
		pthread_mutex_unlock(&v->all->lock);
		if (durable)
			v->undurable_at = 0;
		else if (wrote && !v->undurable_at)
			v->undurable_at = vnode_now();
	}
	/* While somebody writes it would have to be set each time. */
	v->mtime_due = v->mtime_due || wrote || moved;
	set = error == 0 && v->mtime_due && (!writers || why == COMMIT_END);
	finish_times(v, set);
	v->mtime_due = v->mtime_due && !set;
	return error;
}

/* It has no name and gets none: nobody will ever read it from the disk. */
static bool is_lost(struct vnode *v, const struct stat *real, enum commit_why why)
{
	if (real->st_nlink > 0) {
		v->nameless = false;
		return false;
	}
	return !v->nameless || why != COMMIT_ASKED;
}

int commit(struct vnode *v, enum commit_why why, bool durable)
{
	uint64_t number = atomic_fetch_add(&v->commits, 1) + 1;
	struct vnode_look look;
	struct stat real;
	int error;

	v->committed_at = vnode_now();
	if (!v->writable)
		return 0;
	if (fstat(v->real, &real) < 0)
		return -errno;
	if (is_lost(v, &real, why)) {
		if (!v->nameless && v->error)
			set_error(v, 0);
		return 0;
	}
	error = v->backing->look(v, &look);
	if (error == 0)
		error = write_version(v, &look, &real, why, durable);
	set_error(v, error);
	if (error == 0 && durable)
		v->durable_commit = number;
	v->committed_at = vnode_now();
	return error;
}

/* Only a writer needs a store and hashes. */
static void end_writing(struct vnode *v)
{
	bool ended;

	pthread_mutex_lock(&v->all->lock);
	ended = !v->written && v->opening == 0;
	if (ended)
		v->writable = false;
	pthread_mutex_unlock(&v->all->lock);
	if (!ended)
		return;
	thread_unwatch(v);
	store_free(TAKE_PTR(v->store));
	changes_forget(v);
	real_downgrade(v);
}

/* Nobody has it open: its content goes, with what is not in the store (which nobody could read), or which can be loaded again. */
static void give_up(struct vnode *v)
{
	bool gone;

	pthread_mutex_lock(&v->all->lock);
	gone = v->opening == 0 && !v->backing->has_users(v);
	if (gone) {
		table_retire(v);
		v->written = false;
		v->error = 0;
	}
	pthread_mutex_unlock(&v->all->lock);
	if (!gone)
		return;
	if (v->writable)
		end_writing(v);
	real_unlock(v);
	/* If the caller's pin is the only one it goes with it, and with it the space of a file without a name; else soon. */
	pthread_mutex_lock(&v->all->lock);
	if (v->pins == 1)
		v->ready = v->writable;
	pthread_mutex_unlock(&v->all->lock);
}

/* All that the program wrote to it is in a version. The removal itself has moved ctime: that is nothing to be kept. */
static int write_rest(struct vnode *v, const struct stat *real)
{
	struct vnode_look look;
	bool moved;
	int error = v->backing->look(v, &look);

	if (error == 0)
		error = look.size > REMOVED_MAX ? -EFBIG : real_start(v, NULL, true);
	if (error == 0)
		error = changes_write(v, look.size);
	if (error < 0)
		return error;
	pthread_mutex_lock(&v->all->lock);
	moved = !time_is_same(&look.mtime, &v->base);
	pthread_mutex_unlock(&v->all->lock);
	return moved || store_is_dirty(v->store) ? write_version(v, &look, real, COMMIT_CLOSED, false) : 0;
}

void commit_removed(struct vnode *v)
{
	struct stat real;

	if (!v->ready || v->error || fstat(v->real, &real) < 0 || real.st_nlink > 0 || v->backing->has_users(v))
		return;
	if (!v->writable || write_rest(v, &real) == 0)
		give_up(v);
}

static bool is_written(struct vnode *v)
{
	VNODE_LOCKED(&v->all->lock);
	return v->written;
}

static int seal(struct vnode *v)
{
	int error;

	if (!v->store || v->version.is_new || v->version.sealed)
		return 0;
	pthread_mutex_lock(&v->all->lock);
	v->committing = true;
	pthread_mutex_unlock(&v->all->lock);
	error = store_seal(v->store);
	real_note_version(v);
	finish_times(v, true);
	set_error(v, error);
	return error;
}

int commit_finish(struct vnode *v)
{
	struct stat real;
	int error;

	if (!v->writable)
		return 0;
	if (fstat(v->real, &real) < 0)
		return -errno;
	if (real.st_nlink == 0 || v->error == -ESTALE) {
		give_up(v);
		return 0;
	}
	error = commit(v, COMMIT_CLOSED, true);
	/* An event of before may have come late. */
	if (error == 0 && is_written(v))
		error = commit(v, COMMIT_CLOSED, true);
	if (error < 0 || is_written(v))
		return error;
	error = seal(v);
	if (error < 0)
		return error;
	(void)real_record(v);
	if (v->tail)
		give_up(v);
	else
		end_writing(v);
	return 0;
}
