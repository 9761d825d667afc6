/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects of literal rules by identity: each is held by an O_PATH descriptor from the start, which pins its inode
 * number, so that another hard link of it or another mount is covered by its rule. At most PINS_MAX are held; those
 * beyond are remembered by their number alone, and whether the rule's path still leads to it is asked when one matches.
 *
 * An object carries what the policy says at its rule's own path, in the part (visibility, content, write) that the
 * literal rule speaks of: a later `show` of it by a glob shows the object's other links too. Immutable once made.
 */
#pragma once

#include <stdbool.h>
#include <sys/stat.h>

#include "vfs/policy/policy.h"

#define PINS_MAX 256

struct pins;

/* *RET is NULL when no object of a literal rule exists. Returns 0 or -ENOMEM. */
int pins_new(const struct policy *policy, struct pins **ret);
struct pins *pins_free(struct pins *pins);
/* Any pins at all (else lookups can be skipped)? */
bool pins_any(const struct pins *pins);
/* Is any of them on the file system DEV hidden: must listings there look at inode numbers? */
bool pins_any_hidden(const struct pins *pins, dev_t dev);
/* Lay the rules of the pinned object that is (DEV, INO), if it is one, over VERDICT (later rule wins in each part). */
void pins_apply(const struct pins *pins, const struct policy *policy, dev_t dev, ino_t ino, struct verdict *verdict);
