/* SPDX-License-Identifier: Apache-2.0 */
/* Questions on the controlling terminal, whatever standard input and output are. */
#pragma once

#include <stdbool.h>

#include "base/buffer.h"

/*
 * Print QUESTION on the terminal and append the line typed to ANSWER, without showing it unless ECHO. The terminal is as it
 * was afterwards, also when a signal ends or stops the process meanwhile. 0; -ENOTTY: there is no terminal; -ECANCELED: the
 * input ended; -EFBIG: it was longer than ANSWER; -EINTR: a signal that the process outlives; -EIO: not in the foreground,
 * and it may not be stopped. Not thread-safe.
 */
int prompt_line(const char *question, bool echo, struct buffer *answer);

/* Ask for a yes or no: 1, 0, or a negative errno as above. */
int prompt_yes(const char *question);
