/* SPDX-License-Identifier: Apache-2.0 */
/* What is said about a policy as a whole, once it is compiled and before it is sealed. */
#pragma once

#include "vfs/policy/internal.h"

/*
 * Mark the ways to what is shown, refuse rules that contradict each other, warn of what will surprise. Returns 0 or a
 * negative errno with MSG.
 */
int advise(struct policy *policy, struct errmsg *msg);
