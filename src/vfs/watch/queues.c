/* SPDX-License-Identifier: Apache-2.0 */
/* The queues of a view, and the thread that feeds them. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "vfs/watch/internal.h"

#define PIPE_SIZE  (64 * 4096) /* bytes; each event takes a page */
#define PUMPED_MAX 8u /* with more queues their readers wait for the thread */

/* What epoll tells: the queue's number and which of its two descriptors; 0 is the kick. */
enum { SIDE_SOURCE, SIDE_PIPE };

int queues_new(const struct policy *policy, const struct pins *pins, struct queues **ret)
{
	struct queues *queues = calloc(1, sizeof(*queues));

	if (!queues)
		return -ENOMEM;
	queues->policy = policy;
	queues->pins = pins;
	queues->epoll = queues->kick = -EBADF;
	queues->next_id = 1;
	pthread_mutex_init(&queues->lock, NULL);
	*ret = queues;
	return 0;
}

bool queues_any(const struct queues *queues)
{
	return queues && atomic_load_explicit(&queues->count, memory_order_relaxed) > 0;
}

static void free_queue(struct queue *queue)
{
	watches_free(queue);
	safe_close(queue->source);
	safe_close(queue->pipe);
	pthread_mutex_destroy(&queue->lock);
	free(queue);
}

void queue_put(struct queue *queue)
{
	struct queues *all = queue->all;
	bool last;

	pthread_mutex_lock(&all->lock);
	last = --queue->references == 0;
	pthread_mutex_unlock(&all->lock);
	if (last)
		free_queue(queue);
}

struct queue *queues_find(struct queues *queues, const struct stat *stat)
{
	struct queue *found = NULL;

	if (!queues_any(queues) || !S_ISFIFO(stat->st_mode))
		return NULL;
	pthread_mutex_lock(&queues->lock);
	for (struct queue *queue = queues->first; queue && !found; queue = queue->next)
		if (queue->pipe_ino == stat->st_ino && queue->pipe_dev == stat->st_dev)
			found = queue;
	if (found)
		found->references++;
	pthread_mutex_unlock(&queues->lock);
	return found;
}

bool queues_own(struct queues *queues, const struct stat *stat)
{
	struct queue *queue = queues_find(queues, stat);

	if (queue)
		queue_put(queue);
	return queue != NULL;
}

void queue_wait_for(struct queue *queue)
{
	struct epoll_event source = {.events = queue->full ? 0 : EPOLLIN, .data.u64 = queue->id << 1 | SIDE_SOURCE};
	struct epoll_event pipe = {.events = queue->full ? EPOLLOUT : 0, .data.u64 = queue->id << 1 | SIDE_PIPE};

	if (queue->waits_full == queue->full)
		return;
	queue->waits_full = queue->full;
	epoll_ctl(queue->all->epoll, EPOLL_CTL_MOD, queue->source, &source);
	epoll_ctl(queue->all->epoll, EPOLL_CTL_MOD, queue->pipe, &pipe);
}

static struct queue *find_id(struct queues *queues, uint64_t id)
{
	struct queue *queue;

	pthread_mutex_lock(&queues->lock);
	queue = queues->first;
	while (queue && queue->id != id)
		queue = queue->next;
	if (queue)
		queue->references++;
	pthread_mutex_unlock(&queues->lock);
	return queue;
}

/* Nobody can read it: out of the list. */
static void end_queue(struct queue *ended)
{
	struct queues *all = ended->all;

	epoll_ctl(all->epoll, EPOLL_CTL_DEL, ended->source, NULL);
	epoll_ctl(all->epoll, EPOLL_CTL_DEL, ended->pipe, NULL);
	pthread_mutex_lock(&all->lock);
	for (struct queue **at = &all->first; *at; at = &(*at)->next) {
		if (*at != ended)
			continue;
		*at = ended->next;
		ended->references--;
		atomic_fetch_sub(&all->count, 1);
		break;
	}
	pthread_mutex_unlock(&all->lock);
}

static void *run(void *data)
{
	struct queues *queues = data;

	prctl(PR_SET_NAME, "scrim-watch");
	while (!atomic_load(&queues->stop)) {
		struct epoll_event event;
		struct queue *queue;
		bool ended;

		/* One at a time: what comes behind it may be of a queue that it ends. */
		if (epoll_wait(queues->epoll, &event, 1, -1) != 1)
			continue;
		queue = event.data.u64 ? find_id(queues, event.data.u64 >> 1) : NULL;
		if (!queue)
			continue;
		pthread_mutex_lock(&queue->lock);
		if ((event.data.u64 & 1) == SIDE_PIPE && (event.events & EPOLLERR))
			queue->ended = true;
		else
			feed(queue);
		ended = queue->ended;
		pthread_mutex_unlock(&queue->lock);
		if (ended)
			end_queue(queue);
		queue_put(queue);
	}
	return NULL;
}

