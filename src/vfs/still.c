/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/still.h"

#include <pthread.h>

/* A bind must not wait for as long as somebody renames, as it would with the default kind. */
static pthread_rwlock_t lock = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;

void still_change_begin(void)
{
	pthread_rwlock_rdlock(&lock);
}

void still_change_end(void)
{
	pthread_rwlock_unlock(&lock);
}

void still_begin(void)
{
	pthread_rwlock_wrlock(&lock);
}

void still_end(void)
{
	pthread_rwlock_unlock(&lock);
}
