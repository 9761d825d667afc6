/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "crypt/store/lock.h"

static char path[] = "/tmp/scrim-lock-XXXXXX";

/* A process that holds the lock until its end of the pipe is closed. */
static pid_t hold(bool writes, bool other_closed, int *ret_end)
{
	int ready[2], end[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(end), 0);
	pid = fork();
	if (pid == 0) {
		struct process_name holder;
		int fd = open(path, O_RDWR);

		prctl(PR_SET_NAME, "the-holder");
		close(end[1]);
		if (store_lock(fd, writes, &holder) < 0)
			_exit(1);
		if (other_closed)
			close(open(path, O_RDONLY)); /* which takes the locks of the process, not of the description */
		(void)!write(ready[1], "", 1);
		(void)!read(end[0], &byte, 1);
		_exit(0);
	}
	close(ready[1]);
	close(end[0]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	*ret_end = end[1];
	return pid;
}

static void release(pid_t pid, int end)
{
	close(end);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void one_writer_or_readers(void **state)
{
	struct process_name holder;
	int a = open(path, O_RDWR), b = open(path, O_RDONLY), end;
	pid_t pid;

	(void)state;
	assert_int_equal(store_lock(a, false, &holder), 0);
	assert_int_equal(store_lock(b, false, &holder), 0);
	assert_int_equal(store_lock(a, true, &holder), -EBUSY);
	close(b);
	assert_int_equal(store_lock(a, true, &holder), 0);
	close(a);
	for (int kind = 0; kind < 4; kind++) {
		bool writes = kind % 2;

		pid = hold(writes, kind >= 2, &end);
		a = open(path, O_RDWR);
		assert_int_equal(store_lock(a, !writes, &holder), -EBUSY);
		assert_int_equal(holder.pid, pid);
		assert_string_equal(holder.command, "the-holder");
		release(pid, end);
		close(a);
	}
	a = open(path, O_RDWR);
	assert_int_equal(store_lock(a, true, &holder), 0);
	close(a);
}

/* A program's own locks on the content do not meet it. */
static void apart_from_the_content(void **state)
{
	struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 << 20};
	struct process_name holder;
	int a = open(path, O_RDWR), end;
	pid_t pid = hold(true, false, &end);

	(void)state;
	assert_int_equal(fcntl(a, F_OFD_SETLK, &all), 0);
	assert_int_equal(store_lock(a, true, &holder), -EBUSY);
	release(pid, end);
	close(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_writer_or_readers),
		cmocka_unit_test(apart_from_the_content),
	};
	int fd = mkstemp(path), r;

	if (fd < 0)
		return 1;
	close(fd);
	r = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	return r;
}
