/* SPDX-License-Identifier: Apache-2.0 */
#include "generate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HOSTILE_PERCENT 25
#define LOOK_EVERY 3
#define HOME_PERCENT 3
#define MAX_KINDS 200

static struct count {
	unsigned made, succeeded;
} counts[MAX_KINDS];

static unsigned weight_of(const struct gen *gen, const struct kind *kind)
{
	unsigned weight = kind->weight ? (unsigned)kind->weight : 4;

	if (kind->data)
		return gen->data ? 4 * weight : 0;
	/* A memory file of the program's own is of the same kind as a file of the tree only where that is encrypted. */
	return gen->data && kind->nr == SYS_memfd_create ? 0 : weight;
}

static const struct kind *choose(struct gen *gen)
{
	unsigned total = 0, at;

	for (size_t i = 0; i < kind_count; i++)
		total += weight_of(gen, &kinds[i]);
	at = gen_below(gen, total);
	for (size_t i = 0; i < kind_count; i++) {
		unsigned weight = weight_of(gen, &kinds[i]);

		if (at < weight)
			return &kinds[i];
		at -= weight;
	}
	return &kinds[0];
}

/* The open of a FIFO or of an unknown device would wait. */
static void never_wait(struct op *op)
{
	bool at = op->kind->args[0] == 'd';
	struct arg *path = &op->args[at], *flags = &op->args[at + 1];
	char text[8192];
	struct stat st;
	size_t length;

	if (op->kind->show != SHOW_FD || op->kind->nr == SYS_socket || op->kind->nr == SYS_dup || op->kind->nr == SYS_memfd_create ||
	    op->kind->nr == SYS_inotify_init1 || (path->form != FORM_TEXT && path->form != FORM_EDGE))
		return;
	length = expand(path->text, path->length, text, sizeof(text) - 1);
	text[length] = '\0';
	if (fstatat(at ? (op->args[0].form == FORM_SLOT ? SLOT_FD(op->args[0].n[0]) : (int)op->args[0].n[0]) : AT_FDCWD, text, &st, 0) < 0 ||
	    S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))
		return;
	if (op->kind->nr == SYS_creat)
		gen_text(path, "f");
	else
		flags->n[0] |= O_NONBLOCK;
}

/* What may keep whoever reads it waiting (a queue of inotify, a FIFO) does not become such. */
static void stay_nonblocking(struct op *op)
{
	struct stat st;

	if (op->kind->nr != SYS_fcntl || op->args[1].n[0] != F_SETFL || op->args[0].form != FORM_SLOT)
		return;
	if (fstat(SLOT_FD(op->args[0].n[0]), &st) < 0 || (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)))
		op->args[2].n[0] |= O_NONBLOCK;
}

/* What others do to /dev/null is seen by whoever watches it. */
static void watch_the_tree(struct op *op)
{
	struct arg *path = &op->args[1];
	char text[8192];
	struct stat tree, st;
	size_t length;

	if (op->kind->nr != SYS_inotify_add_watch || path->form == FORM_NUMBER)
		return;
	length = expand(path->text, path->length, text, sizeof(text) - 1);
	text[length] = '\0';
	if ((stat(text, &st) == 0 || lstat(text, &st) == 0) && stat(scene.tree, &tree) == 0 &&
	    (st.st_dev != tree.st_dev || st.st_ctim.tv_sec < scene.begin.tv_sec - 600))
		gen_text(path, "@");
}

static void emit(struct gen *gen, struct op *op, unsigned number)
{
	const struct kind *kind = op->kind;
	long result;

	if (kind->show == SHOW_FD)
		op->slot = (int)gen_below(gen, SLOTS);
	never_wait(op);
	stay_nonblocking(op);
	watch_the_tree(op);
	op_print(stdout, op);
	fflush(stdout);
	result = run_op(op, number);
	counts[kind - kinds].made++;
	if (result >= 0)
		counts[kind - kinds].succeeded++;
}

static void make_one(struct gen *gen, const struct kind *kind, unsigned number)
{
	const char *need = NULL;
	struct op op = {.kind = kind, .slot = NO_SLOT};

	gen->hostile = gen_percent(gen, HOSTILE_PERCENT);
	if (!gen_args(gen, &op, &need)) {
		op = (struct op){.kind = kind_find(need, strlen(need)), .slot = NO_SLOT};
		gen->hostile = false;
		if (!gen_args(gen, &op, &need))
			return;
	}
	emit(gen, &op, number);
}

static void go_home(struct gen *gen, unsigned number)
{
	struct op op = {.kind = kind_find("chdir", 5), .slot = NO_SLOT};

	gen_text(&op.args[0], "@");
	emit(gen, &op, number);
}

int generate(uint64_t seed, unsigned count, bool data)
{
	static struct gen gen;

	scene.trace = fopen("/dev/null", "we");
	if (!scene.trace || kind_count > MAX_KINDS)
		return 3;
	/* Out of the way of the lowest numbers. */
	if (dup3(fileno(scene.trace), 90, O_CLOEXEC) < 0)
		return 3;
	fclose(scene.trace);
	scene.trace = fdopen(90, "w");
	gen.data = data;
	gen.random = seed;
	gen.random = gen_random(&gen);
	for (unsigned i = 0; i < count; i++) {
		char cwd[4200];

		if (i % LOOK_EVERY == 0)
			gen_scan(&gen);
		if (gen_percent(&gen, syscall(SYS_getcwd, cwd, sizeof(cwd)) > 0 && strncmp(cwd, scene.tree, strlen(scene.tree)) == 0 ? HOME_PERCENT
															       : 10 * HOME_PERCENT))
			go_home(&gen, i);
		else
			make_one(&gen, choose(&gen), i);
	}
	for (size_t i = 0; i < kind_count; i++)
		fprintf(stderr, "%s %u %u %d\n", kinds[i].name, counts[i].made, counts[i].succeeded, kinds[i].floor ? kinds[i].floor : 30);
	return 0;
}
