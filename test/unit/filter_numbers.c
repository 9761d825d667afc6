/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of the filter that we assemble ourselves against the one that libseccomp makes from the same table: both are
 * run, and give the same for every number, foreign ABIs and wild arguments included, under every set of needs.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>

#include "base/cleanup.h"
#include "bpf_machine.h"
#include "intercept/filter/filter.h"
#include "intercept/filter/numbers.h"
#include "intercept/filter/prologue.h"
#include "intercept/filter/syscalls.h"
#include "intercept/steer/guard.h"

#define CODE_MAX BPF_MAXINSNS

/* ---- libseccomp's program ---- */

static uint32_t reference_action(const struct syscall_row *row, unsigned needs)
{
	if (row->needs != 0 && !(row->needs & needs))
		return SCMP_ACT_ALLOW;
	switch (row->class) {
	case CLASS_ALLOW:
	case CLASS_SCREEN:
		return SCMP_ACT_ALLOW;
	case CLASS_NOTIFY:
		return SCMP_ACT_NOTIFY;
	case CLASS_REFUSE:
		return SCMP_ACT_ERRNO((uint32_t)row->error);
	}
	return SCMP_ACT_ERRNO(ENOSYS);
}

/* Into CODE, CODE_MAX instructions. Returns how many it took. */
static int make_reference(unsigned needs, struct sock_filter *code)
{
	scmp_filter_ctx context = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	assert_non_null(context);
	assert_int_equal(seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS)), 0);
	assert_int_equal(seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2), 0);
	for (size_t i = 0; i < syscall_table_len; i++) {
		const struct syscall_row *row = &syscall_table[i];
		uint32_t action = row->name ? reference_action(row, needs) : SCMP_ACT_ERRNO(ENOSYS);
		/* The default: it refuses to be told twice. */
		if (action != SCMP_ACT_ERRNO(ENOSYS))
			assert_int_equal(seccomp_rule_add_exact(context, action, row->nr, 0), 0);
	}
	/* libseccomp 2.5 exports to a descriptor only. */
	_cleanup_close_ int fd = memfd_create("filter", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(seccomp_export_bpf(context, fd), 0);
	seccomp_release(context);
	ssize_t got = pread(fd, code, CODE_MAX * sizeof(*code), 0);
	assert_true(got > 0 && got % (ssize_t)sizeof(*code) == 0);
	return (int)(got / (ssize_t)sizeof(*code));
}

/* ---- what both are asked ---- */

static const uint32_t arches[] = {AUDIT_ARCH_X86_64, AUDIT_ARCH_I386, AUDIT_ARCH_AARCH64, 0};

static const uint64_t arguments[][6] = {
	{0},
	{1, 1, 1, 1, 1, 1},
	{UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX},
	{GUARD_ADDRESS, 4096, 1, 0x10, 0, 0},
	{GUARD_END, 4096, 1, 0x10, 0, 0},
	{GUARD_END - 1, GUARD_ADDRESS, GUARD_ADDRESS, 0x100002, GUARD_ADDRESS, 0x20},
	{1ull << 32, 1ull << 32, 1ull << 32, 1ull << 32, 1ull << 32, 1ull << 32},
	{38, 4, 0, 0, 0, 0},		       /* AF_ALG; PR_SET_DUMPABLE is among the next */
	{4, 0x5412, 0, 0, 0, 0},	       /* TIOCSTI, F_SETFL */
	{3, 0xc0502100, 0, 0, 0, 0},	       /* a listener's request, PR_GET_DUMPABLE */
	{0x10000000, 0x40046602, 0, 0, 1, 0},  /* CLONE_NEWUSER, FS_IOC_SETFLAGS */
	{35, 1026, 0x11000, 0, 0, 0},	       /* PR_SET_MM, F_NOTIFY */
};

