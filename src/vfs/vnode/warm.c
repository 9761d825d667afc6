/* SPDX-License-Identifier: Apache-2.0 */
/* How much stays in memory: of one file, of all, and of those that nobody has open. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "vfs/vnode/internal.h"

#define KEEP_TIME  10000 /* ms after it was last seen open */
#define KEEP_BYTES (UINT64_C(64) << 20)
#define KEEP_COUNT 512u
#define ROOM_TRIES 200
#define ROOM_WAIT  10000000 /* ns */
#define FINISH_COUNT 64u /* vnodes that are finished at once by who needs room */

/* What stat shows of it is known: for later. */
static void note_size(struct vnode *v)
{
	struct vnode_size size = {.times = v->times};
	struct vnode_look look;

	if (!v->current || v->tail || v->backing->look(v, &look) < 0)
		return;
	size.size = look.size;
	sizes_put(v->all->sizes, v->real_dev, v->real_ino, &v->stamp, &size);
}

unsigned warm_sweep(struct vnodes *all, bool force)
{
	struct vnode *gone = NULL, *older;
	int64_t now = vnode_now();
	unsigned kept = 0, dropped = 0;
	uint64_t bytes = 0;

	pthread_mutex_lock(&all->lock);
	all->opened = 0;
	for (struct vnode *v = all->newest; v; v = older) {
		older = v->older;
		if (!v->ready || v->pins > 0)
			continue;
		if (v->backing->has_users(v)) {
			v->used_at = now;
			all->opened++;
			continue;
		}
		if (v->writable || v->written || v->error)
			continue;
		kept++;
		bytes += v->charged;
		if (v->current && !force && now - v->used_at < KEEP_TIME && kept <= KEEP_COUNT && bytes <= KEEP_BYTES)
			continue;
		note_size(v);
		table_remove(v);
		v->older = gone;
		gone = v;
		dropped++;
	}
	pthread_mutex_unlock(&all->lock);
	while (gone) {
		older = gone->older;
		vnode_free(gone);
		gone = older;
	}
	return dropped;
}

static bool is_finishable(const struct vnode *v, const void *data)
{
	(void)data;
	return v->writable;
}

static bool try_finish(struct vnode *v, bool only_begin)
{
	bool closed = false;

	if (pthread_mutex_trylock(&v->lock) != 0)
		return false;
	if (v->writable && !v->backing->has_writers(v)) {
		closed = true;
		/* Let the disk begin with all of them before one is waited for. */
		if (only_begin)
			(void)sync_file_range(v->real, 0, 0, SYNC_FILE_RANGE_WRITE);
		else
			(void)commit_finish(v);
	}
	pthread_mutex_unlock(&v->lock);
	return closed;
}

/* Some closed ones, the oldest, that still have something to finish. */
static void finish_closed(struct vnodes *all)
{
	_cleanup_free_ struct vnode **list = NULL;
	int n = table_collect(all, is_finishable, NULL, &list), looked = 0;

	for (unsigned closed = 0; looked < n && closed < FINISH_COUNT; looked++)
		closed += try_finish(list[looked], true);
	for (int i = 0; i < looked; i++)
		(void)try_finish(list[i], false);
	for (int i = 0; i < n; i++)
		vnode_unpin(list[i]);
}

bool warm_is_crowded(struct vnodes *all)
{
	VNODE_LOCKED(&all->lock);
	return all->count > all->opened + 2 * KEEP_COUNT;
}

int warm_make_room(struct vnodes *all)
{
	bool full;

	pthread_mutex_lock(&all->lock);
	full = all->count >= all->max;
	pthread_mutex_unlock(&all->lock);
	if (!full)
		return 0;
	/* What the thread is at work on comes free in a moment. */
	for (int i = 0; i < ROOM_TRIES; i++) {
		if (warm_sweep(all, true) > 0)
			return 0;
		finish_closed(all);
		if (warm_sweep(all, true) > 0)
			return 0;
		nanosleep(&(struct timespec){.tv_nsec = ROOM_WAIT}, NULL);
	}
	return -ENFILE;
}

static bool fits(struct vnode *v, uint64_t size)
{
	struct vnodes *all = v->all;

	VNODE_LOCKED(&all->lock);
	if (all->total + size > all->config.total_max)
		return false;
	all->total += size;
	v->charged += size;
	return true;
}

int warm_charge(struct vnode *v, uint64_t size)
{
	struct vnodes *all = v->all;

	if (size > all->config.file_max) {
		vnode_report_fd(all, v->real, -EFBIG, "larger than memfd.max: a file is decrypted into memory as a whole");
		return -EFBIG;
	}
	if (fits(v, size))
		return 0;
	(void)warm_sweep(all, true);
	if (fits(v, size))
		return 0;
	vnode_report_fd(all, v->real, -ENOMEM, "all encrypted files in use are together larger than memfd.total");
	return -ENOMEM;
}
