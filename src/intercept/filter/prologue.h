/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of the filter that looks at arguments: ordered rules per system call, assembled to BPF and put in front of
 * the program that judges by number (numbers.h).
 *
 * Why not libseccomp's argument rules: they are an unordered set. An unconditional "allow" of a number swallows
 * the conditional refusals of the same number, an argument may be compared only once in a rule, and there is no
 * "unless". Two stacked filters would do, but then a second program runs for every call. Here the first rule that
 * matches decides; a call that no rule matches goes on to that program.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct sock_filter;

/*
 * What a rule asks of one argument. Where the kernel's parameter is an int, only the LOW tests are right: the kernel
 * ignores the upper half of the register, and whatever the caller leaves there must not change the verdict.
 */
enum test_kind {
	TEST_NONE,	 /* end of the list */
	TEST_LOW_MASKED, /* (low 32 bits & mask) == value */
	TEST_LOW_ANY,	 /* (low 32 bits & mask) != 0 */
	TEST_LOW_UNSET,	 /* (low 32 bits & mask) == 0 */
	TEST_BELOW,	 /* all 64 bits, unsigned: < value */
	TEST_NOT_NULL,	 /* all 64 bits: != 0 */
	TEST_IP_BELOW,	 /* the instruction pointer, all 64 bits: < value */
};

struct screen_test {
	enum test_kind kind;
	unsigned arg; /* 0..5 */
	uint32_t mask;
	uint32_t value;
};

#define SCREEN_TESTS_MAX 2

struct screen_rule {
	int nr;
	unsigned needs; /* enum syscall_needs, as in struct syscall_row; 0: always */
	uint32_t action; /* SECCOMP_RET_* with its data */
	struct screen_test tests[SCREEN_TESTS_MAX];
};

/* The rules, in order; those of one number stand together. Defined in filter.c. */
extern const struct screen_rule screen_rules[];
extern const size_t screen_rules_len;

/*
 * Assemble the rules that are in force under NEEDS into CODE (room for CAP instructions). Execution falls off the end
 * when no rule matched, or when the call is not one of the x86-64 ABI. Returns the number of instructions or -ENOSPC.
 */
int prologue_assemble(const struct screen_rule *rules, size_t count, unsigned needs, struct sock_filter *code, size_t cap);
