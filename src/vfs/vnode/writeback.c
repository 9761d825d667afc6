/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread that writes back: told by inotify(7) that a backing was closed by somebody who could write, and by the clock of
 * all else. What it does to one vnode it does under that one's lock, which it only waits for where something was closed.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "vfs/fdpath.h"
#include "vfs/vnode/internal.h"

#define TICK          1000 /* ms */
#define INTERVAL      5000 /* ms between commits of what stays open, and from a commit to a durable one */
#define GLANCE        25   /* ms between two looks at files that may be growing fast */
#define GLANCES       10   /* so often in vain, then no more */
#define GLANCED       32u  /* files, the last that were opened */
#define CLOSE_DELAY   5    /* ms: who opens it again at once does not wait for the disk, and has one commit for all */
#define EVENTS_DELAY  10   /* ms between two looks at what was closed: to be woken by each close costs who closes */
#define CLOSE_RETRIES 6    /* the event comes a moment before the description is gone */
#define LARGE         (UINT64_C(16) << 20) /* bytes: looked through every time only if its times have moved */
#define LARGE_TICKS   6

struct vnode_thread {
	pthread_t id;
	int inotify, kick;
	_Atomic bool stop;
	_Atomic unsigned glances; /* to come */
	int64_t next_tick, next_glance, next_events;
};

void thread_watch(struct vnode *v, bool size)
{
	struct vnode_thread *thread = v->all->thread;
	char name[FD_NAME_MAX];
	int watch;

	if (!thread || (v->watch >= 0 && v->watches_size == size))
		return;
	watch = inotify_add_watch(thread->inotify, fd_name(v->memfd, name), IN_CLOSE_WRITE | (size ? IN_MODIFY : 0));
	/* Without one (there are limits) the clock has to do. */
	if (watch < 0)
		return;
	pthread_mutex_lock(&v->all->lock);
	if (v->watch < 0) {
		v->watch = watch;
		table_add_watch(v);
	}
	v->watches_size = size;
	pthread_mutex_unlock(&v->all->lock);
}

void thread_unwatch(struct vnode *v)
{
	int watch;

	pthread_mutex_lock(&v->all->lock);
	watch = v->watch;
	table_drop_watch(v);
	v->watches_size = false;
	pthread_mutex_unlock(&v->all->lock);
	if (watch >= 0)
		inotify_rm_watch(v->all->thread->inotify, watch);
}

void thread_watch_real(struct vnode *v)
{
	struct vnode_thread *thread = v->all->thread;
	char name[FD_NAME_MAX];
	int watch;

	if (!thread || v->knock >= 0)
		return;
	watch = inotify_add_watch(thread->inotify, fd_name(v->real, name), IN_OPEN);
	if (watch < 0)
		return;
	/*
	 * An outdated vnode of the same file has the same watch: if it is given back just now this one is told of nobody, and only
	 * the clock lets go of it.
	 */
	VNODE_LOCKED(&v->all->lock);
	v->knock = watch;
	table_add_knock(v);
}

void thread_unwatch_real(struct vnode *v)
{
	int watch = v->knock;

	table_drop_knock(v);
	if (watch >= 0 && !table_find_knock(v->all, watch))
		inotify_rm_watch(v->all->thread->inotify, watch);
}

void thread_kick(struct vnodes *all)
{
	if (all->thread)
		(void)eventfd_write(all->thread->kick, 1);
}

/* A file above the limit grows no more. V is pinned; its own lock, which a long commit may hold, is not needed. */
static void check_size(struct vnode *v)
{
	struct vnodes *all = v->all;
	_cleanup_close_ int real = -EBADF;
	struct vnode_look look;

	pthread_mutex_lock(&all->lock);
	if (v->ready && v->backing->look(v, &look) == 0) {
		all->total += look.size - v->charged;
		v->charged = look.size;
		if (look.size > all->config.file_max && !v->stopped) {
			v->stopped = true;
			v->backing->stop_growth(v);
			real = fcntl(v->real, F_DUPFD_CLOEXEC, 0);
		}
	}
	pthread_mutex_unlock(&all->lock);
	if (real >= 0)
		vnode_report_fd(all, real, -EFBIG, "above memfd.max: it cannot grow any more while it is open");
}

void thread_expect(struct vnodes *all)
{
	unsigned none = 0;

	if (all->thread && atomic_load(&all->thread->glances) == 0 &&
	    atomic_compare_exchange_strong(&all->thread->glances, &none, GLANCES))
		thread_kick(all);
}

