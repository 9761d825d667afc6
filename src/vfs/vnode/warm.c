/* SPDX-License-Identifier: Apache-2.0 */
/* How much stays in memory: of one file, of all, and of those that nobody has open. */
#include <errno.h>
#include <stdlib.h>

#include "vfs/vnode/internal.h"

#define KEEP_TIME  10000 /* ms after it was last seen open */
#define KEEP_BYTES (UINT64_C(64) << 20)
#define KEEP_COUNT 512u

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

/* Those closed ones that still have something to finish. */
static void finish_closed(struct vnodes *all)
{
	_cleanup_free_ struct vnode **list = NULL;
	int n = table_collect(all, is_finishable, NULL, &list);

	for (int i = 0; i < n; i++) {
		if (pthread_mutex_trylock(&list[i]->lock) == 0) {
			if (!list[i]->backing->has_writers(list[i]))
				(void)commit_finish(list[i]);
			pthread_mutex_unlock(&list[i]->lock);
		}
		vnode_unpin(list[i]);
	}
}

int warm_make_room(struct vnodes *all)
{
	unsigned count, opened;

	pthread_mutex_lock(&all->lock);
	count = all->count;
	opened = all->opened;
	pthread_mutex_unlock(&all->lock);
	if (count < all->max) {
		/* Many new ones since the clock last ticked. */
		if (count > opened + 2 * KEEP_COUNT && count % 64 == 0)
			thread_kick(all);
		return 0;
	}
	if (warm_sweep(all, true) == 0) {
		finish_closed(all);
		if (warm_sweep(all, true) == 0)
			return -ENFILE;
	}
	return 0;
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
