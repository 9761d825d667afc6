/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A caller for unit tests and fuzzers: its memory is our own (addresses are pointers; bad ones give -EFAULT), its
 * descriptors are ours, its working directory and umask are what it is told.
 */
#pragma once

#include "vfs/caller.h"

struct fake_caller {
	struct caller caller; /* first */
	int cwd_fd;
	int home_fd; /* between enter and leave: the test's own directory */
	unsigned entered;
	mode_t mask;
	unsigned validations; /* how often an operation was about to act or to tell */
	uint64_t size_limit;  /* RLIMIT_FSIZE; none at first */
	int signalled;        /* the last signal that was sent to it */
	int validate_error;   /* what validate() answers: 0, or -ESRCH for a caller that is gone */
};

/* A caller in the directory CWD. Returns 0 or a negative errno. */
int fake_caller_init(struct fake_caller *fake, const char *cwd, mode_t mask);
int fake_caller_chdir(struct fake_caller *fake, const char *cwd);
void fake_caller_release(struct fake_caller *fake);
