/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A new image between its exec and its first instruction: one thread, a private address space, nobody to race with.
 * exec.c leads, verify.c looks at what was mapped, settle.c maps the guard, present.c arranges the stack.
 */
#pragma once

#include "intercept/steer/internal.h"

/* The words at the new stack pointer: argc, argv, NULL, envp, NULL, auxv. */
struct stack_block {
	uint64_t *words; /* owned */
	size_t argc, envc;
	size_t aux;   /* index of the first auxv pair */
	size_t count; /* words in all, AT_NULL included */
};

struct image {
	struct tracee *t;
	unsigned slot;	   /* the job's slot, free for texts now */
	uint64_t syscall;  /* address of a `syscall` instruction in the new image */
	struct stack_block block;
};

/* Value of auxv entry TYPE, or NULL. Valid until the block is released. */
uint64_t *stack_block_aux(const struct stack_block *block, uint64_t type);
/* Read the block of the held image. 0, -ENOMEM, or -EFAULT when the stack is not as the kernel lays it out. */
int stack_block_read(pid_t tid, uint64_t rsp, struct stack_block *ret);

/* Memory of the held image, all or -EFAULT. */
int image_read(pid_t tid, uint64_t address, void *bytes, size_t size);
int image_write(pid_t tid, uint64_t address, const void *bytes, size_t size);

/* Run a call in the image (FLAGS: CALL_PLAIN or 0). 0 and *ret_result, or -ESRCH (dead). */
int image_call(struct image *image, unsigned flags, int nr, const uint64_t args[6], long *ret_result);

/* Does it map the files of PLAN and no others? 0 or -EACCES. */
int image_verify(const struct image *image, const struct exec_plan *plan);

/* Open the file that PLAN says the program is handed, and note it in the block. 0, -ESRCH, or another error. */
int image_hand_binary(struct image *image, const struct exec_plan *plan);

/*
 * Map the guard's pages in it and name its task COMM; it stands at the guard's gate then. 0, -ESRCH, or another error
 * after which the image must not run.
 */
int image_settle(struct image *image, const char *comm);

/*
 * Make argv, AT_EXECFN and what /proc says of them as natively. SLOT_TEXT is what the kernel was
 * given as the file's name. 0, -ESRCH, or another error after which the image must not run.
 */
int image_present(struct image *image, const struct exec_plan *plan, const char *slot_text);
