/* SPDX-License-Identifier: Apache-2.0 */
/* The system call table against the kernel's headers and against docs/PARITY.md; the rules of the screened calls. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "intercept/steer/guard.h"
#include "intercept/filter/filter.h"
#include "intercept/filter/prologue.h"
#include "intercept/filter/syscalls.h"
#include "bpf_machine.h"

static const struct {
	int nr;
	const char *name;
} kernel_numbers[] = {
#include "kernel_numbers.h"
};


/* ---- The table ---- */

static void test_every_kernel_number(void **state)
{
	(void)state;
	assert_true(ARRAY_LEN(kernel_numbers) > 300);
	for (size_t i = 0; i < ARRAY_LEN(kernel_numbers); i++) {
		const struct syscall_row *row = syscall_find(kernel_numbers[i].nr);
		if (!row)
			fail_msg("%d (%s) is not in the table", kernel_numbers[i].nr, kernel_numbers[i].name);
		assert_string_equal(row->name, kernel_numbers[i].name);
	}
}

static void test_rows_are_sound(void **state)
{
	(void)state;
	for (size_t i = 0; i < syscall_table_len; i++) {
		const struct syscall_row *row = &syscall_table[i];
		if (!row->name) {
			assert_null(syscall_find((int)i));
			continue;
		}
		assert_int_equal(row->nr, i);
		assert_ptr_equal(syscall_find((int)i), row);
		/* By name, the first is the one: so no name appears twice. */
		assert_ptr_equal(syscall_by_name(row->name), row);
		assert_true(row->needs < NEEDS_END);
		assert_true(row->handler >= HANDLER_NONE && row->handler < HANDLER_COUNT);
		switch (row->class) {
		case CLASS_ALLOW:
			assert_true(row->needs == 0 && row->error == 0 && row->handler == HANDLER_NONE);
			break;
		case CLASS_NOTIFY:
			assert_true(row->error == 0 && row->handler != HANDLER_NONE);
			break;
		case CLASS_REFUSE:
			assert_true(row->error > 0 && row->error < 134 && row->handler == HANDLER_NONE);
			break;
		case CLASS_SCREEN:
			assert_true(row->needs == 0 && row->error == 0);
			break;
		}
	}
}

static void test_unknown_numbers(void **state)
{
	(void)state;
	static const int unknown[] = {-1, 337, 423, 512, 547, 100000, INT32_MIN, INT32_MAX, 0x40000000};
	for (size_t i = 0; i < ARRAY_LEN(unknown); i++)
		assert_null(syscall_find(unknown[i]));
	assert_null(syscall_by_name("no_such_call"));
	assert_null(syscall_by_name(""));
}

/* Each handler answers some call, but for those that nothing can reach. */
static void test_every_handler_is_reached(void **state)
{
	(void)state;
	bool reached[HANDLER_COUNT] = {[HANDLER_NONE] = true};
	for (size_t i = 0; i < syscall_table_len; i++)
		reached[syscall_table[i].handler] = true;
	for (int h = 0; h < HANDLER_COUNT; h++)
		if (!reached[h])
			fail_msg("nothing leads to handler %d", h);
}

/* ---- The rules ---- */

static void test_rules_are_sound(void **state)
{
	(void)state;
	bool seen[1024] = {false};
	for (size_t i = 0; i < screen_rules_len; i++) {
		const struct screen_rule *rule = &screen_rules[i];
		const struct syscall_row *row = syscall_find(rule->nr);
		assert_non_null(row);
		/* What steering makes stops for the tracer where it would be notified else; nothing else has rules. */
		bool from_guard = rule->tests[0].kind == TEST_IP_BELOW || rule->tests[1].kind == TEST_IP_BELOW;
		assert_true(from_guard == (rule->action == (SECCOMP_RET_TRACE | GUARD_TRACE_DATA)));
		if (from_guard && rule->tests[1].kind == TEST_NONE && row->class != CLASS_SCREEN) {
			assert_true(row->class == CLASS_NOTIFY || rule->nr == GUARD_GATE_CALL);
			assert_true(row->needs == rule->needs || (row->needs == NEEDS_ROOT && rule->needs == NEEDS_IDS));
		} else {
			assert_int_equal(row->class, CLASS_SCREEN);
		}
		assert_true(rule->needs < NEEDS_END);
		assert_true(rule->tests[0].kind != TEST_NONE);
		for (size_t t = 0; t < SCREEN_TESTS_MAX; t++)
			assert_true(rule->tests[t].arg < 6);
		if (rule->action == SECCOMP_RET_USER_NOTIF)
			assert_int_not_equal(row->handler, HANDLER_NONE);
		/* The rules of one number stand together: a second block of it would never be reached. */
		if (i == 0 || screen_rules[i - 1].nr != rule->nr) {
			assert_false(seen[rule->nr]);
			seen[rule->nr] = true;
		}
	}
	for (size_t i = 0; i < syscall_table_len; i++)
		if (syscall_table[i].name && syscall_table[i].class == CLASS_SCREEN && !seen[i])
			fail_msg("%s is screened by no rule", syscall_table[i].name);
}

