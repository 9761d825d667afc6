/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guard pages: memory of the caller that the caller cannot change, at one fixed address in every address space
 * of the view.
 *
 * One sealed memfd for the whole run (F_SEAL_SHRINK|GROW|FUTURE_WRITE|SEAL), written by the supervisor through its
 * own mapping, mapped PROT_READ|PROT_EXEC, MAP_SHARED at GUARD_ADDRESS in each process: by the command's first
 * process itself before its first exec, afterwards by steering at every PTRACE_EVENT_EXEC; fork inherits it. The
 * filter refuses every call that could unmap, move, remap or reprotect anything below GUARD_END.
 *
 * Layout: the first GUARD_CODE_BYTES hold code (guard.c); then GUARD_SLOTS slots of GUARD_SLOT_BYTES. A steer in
 * flight owns one slot for itself, so that threads and vfork children that share an address space never share a text.
 *
 * What steering runs from here does not go to a worker: the filter answers SECCOMP_RET_TRACE to the numbers that can
 * be steered when they come from these pages, so that they stop for the tracer that holds the thread. Without a tracer
 * (a caller that jumped here by itself) they are ENOSYS.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define GUARD_ADDRESS 0x10000ul
#define GUARD_BYTES 0x80000ul
#define GUARD_END (GUARD_ADDRESS + GUARD_BYTES)
#define GUARD_CODE_BYTES 256ul
#define GUARD_SLOT_BYTES 256ul /* a message header and a socket address (proc/slot_bytes.h) fit */
#define GUARD_TRACE_DATA 0x5c31u /* SECCOMP_RET_DATA of our stops, told from a filter of the caller's own */
/* The number with which the guard's code says that it is done: exit_group, which no filter of a caller's own forbids. */
#define GUARD_GATE_CALL 231
#define GUARD_SLOTS ((GUARD_BYTES - GUARD_CODE_BYTES) / GUARD_SLOT_BYTES)

struct guard;

/* Make the memfd and the supervisor's mapping. Returns 0 or a negative errno. */
int guard_new(struct guard **ret);
struct guard *guard_free(struct guard *guard);

/* The read-only descriptor that is mapped into callers (owned by the guard). */
int guard_fd(const struct guard *guard);
/* Its device and inode, to recognise the mapping in /proc/PID/maps. */
void guard_identity(const struct guard *guard, uint64_t *ret_dev, uint64_t *ret_ino);

/* Map it in the calling process itself (the command, before its first exec). Async-signal-safe. 0 or negative errno. */
int guard_map_self(const struct guard *guard);

/* Take a free slot, waiting while all are in use. Thread-safe. Returns the slot's number. */
unsigned guard_take_slot(struct guard *guard);
void guard_release_slot(struct guard *guard, unsigned slot);
/* Its address in the caller. */
static inline uint64_t guard_slot_address(unsigned slot)
{
	return GUARD_ADDRESS + GUARD_CODE_BYTES + slot * GUARD_SLOT_BYTES;
}
/* Write a slot (LEN <= GUARD_SLOT_BYTES); only its owner does. Returns the address in the caller. */
uint64_t guard_write_slot(struct guard *guard, unsigned slot, const void *bytes, size_t len);

/* Where in the caller: one `syscall` instruction, what follows it, and what the last one of the code follows. */
#define GUARD_CALL GUARD_ADDRESS
#define GUARD_CALL_END (GUARD_ADDRESS + 2)
#define GUARD_GATE_END (GUARD_ADDRESS + 12)
/*
 * Code that a new image runs as soon as these pages are mapped in it: with rbx a descriptor to close, rbp the task's
 * name. Clears the word below the stack pointer and ends at the gate.
 */
#define GUARD_SETTLE (GUARD_ADDRESS + 16)
