/* SPDX-License-Identifier: Apache-2.0 */
/* Libraries that are loaded by the first call of one of their functions (lazy.c). */
#pragma once

#ifdef SCRIM_LAZY
/*
 * From now on no library is loaded any more, and a call of one that was not is the end of the process: a program in a view
 * could have put its own in the library's place. What was loaded stays usable, all of it.
 */
void lazy_seal(void);
#else
static inline void lazy_seal(void)
{
}
#endif
