/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the kernel's queue into the pipe. Events keep their form; each is a packet, so that a read never gets a part of the
 * next one.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vfs/watch/internal.h"

#define READS_MAX 16u /* of the source at a time: a storm of events keeps nobody here for ever */

/* fs/notify/inotify/inotify_fsnotify.c: event_compare(): the cookie does not count. */
static bool is_same(const char *a, size_t a_len, const char *b, size_t b_len)
{
	struct inotify_event old, new;

	if (a_len != b_len || a_len < sizeof(old))
		return false;
	memcpy(&old, a, sizeof(old));
	memcpy(&new, b, sizeof(new));
	return !(old.mask & IN_IGNORED) && old.mask == new.mask && old.wd == new.wd && old.len == new.len &&
	       memcmp(a + sizeof(old), b + sizeof(new), old.len) == 0;
}

/* The last event has not been read yet. */
static bool last_is_unread(const struct queue *queue)
{
	int unread = 0;

	return queue->last_len && ioctl(queue->pipe, FIONREAD, &unread) == 0 && unread > 0;
}

/* False: there is no room. */
static bool write_due(struct queue *queue)
{
	if (!queue->due_len)
		return true;
	if (is_same(queue->last, queue->last_len, queue->due, queue->due_len) && last_is_unread(queue)) {
		queue->due_len = 0;
		return true;
	}
	while (write(queue->pipe, queue->due, queue->due_len) < 0) {
		if (errno == EINTR)
			continue;
		if (errno == EAGAIN) {
			queue->full = true;
			return false;
		}
		queue->ended = true;
		return false;
	}
	memcpy(queue->last, queue->due, queue->due_len);
	queue->last_len = queue->due_len;
	queue->due_len = 0;
	return true;
}

/* May EVENT be told? What it does to its watch is done. */
static bool take(struct queue *queue, const struct inotify_event *event)
{
	struct watch *watch;

	if (event->mask & IN_Q_OVERFLOW)
		return true;
	watch = watch_find(queue, event->wd);
	if (!watch)
		return false;
	if (event->mask & IN_IGNORED) {
		watch_drop(queue, event->wd);
		return true;
	}
	if (watch->spent || !sift_shows(queue->all, watch, event->len ? event->name : NULL))
		return false;
	if (watch->once) {
		watch->spent = true;
		(void)inotify_rm_watch(queue->source, event->wd);
	}
	return true;
}

void feed(struct queue *queue)
{
	unsigned reads = 0;

	queue->full = false;
	while (!queue->ended && write_due(queue)) {
		const struct inotify_event *event;
		size_t size;
		ssize_t n;

		if (queue->at == queue->len) {
			if (reads++ == READS_MAX)
				break;
			n = read(queue->source, queue->events, sizeof(queue->events));
			if (n < 0 && errno == EINTR)
				continue;
			if (n <= 0)
				break;
			queue->at = 0;
			queue->len = (size_t)n;
		}
		event = (const void *)(queue->events + queue->at);
		size = sizeof(*event) + event->len;
		queue->at += size;
		if (size > sizeof(queue->due) || !take(queue, event))
			continue;
		memcpy(queue->due, event, size);
		queue->due_len = size;
	}
	queue_wait_for(queue);
}
