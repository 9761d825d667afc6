/* SPDX-License-Identifier: Apache-2.0 */
/* When encrypted files are committed at the end of a run, and what front is told: with vnodes that only count. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "intercept/ending.h"
#include "intercept/launch.h"
#include "intercept/notify.h"
#include "vfs/vnode/vnode.h"

static atomic_int flushes, tells, told_event, told_value, refusals_left, pauses;
static int refusal;
static atomic_bool view_over;

int vnodes_flush(struct vnodes *vnodes)
{
	(void)vnodes;
	atomic_fetch_add(&flushes, 1);
	return atomic_fetch_sub(&refusals_left, 1) > 0 ? refusal : 0;
}

void front_tell(int front_socket, enum front_event event, int value, const char *text)
{
	assert_int_equal(front_socket, 77);
	assert_null(text);
	told_event = (int)event;
	told_value = value;
	atomic_fetch_add(&tells, 1);
}

bool notify_ended(int listener)
{
	assert_int_equal(listener, 88);
	return view_over;
}

int __wrap_nanosleep(const struct timespec *wanted, struct timespec *left);
int __wrap_nanosleep(const struct timespec *wanted, struct timespec *left)
{
	(void)wanted, (void)left;
	pauses++;
	return 0;
}

/* One second at a time would do; the tests' own pause is not the wrapped one. */
static void wait_until(const atomic_int *what, int value)
{
	while (*what < value)
		usleep(1000);
}

static struct ending *start(int *ret_exited, int refusals, int error)
{
	struct ending *ending = NULL;

	flushes = tells = pauses = 0;
	told_event = told_value = -1;
	refusals_left = refusals;
	refusal = error;
	view_over = false;
	*ret_exited = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_true(*ret_exited >= 0);
	assert_int_equal(ending_start(&(struct ending_config){.exited = *ret_exited, .front_socket = 77, .listener = 88}, &ending), 0);
	return ending;
}

static void test_signals(void **state)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT};
	int exited;
	struct ending *ending = start(&exited, 0, 0);

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(signals); i++) {
		kill(getpid(), signals[i]);
		wait_until(&flushes, (int)i + 1);
	}
	assert_int_equal(tells, 0);
	ending_finish(ending);
	assert_int_equal(flushes, 5);
	assert_int_equal(tells, 1);
	assert_int_equal(told_event, FRONT_ENDS);
	close(exited);
}

/* Others live on: front goes at once. */
static void test_command_ends(void **state)
{
	int exited;
	struct ending *ending = start(&exited, 1, -ENOSPC);

	(void)state;
	eventfd_write(exited, 1);
	wait_until(&tells, 1);
	assert_int_equal(told_event, FRONT_COMMITTED);
	assert_int_equal(told_value, -ENOSPC);
	kill(getpid(), SIGTERM);
	wait_until(&flushes, 2);
	ending_finish(ending);
	assert_int_equal(tells, 1);
	assert_int_equal(flushes, 3);
	close(exited);
}

/* It was the last one: front hears when the supervisor is about to end. */
static void test_view_ends_with_it(void **state)
{
	int exited;
	struct ending *ending = start(&exited, 0, 0);

	(void)state;
	view_over = true;
	eventfd_write(exited, 1);
	wait_until(&flushes, 1);
	kill(getpid(), SIGHUP); /* the thread has come round when it takes this */
	wait_until(&flushes, 2);
	assert_int_equal(tells, 0);
	ending_finish(ending);
	assert_int_equal(tells, 1);
	assert_int_equal(told_event, FRONT_ENDS);
	assert_int_equal(told_value, 0);
	close(exited);
}

static void test_tried_again(void **state)
{
	int exited;
	struct ending *ending = start(&exited, 4, -ENOSPC);

	(void)state;
	ending_finish(ending);
	assert_int_equal(told_event, FRONT_COMMITTED);
	assert_int_equal(told_value, -ENOSPC);
	assert_int_equal(flushes, 5);
	assert_int_equal(pauses, 4);
	close(exited);

	/* Not for ever; and not at all where nothing will change. */
	ending = start(&exited, 1000, -EIO);
	ending_finish(ending);
	assert_in_range(flushes, 2, 100);
	close(exited);
	ending = start(&exited, 1000, -ESTALE);
	ending_finish(ending);
	assert_int_equal(flushes, 1);
	assert_int_equal(told_value, -ESTALE);
	close(exited);
	ending_finish(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_signals),
		cmocka_unit_test(test_command_ends),
		cmocka_unit_test(test_view_ends_with_it),
		cmocka_unit_test(test_tried_again),
	};
	/* Before any thread: blocked in all of them, as in the supervisor. */
	ending_block_signals();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
