/* SPDX-License-Identifier: Apache-2.0 */
#include "intercept/random_fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/cleanup.h"

#define ATTEMPTS 8
#define FIRST 3 /* what is missing of the standard streams is opened on purpose */

int random_fd_choose(pid_t tid)
{
	uint32_t numbers[ATTEMPTS];
	char name[64];
	struct rlimit limit;
	struct stat stat;

	if (prlimit(tid, RLIMIT_NOFILE, NULL, &limit) < 0 || limit.rlim_cur <= FIRST)
		return -1;
	uint32_t end = limit.rlim_cur < RANDOM_FD_MAX ? (uint32_t)limit.rlim_cur : RANDOM_FD_MAX;
	if (getrandom(numbers, sizeof(numbers), 0) != (ssize_t)sizeof(numbers))
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		/* Not quite even, by one in a million. */
		uint32_t number = FIRST + numbers[i] % (end - FIRST);

		snprintf(name, sizeof(name), "/proc/%d/fd/%u", (int)tid, number);
		if (lstat(name, &stat) < 0 && errno == ENOENT)
			return (int)number;
	}
	return -1;
}
