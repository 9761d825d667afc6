/* SPDX-License-Identifier: Apache-2.0 */
/* A cache of a fixed size: sets of a few entries, of which the one that was put there first makes room. */
#include <errno.h>
#include <stdlib.h>

#include "vfs/vnode/internal.h"

#define SETS 4096u
#define WAYS 4u

struct known_size {
	bool used;
	dev_t dev;
	ino_t ino;
	struct vnode_stamp stamp;
	struct vnode_size size;
};

struct size_set {
	struct known_size ways[WAYS];
	unsigned next;
};

struct vnode_sizes {
	pthread_mutex_t lock;
	struct size_set *sets;
};

int sizes_new(struct vnode_sizes **ret)
{
	struct vnode_sizes *sizes = calloc(1, sizeof(*sizes));

	if (!sizes)
		return -ENOMEM;
	/* Not touched before it is used. */
	sizes->sets = calloc(SETS, sizeof(*sizes->sets));
	if (!sizes->sets) {
		free(sizes);
		return -ENOMEM;
	}
	pthread_mutex_init(&sizes->lock, NULL);
	*ret = sizes;
	return 0;
}

struct vnode_sizes *sizes_free(struct vnode_sizes *sizes)
{
	if (!sizes)
		return NULL;
	pthread_mutex_destroy(&sizes->lock);
	free(sizes->sets);
	free(sizes);
	return NULL;
}

static struct size_set *set_of(struct vnode_sizes *sizes, dev_t dev, ino_t ino)
{
	/* Neighbours stay neighbours: files of one directory mostly are, and so touch few pages of the table. */
	return &sizes->sets[((uint64_t)ino + (uint64_t)dev * 31) % SETS];
}

static struct known_size *find(struct size_set *set, dev_t dev, ino_t ino)
{
	for (unsigned i = 0; i < WAYS; i++)
		if (set->ways[i].used && set->ways[i].ino == ino && set->ways[i].dev == dev)
			return &set->ways[i];
	return NULL;
}

bool sizes_get(struct vnode_sizes *sizes, dev_t dev, ino_t ino, const struct vnode_stamp *stamp, struct vnode_size *ret)
{
	struct known_size *entry;

	VNODE_LOCKED(&sizes->lock);
	entry = find(set_of(sizes, dev, ino), dev, ino);
	if (!entry || !stamp_is_same(&entry->stamp, stamp))
		return false;
	*ret = entry->size;
	return true;
}

void sizes_put(struct vnode_sizes *sizes, dev_t dev, ino_t ino, const struct vnode_stamp *stamp, const struct vnode_size *size)
{
	struct size_set *set = set_of(sizes, dev, ino);
	struct known_size *entry;

	VNODE_LOCKED(&sizes->lock);
	entry = find(set, dev, ino);
	if (!entry) {
		entry = &set->ways[set->next];
		set->next = (set->next + 1) % WAYS;
	}
	*entry = (struct known_size){.used = true, .dev = dev, .ino = ino, .stamp = *stamp, .size = *size};
}
