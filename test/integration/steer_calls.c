/* SPDX-License-Identifier: Apache-2.0 */
/* Steered chdir, O_PATH and blocking open, connect: results, signals, stops, deaths. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "integration/steer_harness.h"

/* ---- plain ---- */

static void plain_caller(void *argument)
{
	(void)argument;
	char cwd[256];
	for (int i = 0; i < 50; i++) {
		EXPECT(chdir(i & 1 ? "/usr" : "/tmp") == 0);
		EXPECT(getcwd(cwd, sizeof(cwd)) && strcmp(cwd, i & 1 ? "/usr" : "/tmp") == 0);
	}
	errno = 0;
	EXPECT(chdir("/etc/passwd") == -1 && errno == ENOTDIR);
	EXPECT(chdir("/nowhere") == -1 && errno == ENOENT);
	int fd = dup(0);
	EXPECT(fd == 3); /* no descriptor was left behind */
}

static void plain_body(void *argument)
{
	EXPECT(in_child(plain_caller, argument) == 0);
}

static void test_plain(void **state)
{
	(void)state;
	struct harness_counts c;
	struct steer_stats s;
	assert_int_equal(harness_run(NULL, plain_body, NULL, &c, &s), 0);
	assert_int_equal(s.calls, 51);
	assert_int_equal(c.expected, 51);
	assert_int_equal(c.done, 51);
	assert_int_equal(s.killed, 0);
}

int main(int argc, char **argv)
{
	harness_main_setup(argc, argv);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
	};
	int r = cmocka_run_group_tests(tests, NULL, NULL);
	harness_cleanup();
	return r;
}
