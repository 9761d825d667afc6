/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory of another process, by process_vm_readv(2); where that call is not to be had (a kernel without
 * CONFIG_CROSS_MEMORY_ATTACH, a container's filter) by /proc/PID/mem, which asks for the same right. That file goes
 * through protections (proc(5)), so there the mappings are looked at first: what the process itself could not read or
 * write stays EFAULT.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Copy up to LEN bytes at ADDRESS of process or thread PID. Returns how many could be had, which is less where what
 * follows is not readable, or a negative errno: -EFAULT not even the first byte, -EPERM, -ESRCH. Thread-safe,
 * async-signal-safe.
 */
ssize_t memory_read(pid_t pid, uint64_t address, void *ret, size_t len);
/* The same, into memory that the process itself can write. */
ssize_t memory_write(pid_t pid, uint64_t address, const void *bytes, size_t len);
