/* SPDX-License-Identifier: Apache-2.0 */
#include "intercept/lent.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"

#define KEPT_SECONDS 1

/* One for each thread that is on its way back; few at a time. */
struct loan {
	struct loan *next;
	pid_t tid;
	struct seccomp_data data;
	int number;
	int copy;
	time_t since; /* CLOCK_MONOTONIC */
};

struct lent {
	_Atomic unsigned count;
	pthread_mutex_t lock;
	struct loan *first; /* by lock */
};

static time_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &time);
	return time.tv_sec;
}

int lent_new(struct lent **ret)
{
	struct lent *lent = calloc(1, sizeof(*lent));

	if (!lent)
		return -ENOMEM;
	pthread_mutex_init(&lent->lock, NULL);
	*ret = lent;
	return 0;
}

/* With the lock held. Returns the copy. */
static int take_out(struct lent *lent, struct loan **at)
{
	struct loan *loan = *at;
	int copy = loan->copy;

	*at = loan->next;
	free(loan);
	atomic_fetch_sub(&lent->count, 1);
	return copy;
}

/* With the lock held. */
static int take_out_of(struct lent *lent, pid_t tid, struct seccomp_data *ret_data, int *ret_number)
{
	for (struct loan **at = &lent->first; *at; at = &(*at)->next) {
		if ((*at)->tid == tid) {
			*ret_data = (*at)->data;
			*ret_number = (*at)->number;
			return take_out(lent, at);
		}
	}
	return -EBADF;
}

void lent_keep(struct lent *lent, const struct seccomp_notif *call, int number, int copy)
{
	struct loan *loan = malloc(sizeof(*loan));
	struct seccomp_data data;
	int old, old_number;

	if (!loan) {
		/* It will be lent again, when there may be memory. */
		safe_close(copy);
		return;
	}
	*loan = (struct loan){.tid = (pid_t)call->pid, .data = call->data, .number = number, .copy = copy, .since = now()};
	pthread_mutex_lock(&lent->lock);
	old = take_out_of(lent, loan->tid, &data, &old_number);
	loan->next = lent->first;
	lent->first = loan;
	atomic_fetch_add(&lent->count, 1);
	pthread_mutex_unlock(&lent->lock);
	safe_close(old);
}

bool lent_fetch(struct lent *lent, const struct seccomp_notif *call, int *ret_number, int *ret_copy)
{
	struct seccomp_data data;
	int copy, number;

	/* Kept before the caller was let go, whose notification comes after that: relaxed is enough. */
	if (atomic_load_explicit(&lent->count, memory_order_relaxed) == 0)
		return false;
	pthread_mutex_lock(&lent->lock);
	copy = take_out_of(lent, (pid_t)call->pid, &data, &number);
	pthread_mutex_unlock(&lent->lock);
	if (copy < 0)
		return false;
	if (memcmp(&data, &call->data, sizeof(data)) != 0) {
		safe_close(copy);
		return false;
	}
	*ret_number = number;
	*ret_copy = copy;
	return true;
}

bool lent_expire(struct lent *lent)
{
	bool left;

	if (atomic_load_explicit(&lent->count, memory_order_relaxed) == 0)
		return false;
	pthread_mutex_lock(&lent->lock);
	for (struct loan **at = &lent->first; *at;) {
		if (now() - (*at)->since > KEPT_SECONDS)
			safe_close(take_out(lent, at));
		else
			at = &(*at)->next;
	}
	left = lent->first;
	pthread_mutex_unlock(&lent->lock);
	return left;
}
