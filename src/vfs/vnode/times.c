/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mtime and ctime as the program moves them: docs/CRYPT.md. A vnode has the times that are right for one state of the real
 * file (`stamp`) and of the backing (`base`). Moves of the backing's mtime since are writes; moves of the real file's
 * ctime since are chmod and the like, and of its mtime utimensat(2), by whomever.
 */
#include <sys/stat.h>

#include "vfs/vnode/internal.h"

/*
 * Seconds from a program's last change to the last write-back of it, at most: the timer commits after 5 and makes that durable
 * and sealed after 5 more.
 */
#define SLACK 15

bool time_is_same(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

bool time_is_later(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec > b->tv_sec : a->tv_nsec > b->tv_nsec;
}

struct vnode_stamp stamp_of(const struct stat *real)
{
	return (struct vnode_stamp){.size = real->st_size, .mtime = real->st_mtim, .ctime = real->st_ctim};
}

bool stamp_is_same(const struct vnode_stamp *a, const struct vnode_stamp *b)
{
	return a->size == b->size && time_is_same(&a->mtime, &b->mtime) && time_is_same(&a->ctime, &b->ctime);
}

void times_of_store(const struct store *store, struct vnode_times *ret)
{
	struct store_time mtime, ctime;

	store_get_times(store, &mtime, &ctime);
	ret->mtime = (struct timespec){.tv_sec = mtime.sec, .tv_nsec = mtime.nsec};
	ret->ctime = (struct timespec){.tv_sec = ctime.sec, .tv_nsec = ctime.nsec};
}

/* File systems that count in seconds cut the rest. */
static bool is_set_to(const struct timespec *real, const struct timespec *stored)
{
	return real->tv_sec == stored->tv_sec && (real->tv_nsec == stored->tv_nsec || real->tv_nsec == 0);
}

void times_of_closed(const struct vnode_times *stored, bool sealed, const struct stat *real, struct vnode_times *ret)
{
	bool soon = real->st_ctim.tv_sec - stored->ctime.tv_sec <= SLACK && real->st_ctim.tv_sec >= stored->ctime.tv_sec;

	*ret = (struct vnode_times){.mtime = real->st_mtim, .ctime = real->st_ctim};
	/* As a write-back leaves them; or one that was cut off before it set them. */
	if (soon && (is_set_to(&real->st_mtim, &stored->mtime) || (!sealed && time_is_same(&real->st_mtim, &real->st_ctim))))
		*ret = *stored;
	/* Nobody writes to what is gone: the last change was that its name was removed. */
	if (real->st_nlink == 0)
		ret->ctime = real->st_ctim;
}

void times_loaded(struct vnode *v, const struct stat *real, bool fresh)
{
	struct vnode_times stored;

	v->times = (struct vnode_times){.mtime = real->st_mtim, .ctime = real->st_ctim};
	v->stamp = stamp_of(real);
	if (fresh || !v->store || v->version.is_new)
		return;
	times_of_store(v->store, &stored);
	times_of_closed(&stored, v->version.sealed, real, &v->times);
}

void times_shown(const struct vnode *v, const struct stat *real, const struct vnode_look *look, struct vnode_times *ret)
{
	struct vnode_times t = v->times;
	struct vnode_stamp stamp = stamp_of(real);
	struct stat now;

	if (!v->committing && !stamp_is_same(&stamp, &v->stamp) && fstat(v->real, &now) == 0) {
		if (!time_is_same(&now.st_ctim, &v->stamp.ctime) && time_is_later(&now.st_ctim, &t.ctime))
			t.ctime = now.st_ctim;
		if (!time_is_same(&now.st_mtim, &v->stamp.mtime))
			t.mtime = now.st_mtim;
	}
	if (v->based && !time_is_same(&look->mtime, &v->base)) {
		t.mtime = look->mtime;
		if (time_is_later(&look->mtime, &t.ctime))
			t.ctime = look->mtime;
	}
	*ret = t;
}

void times_begin(struct vnode *v, const struct stat *real, const struct vnode_look *look)
{
	struct vnode_times now;

	times_shown(v, real, look, &now);
	if (!time_is_same(&now.mtime, &v->times.mtime) || !time_is_same(&now.ctime, &v->times.ctime) ||
	    !time_is_same(&look->mtime, &v->base))
		v->times_moved = true;
	v->times = now;
	v->base = look->mtime;
	v->committing = true;
}

void times_end(struct vnode *v)
{
	struct stat real;

	if (fstat(v->real, &real) == 0)
		v->stamp = stamp_of(&real);
	v->committing = false;
}
