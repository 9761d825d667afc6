/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open file descriptions that callers have lent (steer/lend.c), from when a caller is let go until it is there again
 * with the very call that needs one. Thread-safe. Nothing is kept for longer than a moment: what was not fetched (the
 * caller died, or stands still) is closed and has to be lent again.
 */
#pragma once

#include <stdbool.h>

#include <linux/seccomp.h>

struct lent;

int lent_new(struct lent **ret);

/* CALL's thread has lent COPY (owned from now on), which is its descriptor NUMBER. */
void lent_keep(struct lent *lent, const struct seccomp_notif *call, int number, int copy);

/*
 * What this thread has lent for the very CALL (number, arguments, place): true, and *RET_COPY is the caller's to close.
 * For another call it is closed: something came in between. Costs a load while nothing is lent.
 */
bool lent_fetch(struct lent *lent, const struct seccomp_notif *call, int *ret_number, int *ret_copy);

/* Close what nobody has fetched for long. True while something is left. */
bool lent_expire(struct lent *lent);
