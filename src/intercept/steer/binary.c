/* SPDX-License-Identifier: Apache-2.0 */
/* A file of a registered format whose handler wants it open (fs/binfmt_misc.c, flag O): AT_EXECFD. */
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "intercept/steer/image.h"

#ifndef AT_RSEQ_FEATURE_SIZE
#define AT_RSEQ_FEATURE_SIZE 27
#endif

/* One more pair of words, where create_elf_tables() puts it. 0 or -ENOMEM. */
static int add_aux(struct stack_block *block, uint64_t type, uint64_t value)
{
	uint64_t *words = realloc(block->words, (block->count + 2) * sizeof(*words));
	size_t at = block->aux;

	if (!words)
		return -ENOMEM;
	block->words = words;
	while (words[at] != AT_NULL && words[at] != AT_RSEQ_FEATURE_SIZE)
		at += 2;
	memmove(words + at + 2, words + at, (block->count - at) * sizeof(*words));
	words[at] = type;
	words[at + 1] = value;
	block->count += 2;
	return 0;
}

int image_hand_binary(struct image *image, const struct exec_plan *plan)
{
	const struct steer_config *config = &image->t->steer->config;
	char name[64];
	long fd = -EIO;

	if (!plan->opens_binary)
		return 0;
	/* begin_new_exec(): not closed by the next exec, and the lowest number that is free. */
	int len = snprintf(name, sizeof(name), "/proc/%d/fd/%d", plan->binary_vault ? plan->binary_vault : config->vault,
			   plan->binary_vault ? plan->binary_vault_fd : plan->binary_fd);
	uint64_t at = guard_write_slot(config->guard, image->slot, name, (size_t)len + 1);
	int r = image_call(image, 0, SYS_openat, (uint64_t[6]){(uint64_t)(int64_t)AT_FDCWD, at, O_RDONLY}, &fd);
	if (r < 0 || fd < 0)
		return r < 0 ? r : (int)fd;
	return add_aux(&image->block, AT_EXECFD, (uint64_t)fd);
}
