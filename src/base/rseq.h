/* SPDX-License-Identifier: Apache-2.0 */
/* Restartable sequences (rseq(2)), which the C library registers for each thread. */
#pragma once

/*
 * Take the calling thread's registration back, if there is one: with it the kernel writes the processor's number into the
 * thread's memory whenever it was switched to, which a thread that sleeps and wakes for every call pays each time.
 * sched_getcpu(3) then makes a system call. Cannot fail: where it cannot be taken back it stays. Any thread, for itself.
 */
void rseq_leave(void);