/* One of those used last that has become too long, or else much longer, pinned. */
static struct vnode *find_growing(struct vnodes *all)
{
	struct vnode *found = NULL;
	struct vnode_look look;
	unsigned n = 0;

	VNODE_LOCKED(&all->lock);
	for (struct vnode *v = all->newest; v && n < GLANCED; v = v->older, n++) {
		if (!v->ready || !v->writable || !v->written || v->backing->look(v, &look) < 0)
			continue;
		if (look.size > all->config.file_max && !v->stopped) {
			found = v;
			break;
		}
		if (!found && !v->tail && !v->error && changes_are_ahead(v, look.size))
			found = v;
	}
	if (found)
		found->pins++;
	return found;
}

static bool is_unwatched(const struct vnode *v, const void *data)
{
	(void)data;
	return v->writable && v->written && v->watch >= 0 && !v->watches_size && !v->stopped;
}

/* Nobody looks any more: the next write to any of them is told. */
static void watch_growth(struct vnodes *all)
{
	_cleanup_free_ struct vnode **list = NULL;
	int n = table_collect(all, is_unwatched, NULL, &list);

	for (int i = 0; i < n; i++) {
		if (pthread_mutex_trylock(&list[i]->lock) == 0) {
			thread_watch(list[i], true);
			check_size(list[i]);
			pthread_mutex_unlock(&list[i]->lock);
		}
		vnode_unpin(list[i]);
	}
}

/* Who writes much does not wait for all of it at the end, and not far beyond the limit. */
static void glance(struct vnodes *all)
{
	struct vnode *v = find_growing(all);
	struct vnode_look look;

	all->thread->next_glance = vnode_now() + GLANCE;
	if (!v) {
		if (atomic_fetch_sub(&all->thread->glances, 1) == 1)
			watch_growth(all);
		return;
	}
	atomic_store(&all->thread->glances, GLANCES);
	check_size(v);
	if (pthread_mutex_trylock(&v->lock) == 0) {
		/* What fails here fails at the commit again. */
		if (v->writable && !v->error && v->backing->look(v, &look) == 0 && changes_write_ahead(v, look.size) == 0)
			(void)sync_file_range(v->real, 0, 0, SYNC_FILE_RANGE_WRITE);
		pthread_mutex_unlock(&v->lock);
	}
	vnode_unpin(v);
}

static void queue(struct vnode *v, int64_t due)
{
	struct vnodes *all = v->all;

	if (v->is_closed_queued)
		return;
	v->is_closed_queued = true;
	v->closed_due = due;
	v->next_closed = NULL;
	*(all->last_closed ? &all->last_closed->next_closed : &all->first_closed) = v;
	all->last_closed = v;
}

void thread_closed(struct vnode *v)
{
	bool first;

	pthread_mutex_lock(&v->all->lock);
	first = !v->all->first_closed;
	v->written = true;
	v->closed_tries = 0;
	queue(v, vnode_now() + CLOSE_DELAY);
	pthread_mutex_unlock(&v->all->lock);
	if (first)
		thread_kick(v->all);
}

/* The first write since nobody looked: from now on we do, and events of each one are not needed. */
static void begin_to_look(struct vnode *v)
{
	struct vnodes *all = v->all;

	check_size(v);
	if (pthread_mutex_trylock(&v->lock) == 0) {
		thread_watch(v, false);
		pthread_mutex_unlock(&v->lock);
	}
	pthread_mutex_lock(&all->lock);
	table_touch(v);
	pthread_mutex_unlock(&all->lock);
	atomic_store(&all->thread->glances, GLANCES);
}

/* Somebody, perhaps another scrim, opened the real file of V: it shall not find it locked if nobody here uses it. */
static void answer_knock(struct vnode *v)
{
	/* Who has the lock is at work on it, or loads it. */
	if (pthread_mutex_trylock(&v->lock) != 0)
		return;
	if (v->ready && !v->let_go && !v->backing->has_writers(v)) {
		(void)commit_finish(v);
		if (v->ready && !v->writable)
			real_let_go(v);
	}
	pthread_mutex_unlock(&v->lock);
}

