/* SPDX-License-Identifier: Apache-2.0 */
/* An interpreter of the few instructions that filters are made of. Include after cmocka.h. */
#pragma once

#include <stdint.h>
#include <string.h>

#include <linux/filter.h>
#include <linux/seccomp.h>

#define FELL_THROUGH UINT32_MAX

static inline uint32_t interpret(const struct sock_filter *code, int len, const struct seccomp_data *data)
{
	uint32_t a = 0;
	for (int at = 0; at < len; at++) {
		const struct sock_filter *op = &code[at];
		switch (op->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			assert_true(op->k % 4 == 0 && op->k + 4 <= sizeof(*data));
			memcpy(&a, (const char *)data + op->k, sizeof(a));
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= op->k;
			break;
		case BPF_JMP | BPF_JA:
			at += (int)op->k;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			at += a == op->k ? op->jt : op->jf;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			at += a >= op->k ? op->jt : op->jf;
			break;
		case BPF_JMP | BPF_JGT | BPF_K:
			at += a > op->k ? op->jt : op->jf;
			break;
		case BPF_JMP | BPF_JSET | BPF_K:
			at += (a & op->k) ? op->jt : op->jf;
			break;
		case BPF_RET | BPF_K:
			return op->k;
		default:
			fail_msg("unexpected instruction %#x", op->code);
		}
		assert_true(at < len);
	}
	return FELL_THROUGH;
}
