/* SPDX-License-Identifier: Apache-2.0 */
/* What private.c and private_names.c share; nobody else includes this. */
#pragma once

#include "vfs/private.h"

struct private_new;

/* privates_prepare() for the name at WALK; what the bound refuses is noted. */
int private_prepare(struct op *op, const struct walk *walk, int file, bool exclusive, struct private_new **ret);
