/* SPDX-License-Identifier: Apache-2.0 */
/* Another process's memory by /proc/PID/mem against the same by process_vm_readv: what is refused stays refused. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <seccomp.h>

#include "base/cleanup.h"
#include "base/memory.h"

#define PAGE 4096ul
#define BASE 0x300000000000ul /* pages of the target, as below */

static const int protection[] = {PROT_READ | PROT_WRITE, PROT_READ, PROT_READ | PROT_WRITE, PROT_NONE,
				 PROT_READ | PROT_WRITE | PROT_EXEC};
#define PAGES ARRAY_LEN(protection)
#define SHARED (BASE + 16 * PAGE) /* read-only, of a memfd */

struct access {
	uint64_t address;
	size_t len;
};

static const struct access accesses[] = {
	{BASE, 10},		       {BASE + PAGE - 5, 5},
	{BASE + PAGE - 5, 10},	       {BASE, PAGE * 2 + 7},
	{BASE + PAGE, 1},	       {BASE + PAGE * 2, PAGE + 1},
	{BASE + PAGE * 2, PAGE * 3},   {BASE + PAGE * 3, 1},
	{BASE + PAGE * 3 - 1, 2},      {BASE + PAGE * 4, PAGE},
	{BASE + PAGE * 4, PAGE + 100}, {BASE + PAGE * PAGES, 1},
	{BASE - 1, 2},		       {SHARED, 16},
	{SHARED + PAGE - 4, 8},	       {0, 1},
	{8, 100},		       {0x7ffffffff000ul, 1},
	{0x8000000000000000ul, 1},     {UINT64_MAX - 3, 2},
	{UINT64_MAX - 3, 100},
};

struct result {
	ssize_t got;
	unsigned char bytes[PAGE * 8];
};

struct results {
	struct result read[ARRAY_LEN(accesses)], write[ARRAY_LEN(accesses)];
};

static pid_t target;

static void run_target(int ready)
{
	int fd = memfd_create("shared", MFD_CLOEXEC);

	for (size_t i = 0; i < PAGES; i++) {
		char *page = mmap((void *)(BASE + i * PAGE), PAGE, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

		if (page == MAP_FAILED)
			_exit(1);
		for (size_t k = 0; k < PAGE; k++)
			page[k] = (char)(k * 7 + i);
		mprotect(page, PAGE, protection[i]);
	}
	if (ftruncate(fd, PAGE) < 0 || mmap((void *)SHARED, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0) == MAP_FAILED)
		_exit(1);
	if (write(ready, "", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

static int start_target(void **state)
{
	int ready[2];
	char byte;

	(void)state;
	if (pipe(ready) < 0)
		return -1;
	target = fork();
	if (target == 0)
		run_target(ready[1]);
	close(ready[1]);
	return read(ready[0], &byte, 1) == 1 ? 0 : -1;
}

static int end_target(void **state)
{
	(void)state;
	kill(target, SIGKILL);
	waitpid(target, NULL, 0);
	return 0;
}

static int forbid_calls(int error)
{
	scmp_filter_ctx context = seccomp_init(SCMP_ACT_ALLOW);

	if (!context || seccomp_rule_add(context, SCMP_ACT_ERRNO((uint32_t)error), SYS_process_vm_readv, 0) < 0 ||
	    seccomp_rule_add(context, SCMP_ACT_ERRNO((uint32_t)error), SYS_process_vm_writev, 0) < 0)
		return -1;
	return seccomp_load(context);
}

/* In a process of its own: what it learns of the calls is for ever. ERROR: the calls' answer, 0 as they are. */
static struct results *try_all(int error, pid_t pid)
{
	struct results *all = mmap(NULL, sizeof(*all), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status = 0;

	assert_true(all != MAP_FAILED);
	pid_t copier = fork();
	if (copier == 0) {
		static const unsigned char mark[sizeof(all->write[0].bytes)] = {[0 ... sizeof(all->write[0].bytes) - 1] = 0x5a};

		if (error && forbid_calls(error) < 0)
			_exit(1);
		for (size_t i = 0; i < ARRAY_LEN(accesses); i++) {
			const struct access *a = &accesses[i];

			all->read[i].got = memory_read(pid, a->address, all->read[i].bytes, a->len);
			all->write[i].got = memory_write(pid, a->address, mark, a->len);
			if (all->write[i].got > 0)
				memory_read(pid, a->address, all->write[i].bytes, a->len);
			/* As it was, for the next. */
			if (all->read[i].got > 0)
				memory_write(pid, a->address, all->read[i].bytes, (size_t)all->read[i].got);
		}
		_exit(0);
	}
	assert_int_equal(waitpid(copier, &status, 0), copier);
	assert_int_equal(status, 0);
	return all;
}

static void compare(const struct result *one, const struct result *other, const char *what)
{
	for (size_t i = 0; i < ARRAY_LEN(accesses); i++) {
		if (one[i].got != other[i].got)
			fail_msg("%s of %zu at %#lx: %zd by call, %zd by file", what, accesses[i].len,
				 (unsigned long)accesses[i].address, one[i].got, other[i].got);
		assert_memory_equal(one[i].bytes, other[i].bytes, sizeof(one[i].bytes));
	}
}

static void same_as_the_call(void **state)
{
	(void)state;
	struct results *native = try_all(0, target);

	/* What is compared is not nothing. */
	assert_int_equal(native->read[0].got, 10);
	assert_int_equal(native->read[3].got, PAGE * 2 + 7);
	assert_int_equal(native->write[4].got, -EFAULT);
	assert_int_equal(native->read[7].got, -EFAULT);
	for (int k = 0; k < 2; k++) {
		struct results *by_file = try_all(k ? ENOSYS : EPERM, target);

		compare(native->read, by_file->read, "read");
		compare(native->write, by_file->write, "write");
	}
}

static void of_the_dead(void **state)
{
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		_exit(0);
	waitpid(pid, NULL, 0);
	struct results *native = try_all(0, pid), *by_file = try_all(EPERM, pid);
	assert_int_equal(native->read[0].got, -ESRCH);
	assert_int_equal(by_file->read[0].got, -ESRCH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(same_as_the_call), cmocka_unit_test(of_the_dead)};

	return cmocka_run_group_tests(tests, start_target, end_target);
}
