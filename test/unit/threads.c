/* SPDX-License-Identifier: Apache-2.0 */
/* What is remembered of threads, and for how long; credentials as procfs tells them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "intercept/wards/threads.h"

#define STATUS(groups)                                                                                                 \
	"Name:\tx\nUmask:\t0022\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t4294967294\nFDSize:\t64\nGroups:\t" groups             \
	"\nCapInh:\t0000000000000001\nCapPrm:\t000001ffffffffff\nCapEff:\t0000000000080000\nCapBnd:\t00000000000000ff\n"

static void test_parse(void **state)
{
	struct creds *creds = NULL, *other = NULL;

	(void)state;
	assert_int_equal(creds_parse(STATUS("0 100 4294967294 "), &creds), 0);
	assert_int_equal(creds->ruid, 1);
	assert_int_equal(creds->euid, 2);
	assert_int_equal(creds->suid, 3);
	assert_int_equal(creds->fsuid, 4);
	assert_int_equal(creds->rgid, 5);
	assert_int_equal(creds->fsgid, 4294967294u);
	assert_int_equal(creds->group_count, 3);
	assert_int_equal(creds->groups[1], 100);
	assert_int_equal(creds->groups[2], 4294967294u);
	assert_true(creds->inheritable == 1 && creds->permitted == 0x1ffffffffff && creds->effective == 0x80000);
	assert_int_equal(creds_parse(STATUS(""), &other), 0);
	assert_int_equal(other->group_count, 0);
	assert_false(creds_equal(creds, other));
	creds_unref(other);
	assert_int_equal(creds_parse(STATUS("0 100 4294967294"), &other), 0);
	assert_true(creds_equal(creds, other));
	creds_unref(other);
	creds_unref(creds);
	other = NULL;
	assert_int_equal(creds_parse("Name:\tx\nUid:\t1\n", &other), -EIO);
	assert_null(other);
}

static void test_own(void **state)
{
	_cleanup_close_ int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct creds *creds = NULL, *by_number = NULL;
	gid_t *groups;
	int count = getgroups(0, NULL);

	(void)state;
	assert_int_equal(creds_read(proc, 0, &creds), 0);
	assert_int_equal(creds->ruid, getuid());
	assert_int_equal(creds->fsgid, getegid());
	assert_int_equal(creds->group_count, count);
	groups = calloc((size_t)count + 1, sizeof(*groups));
	assert_int_equal(getgroups(count, groups), count);
	assert_memory_equal(groups, creds->groups, (size_t)count * sizeof(*groups));
	free(groups);
	assert_int_equal(creds_read(proc, gettid(), &by_number), 0);
	assert_true(creds_equal(creds, by_number));
	creds_unref(creds);
	creds_unref(by_number);
	/* No thread has this number. */
	assert_int_equal(creds_read(proc, 1 << 22, &creds), -ESRCH);
}

static pid_t sleeper(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		pause();
		_exit(0);
	}
	assert_true(pid > 0);
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void test_memory(void **state)
{
	struct threads *threads = NULL;
	struct creds *creds = NULL, *found;
	mode_t mask = 0;

	(void)state;
	assert_int_equal(threads_new(&threads), 0);
	assert_int_equal(creds_parse(STATUS("7"), &creds), 0);
	pid_t pid = sleeper();
	assert_null(threads_creds(threads, pid));
	assert_false(threads_umask(threads, pid, &mask));
	threads_remember_creds(threads, pid, threads_pidfd(pid), creds);
	found = threads_creds(threads, pid);
	assert_ptr_equal(found, creds);
	creds_unref(found);
	assert_false(threads_umask(threads, pid, &mask));
	threads_remember_umask(threads, pid, threads_pidfd(pid), 027, threads_umask_age(threads));
	assert_true(threads_umask(threads, pid, &mask));
	assert_int_equal(mask, 027);
	/* Both of one thread are there. */
	found = threads_creds(threads, pid);
	assert_ptr_equal(found, creds);
	creds_unref(found);
	threads_umask_changing(threads, pid, 0);
	assert_false(threads_umask(threads, pid, &mask));
	assert_true(threads_umask_settled(threads, pid));
	/* Another thread of some process changes its mask: what was read before is not to be used. */
	threads_remember_umask(threads, pid, threads_pidfd(pid), 027, threads_umask_age(threads));
	assert_true(threads_umask(threads, pid, &mask));
	threads_umask_changing(threads, pid + 1, pid);
	assert_false(threads_umask(threads, pid, &mask));
	assert_false(threads_umask_settled(threads, pid));
	assert_true(threads_umask_settled(threads, pid + 1));
	threads_remember_umask(threads, pid, threads_pidfd(pid), 027, threads_umask_age(threads) - 1);
	assert_false(threads_umask(threads, pid, &mask));
	for (pid_t other = 1; other < 60; other++) {
		threads_umask_changing(threads, 1, other);
		assert_false(threads_umask_settled(threads, other));
		assert_true(threads_umask_settled(threads, 100));
	}
	for (pid_t other = 200; other < 300; other++)
		threads_umask_changing(threads, 1, other);
	assert_false(threads_umask_settled(threads, 100));
	threads_forget(threads, pid);
	assert_null(threads_creds(threads, pid));

	/* Of one that has ended nothing is known: its number may be another's. */
	threads_remember_creds(threads, pid, threads_pidfd(pid), creds);
	int late = threads_pidfd(pid);
	assert_true(late >= 0);
	end(pid);
	assert_null(threads_creds(threads, pid));
	threads_remember_creds(threads, pid, late, creds);
	assert_null(threads_creds(threads, pid));
	creds_unref(creds);
	free(threads);

	assert_int_equal(threads_new(&threads), 0);
	assert_true(threads_umask_settled(threads, 100));
	threads_umasks_are_shared(threads);
	assert_false(threads_umask_settled(threads, 100));
	free(threads);
}

/* More threads than there are places: the latest are known, no descriptor is left behind. */
static void test_bound(void **state)
{
	enum { MANY = 600 };
	static pid_t pids[MANY];
	struct threads *threads = NULL;
	struct creds *creds = NULL, *found;
	unsigned known = 0;
	int before = dup(0), after;

	(void)state;
	close(before);
	assert_int_equal(threads_new(&threads), 0);
	assert_int_equal(creds_parse(STATUS("7"), &creds), 0);
	for (int i = 0; i < MANY; i++) {
		pids[i] = sleeper();
		threads_remember_creds(threads, pids[i], threads_pidfd(pids[i]), creds);
		found = threads_creds(threads, pids[i]);
		assert_ptr_equal(found, creds);
		creds_unref(found);
	}
	for (int i = 0; i < MANY; i++) {
		found = threads_creds(threads, pids[i]);
		known += found != NULL;
		creds_unref(found);
	}
	assert_in_range(known, 200, 512);
	for (int i = 0; i < MANY; i++) {
		threads_forget(threads, pids[i]);
		end(pids[i]);
	}
	after = dup(0);
	assert_int_equal(after, before);
	close(after);
	assert_int_equal(creds->references, 1);
	creds_unref(creds);
	free(threads);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_own),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
