/* SPDX-License-Identifier: Apache-2.0 */
#include "intercept/filter/prologue.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

/*
 * The shape of the program:
 *
 *	ld arch; jeq x86-64, else goto END
 *	ld nr
 *	  for each number that has rules in force:
 *	jeq NR: next, else over the block	(A still holds the number there)
 *	  for each rule: its tests, each leaving to the next rule when it fails; ret ACTION
 *	goto END
 *	END: (numbers.c's program)
 *
 * A conditional jump of classic BPF reaches 255 instructions, `ja` any number: so the way over a block is a `ja`.
 * Jumps go forward only, which is also what the kernel's verifier demands.
 */
struct assembler {
	struct sock_filter *code;
	size_t len, cap;
	bool full;
};

static size_t emit(struct assembler *as, uint16_t op, uint32_t k, uint8_t jt, uint8_t jf)
{
	if (as->len >= as->cap) {
		as->full = true;
		return 0;
	}
	as->code[as->len] = (struct sock_filter){.code = op, .jt = jt, .jf = jf, .k = k};
	return as->len++;
}

/* struct seccomp_data is read as 32-bit words; the low half of an argument comes first (little endian). */
static uint32_t arg_low(unsigned arg)
{
	return (uint32_t)(offsetof(struct seccomp_data, args) + arg * sizeof(uint64_t));
}

static uint32_t arg_high(unsigned arg)
{
	return arg_low(arg) + (uint32_t)sizeof(uint32_t);
}

/* To be patched with the distance to the next rule. No rule is as long as that. */
#define TO_NEXT_RULE 0xff

/* The 64 bits at offset AT. VALUE has 32: so the high half must be zero. */
static void assemble_below(struct assembler *as, uint32_t at, uint32_t value)
{
	emit(as, BPF_LD | BPF_W | BPF_ABS, at + (uint32_t)sizeof(uint32_t), 0, 0);
	emit(as, BPF_JMP | BPF_JEQ | BPF_K, 0, 0, TO_NEXT_RULE);
	emit(as, BPF_LD | BPF_W | BPF_ABS, at, 0, 0);
	emit(as, BPF_JMP | BPF_JGE | BPF_K, value, TO_NEXT_RULE, 0);
}

static void assemble_test(struct assembler *as, const struct screen_test *test)
{
	switch (test->kind) {
	case TEST_LOW_MASKED:
		emit(as, BPF_LD | BPF_W | BPF_ABS, arg_low(test->arg), 0, 0);
		if (test->mask != UINT32_MAX)
			emit(as, BPF_ALU | BPF_AND | BPF_K, test->mask, 0, 0);
		emit(as, BPF_JMP | BPF_JEQ | BPF_K, test->value, 0, TO_NEXT_RULE);
		break;
	case TEST_LOW_ANY:
		emit(as, BPF_LD | BPF_W | BPF_ABS, arg_low(test->arg), 0, 0);
		emit(as, BPF_JMP | BPF_JSET | BPF_K, test->mask, 0, TO_NEXT_RULE);
		break;
	case TEST_LOW_UNSET:
		emit(as, BPF_LD | BPF_W | BPF_ABS, arg_low(test->arg), 0, 0);
		emit(as, BPF_JMP | BPF_JSET | BPF_K, test->mask, TO_NEXT_RULE, 0);
		break;
	case TEST_BELOW:
		assemble_below(as, arg_low(test->arg), test->value);
		break;
	case TEST_IP_BELOW:
		assemble_below(as, (uint32_t)offsetof(struct seccomp_data, instruction_pointer), test->value);
		break;
	case TEST_NOT_NULL: /* a high half that is not zero jumps over the look at the low half */
		emit(as, BPF_LD | BPF_W | BPF_ABS, arg_high(test->arg), 0, 0);
		emit(as, BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 2);
		emit(as, BPF_LD | BPF_W | BPF_ABS, arg_low(test->arg), 0, 0);
		emit(as, BPF_JMP | BPF_JEQ | BPF_K, 0, TO_NEXT_RULE, 0);
		break;
	case TEST_NONE:
		break;
	}
}

static void assemble_rule(struct assembler *as, const struct screen_rule *rule)
{
	size_t start = as->len;
	for (size_t i = 0; i < SCREEN_TESTS_MAX; i++)
		assemble_test(as, &rule->tests[i]);
	emit(as, BPF_RET | BPF_K, rule->action, 0, 0);
	if (as->full)
		return;

	for (size_t at = start; at < as->len; at++) {
		struct sock_filter *op = &as->code[at];
		uint8_t distance = (uint8_t)(as->len - at - 1);
		if (BPF_CLASS(op->code) != BPF_JMP)
			continue;
		if (op->jt == TO_NEXT_RULE)
			op->jt = distance;
		if (op->jf == TO_NEXT_RULE)
			op->jf = distance;
	}
}

static bool in_force(const struct screen_rule *rule, unsigned needs)
{
	return rule->needs == 0 || (rule->needs & needs) != 0;
}

int prologue_assemble(const struct screen_rule *rules, size_t count, unsigned needs, struct sock_filter *code, size_t cap)
{
	struct assembler as = {.code = code, .cap = cap};

	emit(&as, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, arch), 0, 0);
	emit(&as, BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
	size_t foreign = emit(&as, BPF_JMP | BPF_JA, 0, 0, 0);
	emit(&as, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, nr), 0, 0);

	/* The `ja` at a block's end needs the program's end, not known yet: their places wait in a chain through k. */
	size_t chain = foreign;
	for (size_t i = 0; i < count && !as.full;) {
		size_t next = i;
		bool any = false;
		for (; next < count && rules[next].nr == rules[i].nr; next++)
			any |= in_force(&rules[next], needs);
		if (!any) {
			i = next;
			continue;
		}

		emit(&as, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)rules[i].nr, 1, 0);
		size_t over = emit(&as, BPF_JMP | BPF_JA, 0, 0, 0);
		for (; i < next; i++)
			if (in_force(&rules[i], needs))
				assemble_rule(&as, &rules[i]);
		chain = emit(&as, BPF_JMP | BPF_JA, (uint32_t)chain, 0, 0);
		if (!as.full)
			code[over].k = (uint32_t)(as.len - over - 1);
	}
	if (as.full)
		return -ENOSPC;

	for (;;) {
		size_t before = code[chain].k;
		code[chain].k = (uint32_t)(as.len - chain - 1);
		if (chain == foreign)
			break;
		chain = before;
	}
	return (int)as.len;
}
