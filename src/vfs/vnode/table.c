/* SPDX-License-Identifier: Apache-2.0 */
/* Which vnodes there are. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "vfs/vnode/internal.h"

static unsigned bucket(uint64_t a, uint64_t b)
{
	return (unsigned)(((a * 31 + b) * 0x9e3779b97f4a7c15u) >> 52) % VNODE_BUCKETS;
}

struct vnode *table_find(struct vnodes *all, dev_t real_dev, ino_t real_ino)
{
	struct vnode *v = all->by_real[bucket(real_ino, real_dev)];

	while (v && !(v->real_ino == real_ino && v->real_dev == real_dev))
		v = v->next_real;
	return v;
}

struct vnode *table_find_backing(struct vnodes *all, ino_t ino)
{
	struct vnode *v = all->by_backing[bucket(ino, 0)];

	while (v && v->backing_ino != ino)
		v = v->next_backing;
	return v;
}

struct vnode *table_find_watch(struct vnodes *all, int watch)
{
	struct vnode *v = all->by_watch[bucket((uint64_t)watch, 0)];

	while (v && v->watch != watch)
		v = v->next_watch;
	return v;
}

struct vnode *table_find_knock(struct vnodes *all, int watch)
{
	struct vnode *v = all->by_knock[bucket((uint64_t)watch, 0)];

	while (v && v->knock != watch)
		v = v->next_knock;
	return v;
}

static void age_remove(struct vnode *v)
{
	struct vnodes *all = v->all;

	*(v->older ? &v->older->newer : &all->oldest) = v->newer;
	*(v->newer ? &v->newer->older : &all->newest) = v->older;
	v->older = v->newer = NULL;
}

static void age_add(struct vnode *v)
{
	struct vnodes *all = v->all;

	v->older = all->newest;
	*(all->newest ? &all->newest->newer : &all->oldest) = v;
	all->newest = v;
	v->used_at = vnode_now();
}

void table_touch(struct vnode *v)
{
	if (v->all->newest != v) {
		age_remove(v);
		age_add(v);
	} else {
		v->used_at = vnode_now();
	}
}

static struct vnode *vnode_new(struct vnodes *all, const struct vnode_place *place)
{
	struct vnode *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	v->all = all;
	v->backing = &vnode_memfd;
	v->real_dev = place->real->st_dev;
	v->real_ino = place->real->st_ino;
	v->rule = place->rule;
	v->memfd = v->real = v->reader = -EBADF;
	v->watch = v->knock = -1;
	pthread_mutex_init(&v->lock, NULL);
	return v;
}

void vnode_free(struct vnode *v)
{
	v->backing->drop(v);
	store_free(v->store);
	safe_close(v->real);
	changes_forget(v);
	pthread_mutex_destroy(&v->lock);
	free(v);
}

int table_get(struct vnodes *all, const struct vnode_place *place, struct vnode **ret)
{
	struct vnode **link, *v;
	bool first = false;

	pthread_mutex_lock(&all->lock);
	v = table_find(all, place->real->st_dev, place->real->st_ino);
	if (!v) {
		v = vnode_new(all, place);
		if (!v) {
			pthread_mutex_unlock(&all->lock);
			return -ENOMEM;
		}
		link = &all->by_real[bucket(v->real_ino, v->real_dev)];
		v->next_real = *link;
		*link = v;
		v->current = true;
		age_add(v);
		first = all->count++ == 0;
	}
	v->pins++;
	pthread_mutex_unlock(&all->lock);
	if (first)
		thread_kick(all);
	*ret = v;
	return 0;
}

void table_add_backing(struct vnode *v)
{
	struct vnode **link = &v->all->by_backing[bucket(v->backing_ino, 0)];

	v->next_backing = *link;
	*link = v;
}

void table_add_watch(struct vnode *v)
{
	struct vnode **link = &v->all->by_watch[bucket((uint64_t)v->watch, 0)];

	v->next_watch = *link;
	*link = v;
}

void table_add_knock(struct vnode *v)
{
	struct vnode **link = &v->all->by_knock[bucket((uint64_t)v->knock, 0)];

	v->next_knock = *link;
	*link = v;
}

void table_drop_backing(struct vnode *v)
{
	struct vnode **link = &v->all->by_backing[bucket(v->backing_ino, 0)];

	if (!v->backing_ino)
		return;
	while (*link != v)
		link = &(*link)->next_backing;
	*link = v->next_backing;
	v->backing_ino = 0;
}

void table_drop_watch(struct vnode *v)
{
	struct vnode **link = &v->all->by_watch[bucket((uint64_t)v->watch, 0)];

	if (v->watch < 0)
		return;
	while (*link != v)
		link = &(*link)->next_watch;
	*link = v->next_watch;
	v->watch = -1;
}

void table_drop_knock(struct vnode *v)
{
	struct vnode **link = &v->all->by_knock[bucket((uint64_t)v->knock, 0)];

	if (v->knock < 0)
		return;
	while (*link != v)
		link = &(*link)->next_knock;
	*link = v->next_knock;
	v->knock = -1;
}

void table_retire(struct vnode *v)
{
	struct vnode **link = &v->all->by_real[bucket(v->real_ino, v->real_dev)];

	if (!v->current)
		return;
	thread_unwatch_real(v);
	while (*link != v)
		link = &(*link)->next_real;
	*link = v->next_real;
	v->current = false;
}

static void queue_remove(struct vnode *v)
{
	struct vnodes *all = v->all;
	struct vnode **link = &all->first_closed, *before = NULL;

	if (!v->is_closed_queued)
		return;
	while (*link != v) {
		before = *link;
		link = &(*link)->next_closed;
	}
	*link = v->next_closed;
	if (all->last_closed == v)
		all->last_closed = before;
	v->is_closed_queued = false;
}

void table_remove(struct vnode *v)
{
	struct vnodes *all = v->all;

	table_retire(v);
	queue_remove(v);
	table_drop_backing(v);
	table_drop_watch(v);
	thread_unwatch_real(v);
	age_remove(v);
	all->total -= v->charged;
	all->count--;
}

void vnode_unpin(struct vnode *v)
{
	struct vnodes *all = v->all;
	bool gone;

	pthread_mutex_lock(&all->lock);
	gone = atomic_fetch_sub(&v->pins, 1) == 1 && !v->ready;
	if (gone)
		table_remove(v);
	pthread_mutex_unlock(&all->lock);
	if (gone)
		vnode_free(v);
}

void vnode_unpin_ready(struct vnode *v)
{
	atomic_fetch_sub(&v->opening, 1);
	atomic_fetch_sub(&v->pins, 1);
}

int table_collect(struct vnodes *all, bool (*wanted)(const struct vnode *v, const void *data), const void *data,
		  struct vnode ***ret)
{
	struct vnode **list;
	int n = 0;

	VNODE_LOCKED(&all->lock);
	list = malloc((all->count + 1) * sizeof(struct vnode *));
	if (!list)
		return -ENOMEM;
	for (struct vnode *v = all->oldest; v; v = v->newer)
		if (v->ready && wanted(v, data)) {
			v->pins++;
			list[n++] = v;
		}
	*ret = list;
	return n;
}
