/* SPDX-License-Identifier: Apache-2.0 */
#include "intercept/filter/numbers.h"

#include <errno.h>
#include <stdbool.h>

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include "intercept/filter/syscalls.h"

/* int 0x80 and x32 calls (numbers with bit 30): other numbers, other argument widths. To a program they do not exist. */
#define REFUSE_UNKNOWN (SECCOMP_RET_ERRNO | ENOSYS)

/* More runs than the table can have. */
#define RUNS_MAX 1024
#define JUMP_MAX 255 /* a conditional jump of classic BPF */

uint32_t numbers_action(int64_t nr, unsigned needs)
{
	const struct syscall_row *row = nr >= 0 && nr < (int64_t)syscall_table_len ? &syscall_table[nr] : NULL;
	if (!row || !row->name)
		return REFUSE_UNKNOWN;
	if (row->needs != 0 && (row->needs & needs) == 0)
		return SECCOMP_RET_ALLOW;
	switch (row->class) {
	case CLASS_ALLOW:
	case CLASS_SCREEN: /* no rule of the prologue matched */
		return SECCOMP_RET_ALLOW;
	case CLASS_NOTIFY:
		return SECCOMP_RET_USER_NOTIF;
	case CLASS_REFUSE:
		return SECCOMP_RET_ERRNO | (uint32_t)row->error;
	}
	return REFUSE_UNKNOWN;
}

/* Numbers from FIRST to the next run's first, all with one action. */
struct run {
	uint32_t first;
	uint32_t action;
};

static size_t find_runs(unsigned needs, struct run runs[RUNS_MAX])
{
	size_t count = 0;
	/* One past the end too: all numbers from there on are unknown. As unsigned: so are the negative ones. */
	for (size_t nr = 0; nr <= syscall_table_len; nr++) {
		uint32_t action = numbers_action((int64_t)nr, needs);
		if (count && runs[count - 1].action == action)
			continue;
		if (count == RUNS_MAX)
			return 0;
		runs[count++] = (struct run){.first = (uint32_t)nr, .action = action};
	}
	return count;
}

struct tree {
	struct sock_filter *code;
	size_t len, cap;
};

/* The last one counts where there is no room: numbers_assemble() looks at the length in the end. */
static size_t emit(struct tree *tree, uint16_t op, uint32_t k, uint8_t jt, uint8_t jf)
{
	if (tree->len < tree->cap)
		tree->code[tree->len] = (struct sock_filter){.code = op, .jt = jt, .jf = jf, .k = k};
	return tree->len++;
}

/* The numbers of COUNT runs; which of them is not known yet. The lower half follows its comparison at once. */
static void assemble_runs(struct tree *tree, const struct run *runs, size_t count)
{
	if (count == 1) {
		emit(tree, BPF_RET | BPF_K, runs->action, 0, 0);
		return;
	}
	size_t half = count / 2;
	/* n leaves are n returns, n-1 comparisons and at most n-1 long jumps. */
	bool is_far = 3 * half > JUMP_MAX;
	size_t compare = emit(tree, BPF_JMP | BPF_JGE | BPF_K, runs[half].first, 0, is_far ? 1 : 0);
	size_t jump = is_far ? emit(tree, BPF_JMP | BPF_JA, 0, 0, 0) : compare;
	assemble_runs(tree, runs, half);
	size_t distance = tree->len - jump - 1;
	if (jump < tree->cap && is_far)
		tree->code[jump].k = (uint32_t)distance;
	else if (jump < tree->cap)
		tree->code[jump].jt = (uint8_t)distance;
	assemble_runs(tree, runs + half, count - half);
}

int numbers_assemble(unsigned needs, struct sock_filter *code, size_t cap)
{
	struct tree tree = {.code = code, .cap = cap};
	struct run runs[RUNS_MAX];
	size_t count = find_runs(needs, runs);
	if (count == 0)
		return -ENOSPC;

	emit(&tree, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, arch), 0, 0);
	emit(&tree, BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
	emit(&tree, BPF_RET | BPF_K, REFUSE_UNKNOWN, 0, 0);
	emit(&tree, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, nr), 0, 0);
	assemble_runs(&tree, runs, count);
	return tree.len > cap ? -ENOSPC : (int)tree.len;
}
