/* SPDX-License-Identifier: Apache-2.0 */
/* Where memory may be written to: plaintext of encrypted files lies in memory. */
#pragma once

#include <stddef.h>

/* Where the kernel says so; other places in tests. */
struct swap_places {
	const char *swaps; /* proc(5): /proc/swaps */
	const char *sys;   /* sysfs(5): /sys */
};

/*
 * The first swap area that is neither encrypted (dm-crypt, also below other device mapper targets) nor memory (zram without a
 * device behind it). Returns 1 with its name in NAME; 0: there is none; or a negative errno: that could not be found out.
 * PLACES NULL: the real ones.
 */
int swap_find_plain(const struct swap_places *places, char *name, size_t size);