/* ---- The assembler ---- */

#define ARCH_HERE 0xc000003eu

static const struct screen_rule sample[] = {
	{10, 0, 1, {{TEST_LOW_MASKED, 1, UINT32_MAX, 7}}},
	{10, 0, 2, {{TEST_LOW_MASKED, 1, 0xff00, 0x2100}, {TEST_NOT_NULL, 0, 0, 0}}},
	{10, NEEDS_HIDE, 3, {{TEST_LOW_ANY, 2, 0x30, 0}}},
	{20, 0, 4, {{TEST_BELOW, 0, 0, 0x20000}, {TEST_LOW_UNSET, 3, 0x400, 0}}},
	{30, NEEDS_MASK, 5, {{TEST_NOT_NULL, 4, 0, 0}}},
	{40, 0, 6, {{TEST_IP_BELOW, 0, 0, 0x30000}}},
};

static uint32_t run_sample_at(uint64_t ip)
{
	struct sock_filter code[256];
	int len = prologue_assemble(sample, ARRAY_LEN(sample), 0, code, ARRAY_LEN(code));
	assert_true(len > 0);
	struct seccomp_data data = {.nr = 40, .arch = ARCH_HERE, .instruction_pointer = ip};
	return interpret(code, len, &data);
}

static uint32_t run_sample(unsigned needs, uint32_t arch, int nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4)
{
	struct sock_filter code[256];
	int len = prologue_assemble(sample, ARRAY_LEN(sample), needs, code, ARRAY_LEN(code));
	assert_true(len > 0);
	struct seccomp_data data = {.nr = nr, .arch = arch, .args = {a0, a1, a2, a3, a4, 0}};
	return interpret(code, len, &data);
}

static void test_assembler(void **state)
{
	(void)state;
	const uint32_t here = ARCH_HERE;
	const uint64_t high = 1ull << 32;
	assert_int_equal(run_sample(0, here, 10, 0, 7, 0, 0, 0), 1);
	assert_int_equal(run_sample(0, here, 10, 0, 7 | high, 0, 0, 0), 1);
	assert_int_equal(run_sample(0, here, 10, 0, 7 * high, 0, 0, 0), FELL_THROUGH);
	assert_int_equal(run_sample(0, 0x40000003, 10, 0, 7, 0, 0, 0), FELL_THROUGH);
	assert_int_equal(run_sample(0, here, 11, 0, 7, 0, 0, 0), FELL_THROUGH);
	assert_int_equal(run_sample(0, here, 10, 1, 0x8021ff, 0, 0, 0), 2);
	assert_int_equal(run_sample(0, here, 10, high, 0x2100, 0, 0, 0), 2);
	assert_int_equal(run_sample(0, here, 10, 0, 0x2100, 0, 0, 0), FELL_THROUGH);
	/* needs: in force for one of its parts only */
	assert_int_equal(run_sample(0, here, 10, 0, 0, 0x20, 0, 0), FELL_THROUGH);
	assert_int_equal(run_sample(NEEDS_HIDE, here, 10, 0, 0, 0x20, 0, 0), 3);
	assert_int_equal(run_sample(NEEDS_HIDE | NEEDS_ROOT, here, 10, 0, 0, 0x10 | high, 0, 0), 3);
	assert_int_equal(run_sample(NEEDS_HIDE, here, 10, 0, 0, 0x0f, 0, 0), FELL_THROUGH);
	/* the first match decides */
	assert_int_equal(run_sample(NEEDS_HIDE, here, 10, 1, 7, 0x30, 0, 0), 1);
	/* below: all 64 bits */
	assert_int_equal(run_sample(0, here, 20, 0x1ffff, 0, 0, 0, 0), 4);
	assert_int_equal(run_sample(0, here, 20, 0, 0, 0, high * 0x400, 0), 4);
	assert_int_equal(run_sample(0, here, 20, 0x20000, 0, 0, 0, 0), FELL_THROUGH);
	assert_int_equal(run_sample(0, here, 20, high, 0, 0, 0, 0), FELL_THROUGH);
	assert_int_equal(run_sample(0, here, 20, 0, 0, 0, 0x400, 0), FELL_THROUGH);
	assert_int_equal(run_sample(NEEDS_MASK, here, 30, 0, 0, 0, 0, 1), 5);
	assert_int_equal(run_sample(NEEDS_MASK, here, 30, 0, 0, 0, 0, high), 5);
	assert_int_equal(run_sample(NEEDS_MASK, here, 30, 0, 0, 0, 0, 0), FELL_THROUGH);
	assert_int_equal(run_sample(NEEDS_HIDE, here, 30, 0, 0, 0, 0, 1), FELL_THROUGH);
	/* where it comes from */
	assert_int_equal(run_sample_at(0x2ffff), 6);
	assert_int_equal(run_sample_at(0x30000), FELL_THROUGH);
	assert_int_equal(run_sample_at(high), FELL_THROUGH);
	assert_int_equal(run_sample_at(high + 2), FELL_THROUGH);
}

