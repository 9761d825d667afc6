/* SPDX-License-Identifier: Apache-2.0 */
#include "crypt/crew.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#define STACK (256 << 10) /* no part keeps more than some pages on it */

struct crew {
	pthread_mutex_t owner; /* held by whom the crew works for */
	pthread_mutex_t lock;
	pthread_cond_t begun, ended;
	pthread_t threads[CREW_MAX];
	unsigned size, started; /* with the caller; helpers that run */
	pid_t process;
	bool ending;

	/* The work under way; all below under `lock`, but for the two atomics, which are reset under it. */
	uint64_t number; /* of pieces of work so far */
	bool open;       /* helpers may still join in */
	unsigned busy;   /* helpers that have */
	crew_part part;
	void *data;
	uint64_t parts;
	atomic_uint_fast64_t next;
	atomic_int error;
};

struct helper {
	struct crew *crew;
	unsigned worker;
};

static void take_parts(struct crew *c, unsigned worker)
{
	uint64_t i;

	while (atomic_load(&c->error) == 0 && (i = atomic_fetch_add(&c->next, 1)) < c->parts) {
		int r = c->part(c->data, worker, i), none = 0;

		if (r < 0)
			atomic_compare_exchange_strong(&c->error, &none, r);
	}
}

static void *help(void *data)
{
	struct helper h = *(struct helper *)data;
	struct crew *c = h.crew;
	uint64_t seen = 0;

	free(data);
	pthread_mutex_lock(&c->lock);
	for (;;) {
		while (!c->ending && (c->number == seen || !c->open))
			pthread_cond_wait(&c->begun, &c->lock);
		if (c->ending)
			break;
		seen = c->number;
		c->busy++;
		pthread_mutex_unlock(&c->lock);
		take_parts(c, h.worker);
		pthread_mutex_lock(&c->lock);
		if (--c->busy == 0)
			pthread_cond_signal(&c->ended);
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

/* As many helpers as can be had: fewer are no error. They take no signals, which are the caller's. */
static void start(struct crew *c)
{
	pthread_attr_t attributes;
	sigset_t all, before;

	if (pthread_attr_init(&attributes) != 0)
		return;
	pthread_attr_setstacksize(&attributes, STACK);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (c->started + 1 < c->size) {
		struct helper *h = malloc(sizeof(*h));

		if (!h)
			break;
		*h = (struct helper){.crew = c, .worker = c->started + 1};
		if (pthread_create(&c->threads[c->started], &attributes, help, h) != 0) {
			free(h);
			break;
		}
		c->started++;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
}

int crew_new(unsigned threads, struct crew **ret_crew)
{
	struct crew *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	pthread_mutex_init(&c->owner, NULL);
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->begun, NULL);
	pthread_cond_init(&c->ended, NULL);
	c->size = threads < 1 ? 1 : threads > CREW_MAX ? CREW_MAX : threads;
	c->process = getpid();
	*ret_crew = c;
	return 0;
}

void crew_free(struct crew *c)
{
	if (!c)
		return;
	if (c->process == getpid()) {
		pthread_mutex_lock(&c->lock);
		c->ending = true;
		pthread_cond_broadcast(&c->begun);
		pthread_mutex_unlock(&c->lock);
		for (unsigned i = 0; i < c->started; i++)
			pthread_join(c->threads[i], NULL);
		pthread_cond_destroy(&c->begun);
		pthread_cond_destroy(&c->ended);
	}
	free(c);
}

unsigned crew_size(const struct crew *c)
{
	return c ? c->size : 1;
}

static int run_alone(uint64_t parts, crew_part part, void *data)
{
	int r = 0;

	for (uint64_t i = 0; r == 0 && i < parts; i++)
		r = part(data, 0, i);
	return r;
}

static int run_together(struct crew *c, uint64_t parts, crew_part part, void *data)
{
	if (c->started == 0)
		start(c);
	if (c->started == 0)
		return run_alone(parts, part, data);
	pthread_mutex_lock(&c->lock);
	c->part = part;
	c->data = data;
	c->parts = parts;
	atomic_store(&c->next, 0);
	atomic_store(&c->error, 0);
	c->number++;
	c->open = true;
	pthread_cond_broadcast(&c->begun);
	pthread_mutex_unlock(&c->lock);
	take_parts(c, 0);
	/* Nothing is left to begin: who has not woken up yet need not. */
	pthread_mutex_lock(&c->lock);
	c->open = false;
	while (c->busy > 0)
		pthread_cond_wait(&c->ended, &c->lock);
	pthread_mutex_unlock(&c->lock);
	return atomic_load(&c->error);
}

int crew_run(struct crew *c, uint64_t parts, crew_part part, void *data)
{
	int r;

	if (!c || c->size == 1 || parts < 2 || c->process != getpid() || pthread_mutex_trylock(&c->owner) != 0)
		return run_alone(parts, part, data);
	r = run_together(c, parts, part, data);
	pthread_mutex_unlock(&c->owner);
	return r;
}
