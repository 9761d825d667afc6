/* SPDX-License-Identifier: Apache-2.0 */
#include "intercept/dumpable.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#define DUMPABLE_MAX 1024

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pid_t undumpable[DUMPABLE_MAX];
static size_t count;

/* Under the lock. */
static bool find(pid_t tgid, size_t *ret)
{
	for (size_t i = 0; i < count; i++) {
		if (undumpable[i] == tgid) {
			*ret = i;
			return true;
		}
	}
	return false;
}

int dumpable_set(pid_t tgid, int value)
{
	size_t at;
	int error = 0;

	pthread_mutex_lock(&lock);
	if (find(tgid, &at)) {
		if (value)
			undumpable[at] = undumpable[--count];
	} else if (!value) {
		/* The oldest give way: they are the likeliest to have ended. */
		if (count == DUMPABLE_MAX)
			undumpable[0] = tgid;
		else
			undumpable[count++] = tgid;
	}
	pthread_mutex_unlock(&lock);
	return error;
}

int dumpable_get(pid_t tgid)
{
	size_t at;
	bool found;

	pthread_mutex_lock(&lock);
	found = find(tgid, &at);
	pthread_mutex_unlock(&lock);
	return found ? 0 : 1;
}

void dumpable_forget(pid_t tgid)
{
	dumpable_set(tgid, 1);
}
