/* SPDX-License-Identifier: Apache-2.0 */
#include "base/rseq.h"

#if __has_include(<sys/rseq.h>)
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <unistd.h>

/* As long as the first version of the structure: the C library registers no less, whatever it says of the members. */
#define REGISTERED_BYTES 32u

void rseq_leave(void)
{
	if (__rseq_size)
		syscall(SYS_rseq, (char *)__builtin_thread_pointer() + __rseq_offset, REGISTERED_BYTES, RSEQ_FLAG_UNREGISTER, RSEQ_SIG);
}
#else
void rseq_leave(void)
{
}
#endif
