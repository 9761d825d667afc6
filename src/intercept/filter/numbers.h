/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of the filter that sees the number only: what a call gets that no rule of the prologue decided.
 *
 * libseccomp can make the same program (and does, in test/unit/filter_numbers.c, which runs both over every number);
 * but with its binary tree that takes 2 ms of a start that should take 4, nearly all of it in comparing rules that
 * cannot meet.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct sock_filter;

/* The SECCOMP_RET_* value, with its data, for NR of the x86-64 ABI under NEEDS (enum syscall_needs). */
uint32_t numbers_action(int64_t nr, unsigned needs);

/*
 * Assemble the whole judgement by number, foreign ABIs included, into CODE (room for CAP instructions): a binary tree
 * over runs of neighbours that get the same. Returns the number of instructions or -ENOSPC.
 */
int numbers_assemble(unsigned needs, struct sock_filter *code, size_t cap);
