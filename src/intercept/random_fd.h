/* SPDX-License-Identifier: Apache-2.0 */
/* `option rand-fd`: descriptors that are put into a caller get numbers that nobody can foretell. */
#pragma once

#include <sys/types.h>

/* A larger table would cost each process more than that is worth. */
#define RANDOM_FD_MAX 4096

/*
 * A number that is free in the descriptor table of the thread TID and below its RLIMIT_NOFILE; -1: none was found soon, so that the
 * lowest has to do. Another thread may take it before it is used only by naming it (dup2(2)): the kernel gives the lowest.
 */
int random_fd_choose(pid_t tid);