static void compare(const struct sock_filter *ours, int our_len, const struct sock_filter *theirs, int their_len,
		    int nr, unsigned needs)
{
	for (size_t arch = 0; arch < ARRAY_LEN(arches); arch++)
		for (size_t i = 0; i < ARRAY_LEN(arguments); i++) {
			struct seccomp_data data = {.nr = nr, .arch = arches[arch]};
			memcpy(data.args, arguments[i], sizeof(data.args));
			uint32_t mine = interpret(ours, our_len, &data), other = interpret(theirs, their_len, &data);
			if (mine != other)
				fail_msg("needs %#x, number %d of ABI %#x, arguments %zu: %#x, by libseccomp %#x", needs,
					 nr, arches[arch], i, mine, other);
		}
}

static void test_same_as_libseccomp(void **state)
{
	(void)state;
	static const int wild[] = {INT32_MIN, INT32_MIN + 1, -4096, -2, -1, 100000, 0x3fffffff, 0x7fffffff};
	static struct sock_filter reference[CODE_MAX];
	for (unsigned needs = 0; needs < NEEDS_END; needs++) {
		struct sock_fprog *program = NULL;
		struct errmsg msg = {0};
		/* No view has that without the two, nor the two without it. */
		if (!(needs & NEEDS_IDS) != ((needs & (NEEDS_ROOT | NEEDS_DUMPABLE)) != (NEEDS_ROOT | NEEDS_DUMPABLE)))
			continue;
		assert_int_equal(filter_build(needs, &program, &msg), 0);
		/* The rules that look at arguments stand before both. */
		int len = prologue_assemble(screen_rules, screen_rules_len, needs, reference, CODE_MAX);
		assert_true(len > 0);
		static struct sock_filter by_number[CODE_MAX];
		int count = make_reference(needs, by_number);
		assert_true(len + count <= CODE_MAX);
		memcpy(reference + len, by_number, (size_t)count * sizeof(*by_number));
		len += count;
		for (int nr = 0; nr < 1100; nr++) {
			compare(program->filter, program->len, reference, len, nr, needs);
			compare(program->filter, program->len, reference, len, nr | 0x40000000, needs);
		}
		for (size_t i = 0; i < ARRAY_LEN(wild); i++)
			compare(program->filter, program->len, reference, len, wild[i], needs);
		if (needs == 0 || needs == NEEDS_END - 1)
			print_message("needs %#x: %u instructions, by libseccomp %d\n", needs, program->len, len);
		filter_free(program);
	}
}

/* That the comparison above would see a difference: one action changed is found. */
static void test_a_difference_is_seen(void **state)
{
	(void)state;
	static struct sock_filter code[CODE_MAX];
	int len = numbers_assemble(0, code, CODE_MAX);
	assert_true(len > 0);
	for (int at = 0; at < len; at++) {
		if (BPF_CLASS(code[at].code) != BPF_RET)
			continue;
		uint32_t was = code[at].k;
		unsigned differ = 0;
		code[at].k = SECCOMP_RET_TRAP;
		for (int nr = -1; nr < 1100; nr++) {
			struct seccomp_data data = {.nr = nr, .arch = AUDIT_ARCH_X86_64};
			struct seccomp_data foreign = {.nr = nr, .arch = AUDIT_ARCH_I386};
			differ += interpret(code, len, &data) != numbers_action(nr, 0);
			differ += interpret(code, len, &foreign) == SECCOMP_RET_TRAP;
		}
		assert_true(differ > 0); /* and every return is reached by some number */
		code[at].k = was;
	}
}

static void test_room(void **state)
{
	(void)state;
	static struct sock_filter code[CODE_MAX];
	int len = numbers_assemble(NEEDS_HIDE, code, CODE_MAX);
	assert_true(len > 0);
	for (int cap = 0; cap < len; cap++) {
		code[cap] = (struct sock_filter){.k = 0x5c21};
		assert_int_equal(numbers_assemble(NEEDS_HIDE, code, (size_t)cap), -ENOSPC);
		assert_int_equal(code[cap].k, 0x5c21);
	}
	assert_int_equal(numbers_assemble(NEEDS_HIDE, code, (size_t)len), len);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_as_libseccomp),
		cmocka_unit_test(test_a_difference_is_seen),
		cmocka_unit_test(test_room),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
