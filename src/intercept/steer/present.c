/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The face of a new image. The kernel was given "/proc/VAULT/fd/N" as the file's name and, for a script, the
 * caller's own argv; the program is to see the name the caller gave and the argv of a script.
 *
 * At a process's entry the stack is, from the stack pointer up: argc, argv, envp, auxv; some padding; the random
 * bytes and the platform's name (auxv points to them); the strings of argv, of envp, the file's name. When the name
 * fits where the kernel put ours (steer.c pads ours so that it mostly does) it is exchanged in place. Else, and for
 * a script, everything below the strings is laid out anew with the new strings between.
 */
#include <elf.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <linux/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "intercept/steer/image.h"

#define BLOCK_MAX_BYTES (32u << 20)
#define RANDOM_BYTES 16
#define PLATFORM_MAX 64

/* ---- reading ---- */

/* Find the parts in HAVE words. False when they go on. */
static bool parse_block(struct stack_block *block, size_t have)
{
	const uint64_t *w = block->words;
	if (have < 2 || w[0] > BLOCK_MAX_BYTES / 8)
		return false;
	block->argc = w[0];
	size_t at = 1 + block->argc + 1;
	size_t env = at;
	while (at < have && w[at])
		at++;
	block->envc = at - env;
	block->aux = ++at;
	while (at + 1 < have && w[at] != AT_NULL)
		at += 2;
	block->count = at + 2;
	return block->count <= have;
}

int stack_block_read(pid_t tid, uint64_t rsp, struct stack_block *ret)
{
	for (size_t size = 8192; size <= BLOCK_MAX_BYTES; size *= 4) {
		struct stack_block block = {.words = malloc(size)};
		if (!block.words)
			return -ENOMEM;
		ssize_t got = memory_read(tid, rsp, block.words, size);
		if (got > 0 && parse_block(&block, (size_t)got / 8)) {
			*ret = block;
			return 0;
		}
		free(block.words);
		if (got < (ssize_t)size)
			break; /* the stack's end */
	}
	return -EFAULT;
}

uint64_t *stack_block_aux(const struct stack_block *block, uint64_t type)
{
	for (size_t at = block->aux; at < block->count; at += 2)
		if (block->words[at] == type)
			return &block->words[at + 1];
	return NULL;
}

/* ---- laying out anew ---- */

/* Bytes of the image from `low` to `high`, filled from the top down. */
struct layout {
	unsigned char *bytes;
	uint64_t low, high;
	uint64_t at; /* lowest address given out */
};

static uint64_t put(struct layout *l, const void *bytes, size_t size)
{
	l->at -= size;
	memcpy(l->bytes + (l->at - l->low), bytes, size);
	return l->at;
}

/* A string auxv entry TYPE points to, if it lies where the layout will be. */
static size_t string_of_aux(const struct image *image, uint64_t type, uint64_t high, char text[PLATFORM_MAX])
{
	uint64_t *value = stack_block_aux(&image->block, type);
	if (!value || *value < image->t->saved.rsp || *value >= high)
		return 0;
	size_t size = high - *value < PLATFORM_MAX ? high - *value : PLATFORM_MAX;
	if (image_read(image->t->tid, *value, text, size) < 0)
		return 0;
	char *end = memchr(text, 0, size);
	return end ? (size_t)(end - text) + 1 : 0;
}

static uint64_t first_string_after_argv0(const struct stack_block *block, uint64_t execfn)
{
	if (block->argc > 1)
		return block->words[2];
	return block->envc ? block->words[1 + block->argc + 1] : execfn;
}

/* Make the image's stack reach down to ADDRESS, by letting the kernel write there for it. */
static int grow_stack(struct image *image, uint64_t address)
{
	long result;
	int r = image_call(image, CALL_PLAIN, SYS_rt_sigprocmask, (uint64_t[6]){0, 0, address, 8}, &result);
	return r < 0 ? r : (int)result;
}

/* How many of the caller's argv the prefix takes the place of. */
static size_t replaced(const struct stack_block *block, const struct exec_plan *plan)
{
	return plan->prefix_count && !plan->keeps_argv0 && block->argc ? 1 : 0;
}

static void put_block(struct layout *l, const struct stack_block *block, const struct exec_plan *plan,
		      const uint64_t *prefix)
{
	size_t old_argc = block->argc, skipped = replaced(block, plan);
	size_t argc = old_argc - skipped + plan->prefix_count;
	size_t rest = block->count - 1 - skipped; /* argv (but for what is replaced), envp, auxv */
	l->at = (l->at - 8 * (1 + plan->prefix_count + rest)) & ~15ull;
	unsigned char *p = l->bytes + (l->at - l->low);
	uint64_t word = argc;
	memcpy(p, &word, 8);
	memcpy(p + 8, prefix, 8 * plan->prefix_count);
	memcpy(p + 8 + 8 * plan->prefix_count, block->words + 1 + skipped, 8 * rest);
}

