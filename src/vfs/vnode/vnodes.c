/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "crypt/init.h"
#include "vfs/overlay/memfd.h"
#include "vfs/vnode/internal.h"

#define VNODES_MAX 4096u
#define VNODES_MIN 16u

static uint64_t memory_size(void)
{
	long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);

	return pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size : UINT64_C(1) << 30;
}

static unsigned processors(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : n > CREW_MAX ? CREW_MAX : (unsigned)n;
}

static int find_backing_dev(dev_t *ret_dev)
{
	_cleanup_close_ int fd = -EBADF;
	struct stat stat;
	int error = memfd_new_program("scrim-crypt", &fd);

	if (error < 0)
		return error;
	if (fstat(fd, &stat) < 0)
		return -errno;
	*ret_dev = stat.st_dev;
	return 0;
}

static void cleanup_vnodes(struct vnodes **all)
{
	vnodes_free(*all);
}

static unsigned most_vnodes(void)
{
	struct rlimit limit;
	unsigned max = VNODES_MAX;

	/* Each takes two descriptors of ours: half of them is enough. */
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur / 4 < max)
		max = (unsigned)(limit.rlim_cur / 4);
	return max > VNODES_MIN ? max : VNODES_MIN;
}

int vnodes_new(const struct vnodes_config *config, struct vnodes **ret, struct errmsg *msg)
{
	_cleanup_(cleanup_vnodes) struct vnodes *all = NULL;
	struct policy_needs needs;
	int error;

	policy_needs(config->policy, &needs);
	if (!needs.crypt || !config->keys) {
		*ret = NULL;
		return 0;
	}
	all = calloc(1, sizeof(*all));
	if (!all)
		return errmsg_set(msg, -ENOMEM, "out of memory");
	pthread_mutex_init(&all->lock, NULL);
	all->config = *config;
	if (!all->config.file_max)
		all->config.file_max = memory_size() / 4;
	if (!all->config.total_max)
		all->config.total_max = memory_size() / 2;
	all->max = most_vnodes();
	all->spare_max = all->max / 32 < VNODE_SPARES ? all->max / 32 : VNODE_SPARES;
	error = find_backing_dev(&all->backing_dev);
	if (error < 0)
		return errmsg_set(msg, error, "encrypted files need files in memory (memfd_create): %s", strerror(-error));
	error = hasher_new(&all->hasher);
	if (error == 0)
		error = sizes_new(&all->sizes);
	if (error == 0)
		error = crew_new(processors(), &all->crew);
	if (error < 0)
		return errmsg_set(msg, error, "encrypted files cannot be served: %s", strerror(-error));
	*ret = TAKE_PTR(all);
	return 0;
}

int vnodes_start(struct vnodes *all)
{
	if (!all)
		return 0;
	/*
	 * What an encrypted file is opened with is some pieces of 10 to 200 KiB for a moment. Were they given back to the kernel
	 * each time, page tables would be most of the work (mallopt(3); of the whole process).
	 */
	(void)mallopt(M_MMAP_THRESHOLD, 1 << 20);
	(void)mallopt(M_TRIM_THRESHOLD, 8 << 20);
	(void)mallopt(M_TOP_PAD, 1 << 20);
	return thread_start(all);
}

static bool has_changes(const struct vnode *v, const void *data)
{
	(void)data;
	return v->writable || v->written;
}

static int flush_one(struct vnode *v)
{
	int error = 0;

	pthread_mutex_lock(&v->lock);
	/* A version is recorded when it is durable. */
	if (v->all->config.freshness && v->writable && !v->backing->has_writers(v))
		error = commit_finish(v);
	else
		error = commit(v, COMMIT_END, false);
	pthread_mutex_unlock(&v->lock);
	return error;
}

int vnodes_flush(struct vnodes *all)
{
	_cleanup_free_ struct vnode **list = NULL;
	int n, first = 0;

	if (!all)
		return 0;
	n = table_collect(all, has_changes, NULL, &list);
	for (int i = 0; i < n; i++) {
		int error = flush_one(list[i]);

		first = first ? first : error;
		vnode_unpin(list[i]);
	}
	return n < 0 ? n : first;
}

struct vnodes *vnodes_free(struct vnodes *all)
{
	if (!all)
		return NULL;
	thread_stop(all);
	(void)vnodes_flush(all);
	while (all->oldest) {
		struct vnode *v = all->oldest;

		thread_unwatch(v);
		pthread_mutex_lock(&all->lock);
		table_remove(v);
		pthread_mutex_unlock(&all->lock);
		vnode_free(v);
	}
	spares_free(all);
	thread_end(all);
	crew_free(all->crew);
	sizes_free(all->sizes);
	hasher_free(all->hasher);
	pthread_mutex_destroy(&all->lock);
	free(all);
	return NULL;
}

static struct vnode *pin_backing(struct vnodes *all, dev_t dev, ino_t ino)
{
	struct vnode *v;

	if (!all || dev != all->backing_dev)
		return NULL;
	VNODE_LOCKED(&all->lock);
	v = table_find_backing(all, ino);
	if (!v || !v->ready)
		return NULL;
	v->pins++;
	return v;
}

int vnodes_load(struct vnodes *all, dev_t dev, ino_t ino)
{
	struct vnode *v = pin_backing(all, dev, ino);
	int error;

	if (!v)
		return 0;
	pthread_mutex_lock(&v->lock);
	error = load_rest(v);
	pthread_mutex_unlock(&v->lock);
	vnode_unpin(v);
	return error;
}

/* Many who wait for the same vnode are content with one commit that began after they came. */
static int sync_one(struct vnode *v)
{
	uint64_t wanted = atomic_load(&v->commits) + 1;
	int error = 0;

	pthread_mutex_lock(&v->lock);
	if (v->durable_commit < wanted)
		error = commit(v, COMMIT_ASKED, true);
	pthread_mutex_unlock(&v->lock);
	return error;
}

int vnodes_sync(struct vnodes *all, dev_t dev, ino_t ino)
{
	struct vnode *v = pin_backing(all, dev, ino);
	int error;

	if (!v)
		return -ENOENT;
	error = sync_one(v);
	vnode_unpin(v);
	return error;
}

static bool is_on(const struct vnode *v, const void *data)
{
	const dev_t *dev = data;

	return (v->writable || v->written) && (!*dev || v->real_dev == *dev);
}

int vnodes_sync_all(struct vnodes *all, dev_t real_dev)
{
	_cleanup_free_ struct vnode **list = NULL;
	int n, first = 0;

	if (!all)
		return 0;
	n = table_collect(all, is_on, &real_dev, &list);
	for (int i = 0; i < n; i++) {
		int error = sync_one(list[i]);

		first = first ? first : error;
		vnode_unpin(list[i]);
	}
	return n < 0 ? n : first;
}
