/* SPDX-License-Identifier: Apache-2.0 */
/* The generator: it makes each call as soon as it is chosen, and looks at the tree before it chooses the next. */
#pragma once

#include "differential.h"

#define GEN_OBJECTS 400
#define GEN_PATH 160

struct gen {
	uint64_t random;
	struct gen_object {
		char path[GEN_PATH]; /* relative to the tree; empty: the tree itself */
		unsigned char type;  /* DT_* */
	} objects[GEN_OBJECTS];
	unsigned count;
	bool hostile; /* this call may get anything */
	bool data;    /* see generate() */
};

uint64_t gen_random(struct gen *gen);
static inline unsigned gen_below(struct gen *gen, unsigned limit)
{
	return (unsigned)(gen_random(gen) % limit);
}
static inline bool gen_percent(struct gen *gen, unsigned percent)
{
	return gen_below(gen, 100) < percent;
}

/* Look at the tree. */
void gen_scan(struct gen *gen);

/* What a path is to name. */
enum want {
	WANT_ANY,
	WANT_DIRECTORY,
	WANT_EMPTY,	/* a directory */
	WANT_NOT_DIRECTORY,
	WANT_MOVABLE,	/* anything but the tree itself */
	WANT_FILE,
	WANT_ATTRIBUTED, /* a file or directory */
	WANT_SYMLINK,
	WANT_FIFO,
	WANT_SOCKET,
	WANT_DEVICE,
	WANT_WITH_ATTRIBUTE,
	WANT_PROGRAM,
	WANT_RUNNING,
	WANT_NEW,
};
/* As seen from DIRFD (AT_FDCWD, or an open descriptor). */
void gen_path(struct gen *gen, enum want want, int dirfd, struct arg *arg);
/* A text for a symlink. */
void gen_target(struct gen *gen, struct arg *arg);
/* The path of something of that kind, relative to the tree, or NULL. */
const char *gen_object(struct gen *gen, enum want want);
void gen_text(struct arg *arg, const char *text);

/* The arguments of OP, whose kind is set. False: it cannot be made now, since NEED has to be made first. */
bool gen_args(struct gen *gen, struct op *op, const char **need);
