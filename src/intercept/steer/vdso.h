/* SPDX-License-Identifier: Apache-2.0 */
/* Code of the vdso, which is the same in every process of the ABI (at addresses of their own). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A `syscall` instruction and what comes after it up to a return. */
struct vdso_gadget {
	uint64_t offset; /* of the `syscall`; 0: there is none */
	bool returns;	 /* to the address on top of the stack, with rbx, rsp and r12 to r15 as they were */
	bool pops_rbp;	 /* before that, from below that address */
};

/* One that returns, if there is one, else any. */
struct vdso_gadget vdso_find_gadget(void);
