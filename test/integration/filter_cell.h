/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cell: a process under the real filter that makes raw system calls, each in a child of its own, while the test
 * plays the simplest supervisor: it answers every notification with CELL_ANSWER and notes what arrived.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* No call of these tests returns this by itself. */
#define CELL_ANSWER 0x5c21
/* The child died before it could tell (its signal is in probe_result.signal). */
#define CELL_NO_RESULT INT64_MIN

enum cell_abi {
	ABI_NATIVE,
	ABI_INT80, /* the i386 gate, from 64-bit code */
	ABI_GUARD, /* ABI_NATIVE by an instruction in the guard pages (cell_config.guarded) */
};

struct probe {
	const char *what;
	enum cell_abi abi;
	int64_t nr;
	uint64_t args[6];
};

struct probe_result {
	int64_t value; /* as the kernel returns it: negative errno */
	int signal;
	bool notified;
	int notified_nr;
	uint64_t notified_args[6];
};

struct cell_config {
	bool filtered;	/* false: the same calls natively, to compare with */
	unsigned needs; /* for filter_build() */
	uid_t uid;	/* become this user for good before the filter is installed; 0: stay what we are */
	bool guarded;	/* map a page at GUARD_ADDRESS first */
};

/* Make all calls. Aborts the test when the cell itself cannot be set up. */
void cell_run(const struct cell_config *config, const struct probe *probes, size_t count, struct probe_result *ret);
