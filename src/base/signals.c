/* SPDX-License-Identifier: Apache-2.0 */
#include "base/signals.h"

#include <stddef.h>

void signal_state_save(struct signal_state *ret)
{
	sigemptyset(&ret->ignored);
	sigprocmask(SIG_SETMASK, NULL, &ret->mask);
	for (int number = 1; number < NSIG; number++) {
		struct sigaction action;
		/* Fails for the two signals that belong to libc: they are nobody's to inherit. */
		if (sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN)
			sigaddset(&ret->ignored, number);
	}
}

void signal_state_restore(const struct signal_state *state)
{
	for (int number = 1; number < NSIG; number++) {
		struct sigaction action = {.sa_handler = SIG_DFL};
		if (sigismember(&state->ignored, number) == 1)
			action.sa_handler = SIG_IGN;
		sigaction(number, &action, NULL);
	}
	sigprocmask(SIG_SETMASK, &state->mask, NULL);
}
