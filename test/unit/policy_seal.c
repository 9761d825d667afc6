/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "policy_help.h"

static const struct policy_context context = {.home = "/nowhere", .cwd = "/nowhere", .trust_any_owner = true};

static struct policy *sealed(void)
{
	struct policy *policy = NULL;
	struct errmsg msg = {0};
	assert_int_equal(policy_new(&context, &policy), 0);
	assert_int_equal(policy_add_rule(policy, "hide /nowhere/x", &msg), 0);
	assert_int_equal(policy_add_rule(policy, "env set A=B", &msg), 0);
	assert_int_equal(policy_compile(policy, &msg), 0);
	return policy;
}

/* Does writing a byte at ADDRESS kill? */
static bool write_kills(const void *address)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		signal(SIGSEGV, SIG_DFL);
		*(volatile char *)(uintptr_t)address = 'x';
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
}

static void test_read_only(void **state)
{
	struct policy *policy = sealed();
	char own[4] = "";

	(void)state;
	assert_false(write_kills(own));
	assert_true(write_kills(policy));
	assert_true(write_kills(policy_rule(policy, 0)));
	assert_true(write_kills(policy_rule(policy, 0)->pattern));
	assert_true(write_kills(policy_env(policy, 0)->value));
	assert_true(write_kills(policy->trie.nodes));
	assert_true(write_kills(policy->trie.table));
	assert_true(write_kills(policy->effects));
}

static void test_mseal(void **state)
{
	struct policy *policy = sealed();
	void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool has_mseal = syscall(462, page, 4096, 0) == 0;

	(void)state;
	int r = mprotect(policy->arena.base, policy->arena.reserved, PROT_READ | PROT_WRITE);
	/* Where the kernel has no mseal, mprotect is all there is, and says so. */
	assert_int_equal(r < 0 ? errno : 0, has_mseal ? EPERM : 0);
	/* Freeing what cannot be unmapped is no failure. */
	policy_free(policy);
	if (has_mseal)
		assert_int_equal(policy_rule_count(policy), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read_only),
		cmocka_unit_test(test_mseal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
