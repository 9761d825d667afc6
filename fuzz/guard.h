/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the handlers and the kernel: calls that would change or tell anything outside are not made, and those that
 * the fuzzer's policy should have refused end the process (linked with --wrap; cmake/decoders.cmake lists them).
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/* On while a handler runs. */
extern bool guard_on;
/* The one file whose times may be set (an append-only one, to now). */
extern ino_t guard_touchable;