/* Events of one read. */
static void take_events(struct vnodes *all)
{
	char bytes[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t n = read(all->thread->inotify, bytes, sizeof(bytes));
	bool growing = false;

	for (ssize_t at = 0; at < n;) {
		const struct inotify_event *event = (const void *)(bytes + at);
		struct vnode *v, *grows = NULL, *knocked = NULL;

		at += (ssize_t)(sizeof(*event) + event->len);
		if (event->mask & IN_Q_OVERFLOW) {
			all->thread->next_tick = 0;
			continue;
		}
		pthread_mutex_lock(&all->lock);
		v = table_find_watch(all, event->wd);
		if (event->mask & IN_OPEN)
			knocked = table_find_knock(all, event->wd);
		if (knocked)
			knocked->pins++;
		if (v && event->mask & IN_CLOSE_WRITE) {
			v->written = true;
			v->closed_tries = 0;
			queue(v, vnode_now() + CLOSE_DELAY);
		} else if (v && event->mask & IN_MODIFY && v->watches_size) {
			grows = v;
			v->pins++;
		}
		pthread_mutex_unlock(&all->lock);
		if (grows) {
			growing = true;
			begin_to_look(grows);
			vnode_unpin(grows);
		}
		if (knocked) {
			answer_knock(knocked);
			vnode_unpin(knocked);
		}
	}
	if (!growing && n < (ssize_t)sizeof(bytes) / 2)
		all->thread->next_events = vnode_now() + EVENTS_DELAY;
}

/* The first of the queue, pinned, if it is due; else NULL and how long that takes: -1, for ever. */
static struct vnode *next_closed(struct vnodes *all, int *ret_wait)
{
	struct vnode *v;
	int64_t now = vnode_now();

	VNODE_LOCKED(&all->lock);
	v = all->first_closed;
	if (!v || v->closed_due > now) {
		*ret_wait = v ? (int)(v->closed_due - now) + 1 : -1;
		return NULL;
	}
	all->first_closed = v->next_closed;
	if (!all->first_closed)
		all->last_closed = NULL;
	v->is_closed_queued = false;
	v->pins++;
	return v;
}

static void handle_closed(struct vnode *v)
{
	bool again = false;

	pthread_mutex_lock(&v->lock);
	if (v->writable && v->backing->has_writers(v)) {
		pthread_mutex_lock(&v->all->lock);
		again = ++v->closed_tries <= CLOSE_RETRIES;
		if (again)
			queue(v, vnode_now() + (INT64_C(1) << v->closed_tries));
		pthread_mutex_unlock(&v->all->lock);
	} else {
		(void)commit(v, COMMIT_CLOSED, false);
		commit_removed(v);
	}
	pthread_mutex_unlock(&v->lock);
	vnode_unpin(v);
}

static bool needs_look(const struct vnode *v, const void *data)
{
	(void)data;
	return v->writable || v->written || v->error;
}

static bool is_quiet(struct vnode *v)
{
	struct vnode_look look;
	bool moved;

	if (v->backing->look(v, &look) < 0)
		return true;
	pthread_mutex_lock(&v->all->lock);
	moved = !time_is_same(&look.mtime, &v->base) || v->times_moved;
	pthread_mutex_unlock(&v->all->lock);
	if (moved || look.size < LARGE || ++v->quiet_ticks >= LARGE_TICKS) {
		v->quiet_ticks = 0;
		return false;
	}
	return true;
}

enum duty { DUTY_NONE, DUTY_COMMIT, DUTY_DURABLE, DUTY_FINISH };

/* What is to be done for V now. */
static enum duty duty_of(struct vnode *v, bool crowded)
{
	int64_t now = vnode_now(), since = now - v->committed_at;
	bool open, written;

	if (!v->writable)
		return DUTY_NONE;
	check_size(v);
	open = v->backing->has_writers(v);
	pthread_mutex_lock(&v->all->lock);
	written = v->written;
	pthread_mutex_unlock(&v->all->lock);
	if (v->error)
		return since < INTERVAL ? DUTY_NONE : v->error == -ESTALE ? DUTY_FINISH : DUTY_COMMIT;
	if (v->undurable_at && now - v->undurable_at >= INTERVAL)
		return open ? DUTY_DURABLE : DUTY_FINISH;
	if (!open)
		return written ? DUTY_COMMIT : crowded || since >= INTERVAL ? DUTY_FINISH : DUTY_NONE;
	return since >= INTERVAL && !is_quiet(v) ? DUTY_COMMIT : DUTY_NONE;
}

static void do_duty(struct vnode *v, enum duty duty)
{
	switch (duty) {
	case DUTY_COMMIT:
		(void)commit(v, COMMIT_TIMER, false);
		break;
	case DUTY_DURABLE:
		if (commit(v, COMMIT_TIMER, true) == 0)
			(void)real_record(v);
		break;
	case DUTY_FINISH:
		(void)commit_finish(v);
		break;
	case DUTY_NONE:
		break;
	}
}

static void tick(struct vnodes *all)
{
	_cleanup_free_ struct vnode **list = NULL;
	_cleanup_free_ unsigned char *duties = NULL;
	bool crowded = warm_is_crowded(all);
	int n = table_collect(all, needs_look, NULL, &list);

	duties = n > 0 ? calloc((size_t)n, 1) : NULL;
	for (int i = 0; duties && i < n; i++) {
		if (pthread_mutex_trylock(&list[i]->lock) != 0)
			continue;
		duties[i] = (unsigned char)duty_of(list[i], crowded);
		/* Let the disk begin with all of them before one is waited for. */
		if (duties[i] >= DUTY_DURABLE)
			(void)sync_file_range(list[i]->real, 0, 0, SYNC_FILE_RANGE_WRITE);
		pthread_mutex_unlock(&list[i]->lock);
	}
	for (int i = 0; i < n; i++) {
		if (duties && duties[i] && pthread_mutex_trylock(&list[i]->lock) == 0) {
			do_duty(list[i], duties[i]);
			pthread_mutex_unlock(&list[i]->lock);
		}
		vnode_unpin(list[i]);
	}
	(void)warm_sweep(all, false);
	all->thread->next_tick = vnode_now() + TICK;
}

static bool is_empty(struct vnodes *all)
{
	VNODE_LOCKED(&all->lock);
	return all->count == 0;
}

static void *run(void *data)
{
	struct vnodes *all = data;
	struct vnode_thread *thread = all->thread;

	(void)prctl(PR_SET_NAME, "write-back");
	while (!thread->stop) {
		struct pollfd fds[2] = {{.fd = thread->inotify, .events = POLLIN}, {.fd = thread->kick, .events = POLLIN}};
		struct vnode *closed;
		int64_t left, events;
		int wait = 0;

		while (!thread->stop && (closed = next_closed(all, &wait))) {
			handle_closed(closed);
			if (vnode_now() >= thread->next_tick)
				break;
		}
		if (!is_empty(all))
			spares_fill(all);
		left = thread->next_tick - vnode_now();
		if (left <= 0 && !is_empty(all)) {
			tick(all);
			continue;
		}
		if (atomic_load(&thread->glances) > 0) {
			int64_t until;

			if (thread->next_glance <= vnode_now())
				glance(all);
			until = thread->next_glance - vnode_now();
			left = left < until ? left : until;
		}
		if (!is_empty(all) && (wait < 0 || left < wait))
			wait = left > 0 ? (int)left : 0;
		events = thread->next_events - vnode_now();
		if (events > 0) {
			fds[0].events = 0;
			wait = wait < 0 || events < wait ? (int)events : wait;
		}
		if (poll(fds, 2, wait) <= 0)
			continue;
		if (fds[0].revents)
			take_events(all);
		if (fds[1].revents) {
			eventfd_t value;

			(void)eventfd_read(thread->kick, &value);
		}
	}
	return NULL;
}

static void thread_free(struct vnode_thread *thread)
{
	safe_close(thread->inotify);
	safe_close(thread->kick);
	free(thread);
}

int thread_start(struct vnodes *all)
{
	struct vnode_thread *thread = calloc(1, sizeof(*thread));
	sigset_t every, before;
	int error;

	if (!thread)
		return -ENOMEM;
	thread->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	thread->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (thread->inotify < 0 || thread->kick < 0) {
		error = -errno;
		thread_free(thread);
		return error;
	}
	all->thread = thread;
	sigfillset(&every);
	pthread_sigmask(SIG_SETMASK, &every, &before);
	error = -pthread_create(&thread->id, NULL, run, all);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error < 0) {
		all->thread = NULL;
		thread_free(thread);
	}
	return error;
}

void thread_stop(struct vnodes *all)
{
	struct vnode_thread *thread = all->thread;

	if (!thread)
		return;
	thread->stop = true;
	thread_kick(all);
	pthread_join(thread->id, NULL);
}

void thread_end(struct vnodes *all)
{
	if (all->thread)
		thread_free(TAKE_PTR(all->thread));
}