/* What /proc/PID/stat says of the address space, as PR_SET_MM_MAP takes it. False when it cannot be read. */
static bool read_mm(pid_t tid, struct prctl_mm_map *map)
{
	char path[64], text[2048];
	snprintf(path, sizeof(path), "/proc/%d/stat", tid);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (got <= 0)
		return false;
	text[got] = 0;
	uint64_t field[53] = {0};
	char *p = strrchr(text, ')');
	if (!p)
		return false;
	p++;
	for (unsigned i = 3; i <= 51; i++) {
		p += strspn(p, " ");
		field[i] = strtoull(p, NULL, 10); /* the state letter and negative fields are none of ours */
		p += strcspn(p, " ");
	}
	*map = (struct prctl_mm_map){
		.start_code = field[26], .end_code = field[27], .start_stack = field[28],
		.start_data = field[45], .end_data = field[46], .start_brk = field[47], .brk = field[47],
		.arg_start = field[48], .arg_end = field[49], .env_start = field[50], .env_end = field[51],
		.exe_fd = ~0u,
	};
	return true;
}

static void put_aux(struct image *image, uint64_t type, uint64_t value)
{
	uint64_t *entry = stack_block_aux(&image->block, type);
	if (entry)
		*entry = value;
}

/* Lay out the lower part anew: prefix strings instead of argv[0], EXECFN if not NULL, the block. */
static int relay(struct image *image, const struct exec_plan *plan, const char *execfn, uint64_t old_execfn)
{
	struct tracee *t = image->t;
	struct stack_block *block = &image->block;
	uint64_t high = replaced(block, plan) || block->argc == 0 ? first_string_after_argv0(block, old_execfn)
								  : block->words[1];
	if (high <= t->saved.rsp + block->count * 8)
		return -EFAULT;
	size_t size = 256 + 2 * PLATFORM_MAX + RANDOM_BYTES + 8 * (block->count + plan->prefix_count);
	for (unsigned i = 0; i < plan->prefix_count; i++)
		size += strlen(plan->prefix[i]) + 1;
	size += execfn ? strlen(execfn) + 1 : 0;
	_cleanup_free_ unsigned char *bytes = calloc(1, size);
	if (!bytes)
		return -ENOMEM;
	struct layout l = {.bytes = bytes, .low = high - size, .high = high, .at = high};

	uint64_t prefix[EXEC_PLAN_PREFIX_MAX];
	for (unsigned i = plan->prefix_count; i-- > 0;)
		prefix[i] = put(&l, plan->prefix[i], strlen(plan->prefix[i]) + 1);
	uint64_t arg_start = l.at;
	if (execfn)
		put_aux(image, AT_EXECFN, put(&l, execfn, strlen(execfn) + 1));
	static const uint64_t texts[] = {AT_PLATFORM, AT_BASE_PLATFORM};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		char text[PLATFORM_MAX];
		size_t len = string_of_aux(image, texts[i], high, text);
		if (len)
			put_aux(image, texts[i], put(&l, text, len));
	}
	uint64_t *random = stack_block_aux(block, AT_RANDOM);
	if (random && *random < high) {
		unsigned char seed[RANDOM_BYTES];
		if (image_read(t->tid, *random, seed, sizeof(seed)) < 0)
			return -EFAULT;
		put_aux(image, AT_RANDOM, put(&l, seed, sizeof(seed)));
	}
	l.at &= ~15ull;
	put_block(&l, block, plan, prefix);

	size_t used = l.high - l.at;
	int r = image_write(t->tid, l.at, bytes + (l.at - l.low), used);
	if (r < 0) {
		r = grow_stack(image, l.at);
		if (r == 0)
			r = image_write(t->tid, l.at, bytes + (l.at - l.low), used);
	}
	if (r < 0)
		return r;
	t->saved.rsp = l.at;

	/* /proc/PID/cmdline, auxv and stat; cosmetic, and refused by kernels without CHECKPOINT_RESTORE. */
	struct prctl_mm_map map;
	if (!read_mm(t->tid, &map))
		return 0;
	if (plan->prefix_count)
		map.arg_start = arg_start;
	map.start_stack = l.at;
	size_t aux_bytes = 8 * (block->count - block->aux);
	size_t argc_change = plan->prefix_count - replaced(block, plan);
	map.auxv = (void *)(l.at + 8 * (block->aux + argc_change));
	map.auxv_size = (uint32_t)aux_bytes;
	uint64_t at = guard_write_slot(t->steer->config.guard, image->slot, &map, sizeof(map));
	long result;
	return image_call(image, 0, SYS_prctl, (uint64_t[6]){PR_SET_MM, PR_SET_MM_MAP, at, sizeof(map)}, &result);
}

int image_present(struct image *image, const struct exec_plan *plan, const char *slot_text)
{
	uint64_t *entry = stack_block_aux(&image->block, AT_EXECFN);
	if (!entry)
		return -EFAULT;
	uint64_t old = *entry;
	size_t room = strlen(slot_text) + 1;
	const char *moved = strlen(plan->execfn) < room ? NULL : plan->execfn;

	char text[GUARD_SLOT_BYTES] = {0};
	if (!moved)
		memcpy(text, plan->execfn, strlen(plan->execfn));
	int r = image_hand_binary(image, plan);
	if (r == 0)
		r = image_write(image->t->tid, old, text, room);
	if (plan->preserves_argv0)
		put_aux(image, AT_FLAGS, 1); /* AT_FLAGS_PRESERVE_ARGV0 of linux/binfmts.h */
	if (r == 0 && (moved || plan->prefix_count))
		r = relay(image, plan, moved, old);
	return r;
}
