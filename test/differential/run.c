/* SPDX-License-Identifier: Apache-2.0 */
/* One call: its arguments put into memory, made, written down. */
#include "differential.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#define REGION (128u << 10)
#define UNTOUCHED 0x5a
/* openat2(2): a scoped lookup may have to be tried again when anything on the machine was renamed meanwhile. */
#define TRIES 1000
/* A lookup that the kernel begins anew goes on counting links (total_link_count in fs/namei.c). */
#define LOOP_TRIES 4

struct scene scene;

static struct region {
	unsigned char *start; /* REGION bytes; behind them lies nothing */
	unsigned char *at;
	size_t size;
} regions[KIND_ARGS];

static void fatal(const char *what)
{
	perror(what);
	exit(3);
}

void run_init(void)
{
	for (int i = 0; i < KIND_ARGS; i++) {
		void *at = mmap(NULL, REGION + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (at == MAP_FAILED || mprotect((char *)at + REGION, 4096, PROT_NONE) < 0)
			fatal("mmap");
		regions[i].start = at;
	}
}

size_t expand(const char *text, size_t length, char *to, size_t size)
{
	size_t tree = scene.tree ? strlen(scene.tree) : 0, at = 0;

	for (size_t i = 0; i < length; i++) {
		if (text[i] == '@' && tree) {
			if (at + tree > size)
				break;
			memcpy(to + at, scene.tree, tree);
			at += tree;
		} else if (at < size) {
			to[at++] = text[i];
		}
	}
	return at;
}

/* SIZE bytes that end where the region does. */
static unsigned char *at_end(struct region *r, size_t size)
{
	r->size = size < REGION ? size : REGION;
	r->at = r->start + REGION - r->size;
	return r->at;
}

static uint64_t put_argv(struct region *r, const char *text, size_t length)
{
	uint64_t *vector = (uint64_t *)r->start;
	char *strings = (char *)r->start + 4096;
	size_t end = expand(text, length, strings, 8192), count = 0;

	strings[end] = '\0';
	for (char *word = strings; end > 0 && word; count++) {
		vector[count] = (uint64_t)(uintptr_t)word;
		word = strchr(word, '|');
		if (word)
			*word++ = '\0';
	}
	vector[count] = 0;
	return (uint64_t)(uintptr_t)vector;
}

static void put_fill(struct region *r, const struct arg *arg)
{
	char unit[8192];
	size_t length = expand(arg->text, arg->length, unit, sizeof(unit));
	unsigned char *at = at_end(r, (size_t)arg->n[0] + 1);

	for (size_t i = 0; i + 1 < r->size; i++)
		at[i] = length ? (unsigned char)unit[i % length] : '/';
	at[r->size - 1] = '\0';
}

static uint64_t put(struct region *r, const struct arg *arg)
{
	char text[8192];
	size_t length = expand(arg->text, arg->length, text, sizeof(text) - 1);
	struct {
		uint64_t value;
		uint32_t size, flags;
	} xattr = {(uint64_t)(uintptr_t)r->start, (uint32_t)arg->n[0], (uint32_t)arg->n[1]};

	text[length] = '\0';
	r->size = 0;
	r->at = r->start;
	switch (arg->form) {
	case FORM_NUMBER:
		return (uint64_t)arg->n[0];
	case FORM_SLOT:
		return (uint64_t)SLOT_FD(arg->n[0]);
	case FORM_TEXT:
		memcpy(r->start, text, length + 1);
		break;
	case FORM_EDGE:
		memcpy(at_end(r, length + 1), text, length + 1);
		break;
	case FORM_CUT:
	case FORM_DATA:
		memcpy(at_end(r, length), text, length);
		break;
	case FORM_FILL:
		put_fill(r, arg);
		break;
	case FORM_BUFFER:
		memset(at_end(r, (size_t)arg->n[0]), UNTOUCHED, (size_t)arg->n[0]);
		break;
	case FORM_WORDS:
		memcpy(at_end(r, (size_t)arg->count * 8), arg->n, (size_t)arg->count * 8);
		break;
	case FORM_UNIX:
		memset(r->start, 0, 4096);
		*(uint16_t *)r->start = (uint16_t)arg->n[0];
		memcpy(r->start + 2, text, length);
		break;
	case FORM_XATTR:
		memset(r->start, UNTOUCHED, (uint32_t)arg->n[0] < 4096 ? (uint32_t)arg->n[0] : 4096);
		memcpy(r->start, text, length);
		r->size = (uint32_t)arg->n[0] < 4096 ? (uint32_t)arg->n[0] : 4096;
		memcpy(r->start + REGION - sizeof(xattr), &xattr, sizeof(xattr));
		return (uint64_t)(uintptr_t)(r->start + REGION - sizeof(xattr));
	case FORM_ARGV:
		return put_argv(r, text, length);
	}
	return (uint64_t)(uintptr_t)r->at;
}

const unsigned char *run_buffer(int arg, size_t *size)
{
	*size = regions[arg].size;
	return regions[arg].at;
}

static bool try_again(const struct kind *kind, long result, int tries)
{
	if (result == -EAGAIN && kind->nr == SYS_openat2)
		return tries < TRIES;
	return result == -ELOOP && tries < LOOP_TRIES;
}

/* The descriptor goes where the sequence wants it. */
static void keep(const struct op *op, long result)
{
	int flags = fcntl((int)result, F_GETFD);

	if (op->slot != NO_SLOT && dup3((int)result, SLOT_FD(op->slot), flags & FD_CLOEXEC ? O_CLOEXEC : 0) < 0)
		fatal("dup3");
	close((int)result);
}

static void guard(void)
{
	char path[4200];

	if (!scene.guard)
		return;
	if (syscall(SYS_getcwd, path, sizeof(path)) > 0 && strncmp(path, scene.tree, strlen(scene.tree)) == 0)
		return;
	fprintf(scene.trace, "back to the tree %ld\n", syscall(SYS_chdir, scene.tree));
}

static void lie(const struct op *op, long *result)
{
	if (scene.lie && *result == -ENOENT && strcmp(op->kind->name, scene.lie) == 0)
		*result = -ENOTDIR;
}

long run_op(const struct op *op, unsigned number)
{
	uint64_t a[KIND_ARGS] = {0};
	long result = 0;
	bool freed;

	for (size_t i = 0; i < KIND_ARGS && op->kind->args[i]; i++)
		a[i] = put(&regions[i], &op->args[i]);
	for (int tries = 0;; tries++) {
		if (op->kind->composite) {
			result = run_composite(op, a);
		} else {
			result = syscall(op->kind->nr, a[0], a[1], a[2], a[3], a[4], a[5]);
			result = result < 0 ? -errno : result;
		}
		if (!try_again(op->kind, result, tries))
			break;
	}
	lie(op, &result);
	freed = op->kind->frees && result >= 0;
	fprintf(scene.trace, "%u %s = ", number, op->kind->name);
	if (result < 0)
		fprintf(scene.trace, "-%s", strerrorname_np((int)-result) ?: "?");
	else if (op->kind->show == SHOW_STATUS)
		fprintf(scene.trace, "fl:%#lx", result);
	else if (describe_is_own_number(op, result))
		fputs("PID", scene.trace);
	else
		fprintf(scene.trace, "%ld", result);
	describe(op, result);
	fprintf(scene.trace, freed ? " ~\n" : "\n");
	if (result >= 0 && op->kind->show == SHOW_FD)
		keep(op, result);
	if (result >= 0 && op->kind->show == SHOW_CWD)
		guard();
	fflush(scene.trace);
	return result;
}