/* Needs the lock of all. */
static int start(struct queues *queues)
{
	struct epoll_event event = {.events = EPOLLIN};
	sigset_t every, before;
	int error = 0;

	if (queues->started)
		return 0;
	/* A pipe whose reader has gone says EPIPE; of the whole process. */
	signal(SIGPIPE, SIG_IGN);
	queues->epoll = epoll_create1(EPOLL_CLOEXEC);
	queues->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (queues->epoll < 0 || queues->kick < 0 || epoll_ctl(queues->epoll, EPOLL_CTL_ADD, queues->kick, &event) < 0)
		error = -errno;
	if (!error) {
		sigfillset(&every);
		pthread_sigmask(SIG_SETMASK, &every, &before);
		error = -pthread_create(&queues->thread, NULL, run, queues);
		pthread_sigmask(SIG_SETMASK, &before, NULL);
	}
	if (error < 0) {
		queues->epoll = safe_close(queues->epoll);
		queues->kick = safe_close(queues->kick);
		return error;
	}
	queues->started = true;
	return 0;
}

/* Needs the lock of all. The pipe is waited for from the beginning: its readers may go at once. */
static int enlist(struct queues *queues, struct queue *queue)
{
	struct epoll_event source = {.events = EPOLLIN}, pipe = {0};
	int error = start(queues);

	if (error)
		return error;
	queue->id = queues->next_id++;
	source.data.u64 = queue->id << 1 | SIDE_SOURCE;
	pipe.data.u64 = queue->id << 1 | SIDE_PIPE;
	if (epoll_ctl(queues->epoll, EPOLL_CTL_ADD, queue->source, &source) < 0 ||
	    epoll_ctl(queues->epoll, EPOLL_CTL_ADD, queue->pipe, &pipe) < 0)
		return -errno;
	queue->next = queues->first;
	queues->first = queue;
	atomic_fetch_add(&queues->count, 1);
	return 0;
}

static int make_pipe(struct queue *queue, bool nonblock, int *ret_fd)
{
	struct stat stat;
	int ends[2];

	if (pipe2(ends, O_DIRECT | O_CLOEXEC | (nonblock ? O_NONBLOCK : 0)) < 0)
		return -errno;
	queue->pipe = ends[1];
	if (fstat(ends[0], &stat) < 0 || fcntl(ends[1], F_SETFL, O_DIRECT | O_NONBLOCK) < 0) {
		safe_close(ends[0]);
		return -errno;
	}
	/* More if it may be: who reads much waits less often. The user's share (pipe(7)) stands this for all queues he may have. */
	(void)fcntl(ends[1], F_SETPIPE_SZ, PIPE_SIZE);
	queue->pipe_dev = stat.st_dev;
	queue->pipe_ino = stat.st_ino;
	*ret_fd = ends[0];
	return 0;
}

int queues_open(struct queues *queues, bool nonblock, int *ret_fd)
{
	struct queue *queue = calloc(1, sizeof(*queue));
	_cleanup_close_ int reader = -EBADF;
	int error = 0;

	if (!queue)
		return -ENOMEM;
	queue->all = queues;
	queue->references = 1;
	queue->pipe = -EBADF;
	pthread_mutex_init(&queue->lock, NULL);
	queue->source = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (queue->source < 0)
		error = -errno;
	if (!error)
		error = make_pipe(queue, nonblock, &reader);
	if (!error) {
		pthread_mutex_lock(&queues->lock);
		error = enlist(queues, queue);
		pthread_mutex_unlock(&queues->lock);
	}
	if (error) {
		free_queue(queue);
		return error;
	}
	*ret_fd = steal_fd(&reader);
	return 0;
}

void queues_pump(struct queues *queues)
{
	if (!queues_any(queues) || atomic_load_explicit(&queues->count, memory_order_relaxed) > PUMPED_MAX)
		return;
	pthread_mutex_lock(&queues->lock);
	for (struct queue *queue = queues->first; queue; queue = queue->next) {
		pthread_mutex_lock(&queue->lock);
		feed(queue);
		pthread_mutex_unlock(&queue->lock);
	}
	pthread_mutex_unlock(&queues->lock);
}

struct queues *queues_free(struct queues *queues)
{
	if (!queues)
		return NULL;
	if (queues->started) {
		atomic_store(&queues->stop, true);
		(void)eventfd_write(queues->kick, 1);
		pthread_join(queues->thread, NULL);
	}
	while (queues->first) {
		struct queue *queue = queues->first;

		queues->first = queue->next;
		queue_put(queue);
	}
	safe_close(queues->epoll);
	safe_close(queues->kick);
	pthread_mutex_destroy(&queues->lock);
	free(queues);
	return NULL;
}
