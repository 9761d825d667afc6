/* SPDX-License-Identifier: Apache-2.0 */
/* Every 64-bit image maps the same vdso: a `syscall` instruction is at the same offset in all of them. */
#pragma once

#include <stdint.h>

/* Offset of a `syscall` instruction from the start of the vdso; 0 when there is none. Looks at our own. */
uint64_t vdso_find_syscall(void);
