/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

/*
 * LEN random bytes straight from getrandom(2), never from a generator of our own: a forked process or a cloned machine
 * would repeat that one. 0 or a negative errno, and then nothing may be encrypted.
 */
int random_bytes(void *bytes, size_t len);
