/* SPDX-License-Identifier: Apache-2.0 */
/* The check of requirements passes here, and names the remedy where something is taken away. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>

#include "intercept/filter/filter.h"
#include "intercept/steer/guard.h"

struct outcome {
	int result;
	struct errmsg msg;
};

/* Take one thing away, as a container's seccomp profile would. */
static int take_away(int nr, int error)
{
	scmp_filter_ctx context = seccomp_init(SCMP_ACT_ALLOW);
	if (!context || seccomp_rule_add(context, SCMP_ACT_ERRNO((uint32_t)error), nr, 0) < 0)
		return -1;
	return seccomp_load(context);
}

static int take_away_guard_address(void)
{
	scmp_filter_ctx context = seccomp_init(SCMP_ACT_ALLOW);
	if (!context ||
	    seccomp_rule_add(context, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(mmap), 1, SCMP_A0(SCMP_CMP_EQ, GUARD_ADDRESS)) < 0)
		return -1;
	return seccomp_load(context);
}

/* As inside another view: somebody listens already. */
static int listen_already(void)
{
	struct sock_filter code[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
	const struct sock_fprog program = {.len = 1, .filter = code};
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return filter_install(&program) < 0 ? -1 : 0;
}

static int prepare(int nr, int error)
{
	if (nr == SYS_seccomp && error == EBUSY)
		return listen_already();
	if (nr == SYS_mmap)
		return take_away_guard_address();
	return nr < 0 ? 0 : take_away(nr, error);
}

static void check_without(int nr, int error, struct outcome *outcome)
{
	struct outcome *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(shared != MAP_FAILED);
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		if (prepare(nr, error) < 0)
			_exit(1);
		shared->result = filter_check_requirements(&shared->msg);
		/* Nothing may be left over: no child, no descriptor. */
		_exit(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD ? 0 : 2);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	*outcome = *shared;
	munmap(shared, sizeof(*shared));
}

static void assert_complains(int nr, int error, const char *about, const char *remedy)
{
	struct outcome outcome = {0};
	check_without(nr, error, &outcome);
	if (outcome.result != -error || !strstr(outcome.msg.text, about) || !strstr(outcome.msg.text, remedy))
		fail_msg("without call %d: %d, \"%s\", expected \"%s\" and \"%s\"", nr, outcome.result, outcome.msg.text,
			 about, remedy);
	print_message("%s\n", outcome.msg.text);
}

static void test_met_here(void **state)
{
	(void)state;
	struct outcome outcome = {0};
	check_without(-1, 0, &outcome);
	if (outcome.result != 0)
		fail_msg("%s", outcome.msg.text);
	assert_string_equal(outcome.msg.text, "");
}

/* As an ordinary user too: the check must not pass by privileges. */
static void test_met_here_as_user(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip(); /* test_met_here was it */
	pid_t pid = fork();
	if (pid == 0) {
		struct errmsg msg = {0};
		if (setresgid(1000, 1000, 1000) < 0 || setresuid(1000, 1000, 1000) < 0 || setuid(0) == 0)
			_exit(1);
		/* Changing the user took dumpability; every program started by exec has it. */
		prctl(PR_SET_DUMPABLE, 1);
		if (filter_check_requirements(&msg) < 0) {
			fprintf(stderr, "%s\n", msg.text);
			_exit(2);
		}
		_exit(0);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_taken_away(void **state)
{
	(void)state;
	assert_complains(SYS_seccomp, EPERM, "seccomp(2) is refused", "seccomp=unconfined");
	assert_complains(SYS_seccomp, ENOSYS, "no seccomp listener", "CONFIG_SECCOMP_FILTER");
	assert_complains(SYS_seccomp, EBUSY, "already answers", "outside of it");
	assert_complains(SYS_ptrace, EPERM, "ptrace", "SYS_PTRACE");
	assert_complains(SYS_pidfd_open, EPERM, "pidfd_open", "allow it");
	assert_complains(SYS_memfd_create, EACCES, "memfd", "forbids it");
	assert_complains(SYS_mmap, EPERM, "0x10000", "forbids it");
}

/* ---- The same by a real start: 125, the same words, and the command has not run ---- */

static int take_away_addfd(void)
{
	scmp_filter_ctx context = seccomp_init(SCMP_ACT_ALLOW);
	const uint64_t request = SECCOMP_IOCTL_NOTIF_ADDFD;
	if (!context || seccomp_rule_add(context, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1,
					 SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, request)) < 0)
		return -1;
	return seccomp_load(context);
}

static void assert_start_refused(int nr, int error, const char *about)
{
	char text[4096] = "", trace[] = "/tmp/scrim-start-XXXXXX";
	int ends[2], status;
	size_t have = 0;
	assert_true(mkdtemp(trace) && pipe(ends) == 0);
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		dup2(ends[1], STDERR_FILENO);
		close(ends[0]);
		close(ends[1]);
		if (chdir("/") < 0 || (nr == SYS_ioctl ? take_away_addfd() : prepare(nr, error)) < 0)
			_exit(1);
		execl(SCRIM_PROGRAM, "scrim", "run", "--log", "/dev/null", "--hide", "/nowhere", "--", "/bin/rmdir",
		      trace, NULL);
		_exit(2);
	}
	close(ends[1]);
	for (ssize_t n; (n = read(ends[0], text + have, sizeof(text) - 1 - have)) > 0;)
		have += (size_t)n;
	close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	print_message("%s", text);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != (about ? 125 : 0) || (about && !strstr(text, about)))
		fail_msg("without call %d: status %#x, \"%s\", expected \"%s\"", nr, (unsigned)status, text,
			 about ? about : "");
	/* It is there still: nobody removed it. */
	assert_int_equal(rmdir(trace), about ? 0 : -1);
}

static void test_starts(void **state)
{
	(void)state;
	assert_start_refused(-1, 0, NULL);
	assert_start_refused(SYS_seccomp, EPERM, "seccomp(2) is refused");
	assert_start_refused(SYS_seccomp, ENOSYS, "no seccomp listener");
	assert_start_refused(SYS_ptrace, EPERM, "ptrace");
	/* What there is another way for. */
	assert_start_refused(SYS_process_vm_readv, EPERM, NULL);
	assert_start_refused(SYS_openat2, ENOSYS, NULL);
	assert_start_refused(SYS_memfd_create, EACCES, "memfd");
	assert_start_refused(SYS_mmap, EPERM, "0x10000");
	assert_start_refused(SYS_ioctl, EPERM, "cannot be passed");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_met_here),
		cmocka_unit_test(test_met_here_as_user),
		cmocka_unit_test(test_taken_away),
		cmocka_unit_test(test_starts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