static void test_assembler_room(void **state)
{
	(void)state;
	struct sock_filter code[4096];
	for (size_t cap = 0; cap < 200; cap++) {
		int r = prologue_assemble(screen_rules, screen_rules_len, 0, code, cap);
		assert_int_equal(r, -ENOSPC);
	}
	assert_true(prologue_assemble(screen_rules, screen_rules_len, NEEDS_END - 1, code, ARRAY_LEN(code)) > 200);
}

static void test_build(void **state)
{
	(void)state;
	for (unsigned needs = 0; needs < NEEDS_END; needs++) {
		struct sock_fprog *program = NULL;
		struct errmsg msg = {0};
		if (filter_build(needs, &program, &msg) < 0)
			fail_msg("needs %#x: %s", needs, msg.text);
		assert_true(program->len > 300 && program->len <= BPF_MAXINSNS);
		if (needs == 0 || needs == NEEDS_END - 1)
			print_message("needs %#x: %u instructions\n", needs, program->len);
		assert_null(filter_free(program));
	}
	assert_null(filter_free(NULL));
}

/* ---- docs/PARITY.md ---- */

/* The class column as the table would write it: "allow", "notify: hide, mask", "refuse EPERM", "screen". */
static void describe(const struct syscall_row *row, struct buffer *text)
{
	static const char *const classes[] = {"allow", "notify", "refuse", "screen"};
	static const char *const parts[] = {"hide", "mask", "append", "readonly", "root", "dumpable", "crypt", "ids", "private"};
	buffer_clear(text);
	assert_int_equal(buffer_append_str(text, classes[row->class]), 0);
	if (row->class == CLASS_REFUSE) {
		buffer_append_str(text, " ");
		buffer_append_str(text, strerrorname_np(row->error));
	}
	const char *separator = ": ";
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		if (!(row->needs & 1u << i))
			continue;
		buffer_append_str(text, separator);
		assert_int_equal(buffer_append_str(text, parts[i]), 0);
		separator = ", ";
	}
}

/* The next cell of a table's line, trimmed; NULL at its end. */
static char *next_cell(char **line)
{
	char *start = *line, *end = strchr(start, '|');
	if (!end)
		return NULL;
	*line = end + 1;
	while (*start == ' ')
		start++;
	while (end > start && end[-1] == ' ')
		end--;
	*end = '\0';
	return start;
}

static void check_parity_row(char *line, bool *seen)
{
	BUFFER_ON_STACK(class, 128);
	char *at = line + 1;
	char *name = next_cell(&at), *number = next_cell(&at), *kind = next_cell(&at), *difference = next_cell(&at);
	if (!difference)
		fail_msg("PARITY: not four columns: %s", line);
	const struct syscall_row *row = syscall_by_name(name);
	if (!row)
		fail_msg("PARITY: %s is not in the table", name);
	if (seen[row->nr])
		fail_msg("PARITY: %s stands there twice", name);
	seen[row->nr] = true;
	if (atoi(number) != row->nr)
		fail_msg("PARITY: %s is number %d", name, row->nr);
	describe(row, &class);
	if (strcmp(kind, class.data) != 0)
		fail_msg("PARITY: %s is \"%s\" in the table, not \"%s\"", name, class.data, kind);
	if (row->class != CLASS_ALLOW && strlen(difference) < 10)
		fail_msg("PARITY: nothing is said of %s", name);
}

static void test_parity(void **state)
{
	(void)state;
	static bool seen[1024];
	_cleanup_free_ char *line = NULL;
	size_t room = 0, rows = 0;
	bool in_table = false;
	FILE *file = fopen(PARITY_FILE, "re");
	assert_non_null(file);
	while (getline(&line, &room, file) > 0) {
		/* The table of calls is the one with this head; the other one's rows are no calls. */
		if (strncmp(line, "| call | number |", 17) == 0)
			in_table = true;
		else if (line[0] != '|')
			in_table = false;
		else if (in_table && strncmp(line, "|---", 4) != 0) {
			check_parity_row(line, seen);
			rows++;
		}
	}
	fclose(file);
	for (size_t i = 0; i < syscall_table_len; i++)
		if (syscall_table[i].name && !seen[i])
			fail_msg("PARITY: %s is missing", syscall_table[i].name);
	print_message("%zu rows\n", rows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_kernel_number),
		cmocka_unit_test(test_rows_are_sound),
		cmocka_unit_test(test_unknown_numbers),
		cmocka_unit_test(test_every_handler_is_reached),
		cmocka_unit_test(test_rules_are_sound),
		cmocka_unit_test(test_assembler),
		cmocka_unit_test(test_assembler_room),
		cmocka_unit_test(test_build),
		cmocka_unit_test(test_parity),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
