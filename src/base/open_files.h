/* SPDX-License-Identifier: Apache-2.0 */
/* Which process has a file open, as far as we may look at the others: /proc, proc(5). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct process_name {
	pid_t pid;        /* 0: not known */
	char command[16]; /* as /proc/PID/comm has it; empty: not known */
};

/* The name of the process PID. */
struct process_name process_name(pid_t pid);

/*
 * Call IS for the open descriptors of all processes that we may look at until it returns true. PROCESS is /proc/PID,
 * opened; DESCRIPTOR the number, a component below its fd/ and fdinfo/. False: it never did. Takes as long as the
 * machine has descriptors. Thread safe.
 */
bool open_files_find(bool (*is)(void *data, int process, const char *descriptor), void *data,
		     struct process_name *ret_process);

/* The text of fdinfo/DESCRIPTOR, cut to SIZE - 1 bytes; empty where it cannot be read. */
void open_files_info(int process, const char *descriptor, char *ret_text, size_t size);
