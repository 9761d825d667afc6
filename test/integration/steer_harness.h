/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A supervisor small enough to test the steering engine alone: its own filter, a few workers, and a "front" process
 * under the filter whose children are the callers, so that the callers' real parent is not the supervisor.
 */
#pragma once

/* gcc has a macro for it, clang a feature. */
#if defined(__SANITIZE_THREAD__)
#define UNDER_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define UNDER_TSAN 1
#endif
#endif

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "intercept/steer/guard.h"
#include "intercept/steer/steer.h"
#include "integration/steer_vault.h"

struct harness_counts {
	uint64_t received, continued, answered, steered, refused_mmap, exec_failed, done, done_died;
	uint64_t exec_errors[4096];
};

struct harness_options {
	unsigned workers;     /* 0: 2 */
	unsigned deadline_ms; /* 0: 10000 */
	unsigned sleep_us;    /* each worker sleeps that long before RECV: lets signals come first */
	bool never_answer;    /* leave new images without their guard, for the deadline */
	/* Approve another interpreter than the kernel will map: 1 a different one, 2 none. */
	unsigned wrong_interp;
};

/*
 * Run BODY in a front process under the filter, serve it and all its descendants until they are gone. Returns the
 * front's exit status as of waitpid. RET_COUNTS and RET_STATS may be NULL.
 */
int harness_run(const struct harness_options *options, void (*body)(void *), void *argument,
		struct harness_counts *ret_counts, struct steer_stats *ret_stats);

/* In the front: run FN in a child and return its wait status. */
int in_child(void (*fn)(void *), void *argument);

/* Become an ordinary user when the program was started with --user (asserted), remember a scratch directory. */
void harness_main_setup(int argc, char **argv);
/* Absolute path NAME in the scratch directory (static storage, one per call, 16 in turn). */
const char *scratch(const char *name);
void harness_cleanup(void);

double now_s(void);

/* In test code below the front: leave with a message unless it holds. */
void expect_at(bool holds, const char *text, const char *file, int line);
#define EXPECT(x) expect_at((x), #x, __FILE__, __LINE__)
