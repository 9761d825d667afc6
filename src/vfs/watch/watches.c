/* SPDX-License-Identifier: Apache-2.0 */
/* The watches of a queue: what each is of, and what that is called by now. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "vfs/watch/internal.h"

/* Flags of inotify_add_watch(2) that are no events. */
#define NO_EVENTS (IN_ONLYDIR | IN_DONT_FOLLOW | IN_EXCL_UNLINK | IN_MASK_CREATE | IN_MASK_ADD | IN_ISDIR | IN_ONESHOT)

static struct watch **bucket(struct queue *queue, int wd)
{
	return &queue->watches[(unsigned)wd % WATCH_BUCKETS];
}

struct watch *watch_find(struct queue *queue, int wd)
{
	struct watch *watch = *bucket(queue, wd);

	while (watch && watch->wd != wd)
		watch = watch->next;
	return watch;
}

static void free_watch(struct watch *watch)
{
	free(watch->path);
	free(watch);
}

void watch_drop(struct queue *queue, int wd)
{
	for (struct watch **at = bucket(queue, wd); *at; at = &(*at)->next) {
		struct watch *watch = *at;

		if (watch->wd != wd)
			continue;
		*at = watch->next;
		free_watch(watch);
		return;
	}
}

void watches_free(struct queue *queue)
{
	for (size_t i = 0; i < WATCH_BUCKETS; i++)
		while (queue->watches[i]) {
			struct watch *watch = queue->watches[i];

			queue->watches[i] = watch->next;
			free_watch(watch);
		}
}

int queue_check(struct queue *queue, uint32_t mask)
{
	/* The kernel looks at the path last: with a bad one, any other error is about the rest. */
	if (inotify_add_watch(queue->source, (const char *)-1L, mask) >= 0 || errno == EFAULT)
		return 0;
	return -errno;
}

/* WATCH is of PLACE, with MASK as well, or with it alone. PATH is taken. */
static void set_up(struct watch *watch, const struct queue_place *place, uint32_t mask, char *path)
{
	bool adds = mask & IN_MASK_ADD;

	free(watch->path);
	watch->path = path;
	watch->path_len = place->path_len;
	watch->dev = place->stat->st_dev;
	watch->ino = place->stat->st_ino;
	watch->directory = S_ISDIR(place->stat->st_mode);
	watch->mask = (adds ? watch->mask : 0) | (mask & ~(uint32_t)NO_EVENTS);
	watch->once = (adds && watch->once) || (mask & IN_ONESHOT);
}

int queue_add(struct queue *queue, const struct queue_place *place, uint32_t mask)
{
	struct watch *fresh = calloc(1, sizeof(*fresh)), *watch;
	char *path = malloc(place->path_len + 1);
	int wd = -ENOMEM;

	if (!fresh || !path) {
		free(fresh);
		free(path);
		return wd;
	}
	memcpy(path, place->path, place->path_len);
	path[place->path_len] = '\0';
	pthread_mutex_lock(&queue->lock);
	/* The magic link itself has to be followed, and leads to a symlink without following that. */
	wd = inotify_add_watch(queue->source, place->name, watch_following(mask, IN_DONT_FOLLOW | IN_ONESHOT));
	if (wd < 0) {
		wd = -errno;
		free(path);
	} else {
		watch = watch_find(queue, wd);
		if (!watch) {
			watch = TAKE_PTR(fresh);
			watch->wd = wd;
			watch->next = *bucket(queue, wd);
			*bucket(queue, wd) = watch;
		}
		set_up(watch, place, mask, path);
	}
	pthread_mutex_unlock(&queue->lock);
	free(fresh);
	return wd;
}

int queue_remove(struct queue *queue, int wd)
{
	int error;

	pthread_mutex_lock(&queue->lock);
	/* What came before is told before. */
	feed(queue);
	error = inotify_rm_watch(queue->source, wd) < 0 ? -errno : 0;
	feed(queue);
	pthread_mutex_unlock(&queue->lock);
	return error;
}

/* PATH, if it is FROM or lies beneath it, with TO in its place; NULL: it is not, or there is no memory. */
static char *moved(const struct watch *watch, const char *from, const char *to, bool *ret_lost)
{
	size_t from_len = strlen(from), to_len = strlen(to), rest;
	char *path;

	if (watch->path_len < from_len || memcmp(watch->path, from, from_len) != 0 ||
	    (watch->path[from_len] != '/' && watch->path[from_len] != '\0'))
		return NULL;
	rest = watch->path_len - from_len;
	path = malloc(to_len + rest + 1);
	if (!path) {
		*ret_lost = true;
		return NULL;
	}
	memcpy(path, to, to_len);
	memcpy(path + to_len, watch->path + from_len, rest + 1);
	return path;
}

static void rename_watch(struct watch *watch, const char *from, const char *to, bool exchanged)
{
	bool lost = false;
	char *path = moved(watch, from, to, &lost);

	if (!path && !lost && exchanged)
		path = moved(watch, to, from, &lost);
	if (!path && !lost)
		return;
	free(watch->path);
	watch->path = path;
	watch->path_len = path ? strlen(path) : 0;
}

void queues_renamed(struct queues *queues, const char *from, const char *to, bool exchanged)
{
	if (!queues_any(queues))
		return;
	pthread_mutex_lock(&queues->lock);
	for (struct queue *queue = queues->first; queue; queue = queue->next) {
		pthread_mutex_lock(&queue->lock);
		/* What happened before happened under the old name. */
		feed(queue);
		for (size_t i = 0; i < WATCH_BUCKETS; i++)
			for (struct watch *watch = queue->watches[i]; watch; watch = watch->next)
				rename_watch(watch, from, to, exchanged);
		pthread_mutex_unlock(&queue->lock);
	}
	pthread_mutex_unlock(&queues->lock);
}
