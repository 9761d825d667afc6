/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a program inherits of signals: which are ignored and which are blocked. scrim changes both for itself, so the
 * state it was started with is saved first thing and given back to the command (nohup, a shell's background jobs).
 */
#pragma once

#include <signal.h>

struct signal_state {
	sigset_t mask;
	sigset_t ignored;
};

/* What the calling process was started with; before it changes anything. */
void signal_state_save(struct signal_state *ret);

/* Every disposition default or ignored as saved, then the mask. Async-signal-safe. */
void signal_state_restore(const struct signal_state *state);
