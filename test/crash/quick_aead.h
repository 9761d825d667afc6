/* SPDX-License-Identifier: Apache-2.0 */
/*
 * No cipher: something that looks like one to the store, finds every change that chance or a disk makes, and costs little. The
 * time of the simulation goes into the store then.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "crypt/provider.h"

extern const struct aead_provider quick_aead;
