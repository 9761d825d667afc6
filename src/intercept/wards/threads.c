/* SPDX-License-Identifier: Apache-2.0 */
#include "intercept/wards/threads.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"

#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL
#endif

/* Numbers of threads that live together are near each other: they spread over the sets. */
#define SETS 128u
#define WAYS 4u
#define SHARED_MAX 64u

/* `tid` is 0: free. */
struct known {
	pid_t tid;
	int pidfd;
	struct creds *creds; /* NULL: not known */
	bool has_umask;
	mode_t umask;
	unsigned umask_age;
	uint64_t used;
};

struct set {
	pthread_mutex_t lock;
	uint64_t clock;
	struct known known[WAYS];
};

struct threads {
	_Atomic unsigned umask_age;
	/* Processes with several threads that change their mask; SHARED_MAX of them: all processes. */
	_Atomic unsigned shared_count;
	_Atomic pid_t shared[SHARED_MAX];
	struct set sets[SETS];
};

int threads_new(struct threads **ret)
{
	struct threads *threads = calloc(1, sizeof(*threads));

	if (!threads)
		return -ENOMEM;
	for (unsigned i = 0; i < SETS; i++)
		pthread_mutex_init(&threads->sets[i].lock, NULL);
	*ret = threads;
	return 0;
}

int threads_pidfd(pid_t tid)
{
	int pidfd = (int)syscall(SYS_pidfd_open, tid, PIDFD_THREAD);

	/* Of a leader the process's will do: its number is not given away before the process ends. */
	if (pidfd < 0 && errno == EINVAL)
		pidfd = (int)syscall(SYS_pidfd_open, tid, 0);
	return pidfd < 0 ? -errno : pidfd;
}

static void drop(struct known *known)
{
	safe_close(known->pidfd);
	creds_unref(known->creds);
	*known = (struct known){.pidfd = -EBADF};
}

static bool ended(int pidfd)
{
	struct pollfd polled = {.fd = pidfd, .events = POLLIN};

	return poll(&polled, 1, 0) != 0;
}

static struct set *lock_set(struct threads *threads, pid_t tid)
{
	struct set *set = &threads->sets[(unsigned)tid % SETS];

	pthread_mutex_lock(&set->lock);
	return set;
}

/* Under the lock. NULL: nothing is known of the thread that has this number now. */
static struct known *find(struct set *set, pid_t tid)
{
	for (unsigned i = 0; i < WAYS; i++) {
		struct known *known = &set->known[i];

		if (known->tid != tid)
			continue;
		if (ended(known->pidfd)) {
			drop(known);
			return NULL;
		}
		known->used = ++set->clock;
		return known;
	}
	return NULL;
}

/* Under the lock. Takes PIDFD over. NULL: its thread has ended, and the number may already be another's. */
static struct known *find_or_add(struct set *set, pid_t tid, int pidfd)
{
	struct known *known = ended(pidfd) ? NULL : find(set, tid);

	if (!known && !ended(pidfd)) {
		known = &set->known[0];
		for (unsigned i = 1; i < WAYS && known->tid; i++)
			if (!set->known[i].tid || set->known[i].used < known->used)
				known = &set->known[i];
		if (known->tid)
			drop(known);
		*known = (struct known){.tid = tid, .pidfd = pidfd, .used = ++set->clock};
		return known;
	}
	safe_close(pidfd);
	return known;
}

struct creds *threads_creds(struct threads *threads, pid_t tid)
{
	struct set *set = lock_set(threads, tid);
	const struct known *known = find(set, tid);
	struct creds *creds = known && known->creds ? creds_ref(known->creds) : NULL;

	pthread_mutex_unlock(&set->lock);
	return creds;
}

void threads_remember_creds(struct threads *threads, pid_t tid, int pidfd, struct creds *creds)
{
	struct set *set = lock_set(threads, tid);
	struct known *known = find_or_add(set, tid, pidfd);

	if (known) {
		creds_unref(known->creds);
		known->creds = creds_ref(creds);
	}
	pthread_mutex_unlock(&set->lock);
}

unsigned threads_umask_age(const struct threads *threads)
{
	return atomic_load(&threads->umask_age);
}

void threads_umasks_are_shared(struct threads *threads)
{
	atomic_store(&threads->shared_count, SHARED_MAX);
	atomic_fetch_add(&threads->umask_age, 1);
}

void threads_umask_changing(struct threads *threads, pid_t tid, pid_t tgid)
{
	struct set *set;

	if (tgid) {
		if (threads_umask_settled(threads, tgid)) {
			unsigned at = atomic_fetch_add(&threads->shared_count, 1);

			if (at < SHARED_MAX)
				atomic_store(&threads->shared[at], tgid);
			else
				atomic_store(&threads->shared_count, SHARED_MAX);
		}
		/* After that: who has asked before remembers something outdated. */
		atomic_fetch_add(&threads->umask_age, 1);
		return;
	}
	set = lock_set(threads, tid);
	for (unsigned i = 0; i < WAYS; i++)
		if (set->known[i].tid == tid)
			set->known[i].has_umask = false;
	pthread_mutex_unlock(&set->lock);
}

bool threads_umask_settled(const struct threads *threads, pid_t tgid)
{
	unsigned count = atomic_load(&threads->shared_count);

	for (unsigned i = 0; i < count && count < SHARED_MAX; i++)
		if (atomic_load(&threads->shared[i]) == tgid)
			return false;
	return count < SHARED_MAX;
}

bool threads_umask(struct threads *threads, pid_t tid, mode_t *ret)
{
	struct set *set = lock_set(threads, tid);
	const struct known *known = find(set, tid);
	bool is = known && known->has_umask && known->umask_age == threads_umask_age(threads);

	if (is)
		*ret = known->umask;
	pthread_mutex_unlock(&set->lock);
	return is;
}

void threads_remember_umask(struct threads *threads, pid_t tid, int pidfd, mode_t mask, unsigned age)
{
	struct set *set = lock_set(threads, tid);
	struct known *known = find_or_add(set, tid, pidfd);

	if (known) {
		known->has_umask = true;
		known->umask = mask;
		known->umask_age = age;
	}
	pthread_mutex_unlock(&set->lock);
}

void threads_forget(struct threads *threads, pid_t tid)
{
	struct set *set = lock_set(threads, tid);

	for (unsigned i = 0; i < WAYS; i++)
		if (set->known[i].tid == tid)
			drop(&set->known[i]);
	pthread_mutex_unlock(&set->lock);
}
