/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Duels: one tree, the same call made first by the kernel and then by the view's handler; what it returned, what it
 * wrote and what its descriptor is must be the same. What an open made or emptied is undone in between.
 */
#pragma once

#include <stdint.h>

#include "fake_caller.h"
#include "twin.h"
#include "view_fixture.h"

struct duel_answer {
	long result; /* or a negative errno; a descriptor is 0 */
	bool errand; /* handed to the caller's own thread */
	bool has_fd;
	int status, cloexec;
	struct stat stat;
	char path[4200];
	unsigned char bytes[8192]; /* what the call wrote at `duel_buffer` */
};

struct duel {
	char top[80], base[160], tree[200];
	const struct twin_call *calls;
	struct fixture fixture;
	struct fake_caller fake;
	struct op *op;
	unsigned mediated;
	bool verdicts; /* the tree's own files have an `f` at their end */
	bool at_home; /* the handler runs in the tree too: for texts that mean this process's own directory */
	struct duel_answer native, inside;
};

/* Where calls write. */
extern unsigned char *const duel_buffer;

/* A fresh tree BASE/tree on a file system of that kind (skips the test without one). Rules come with duel_rules(). */
void duel_begin(struct duel *d, bool ext4, const struct twin_call *calls);
/* Another view of the same tree. */
void duel_rules(struct duel *d, const char *const *rules);
void duel_end(struct duel *d);

/* Made in the tree. */
void duel_mkdir(struct duel *d, const char *name, mode_t mode);
void duel_file(struct duel *d, const char *name, mode_t mode, const char *content);
void duel_symlink(struct duel *d, const char *target, const char *name);
/* Everything that names can be: the tests' common tree. */
void duel_populate(struct duel *d);

/* What every call is tried on, in the tree of duel_populate(). */
extern const char *const duel_names[];
size_t duel_name_count(void);
/*
 * The I-th as an address. SLOW: spelled with dots in front, which keeps the walk from taking its quick road. The last
 * ones are addresses that are not strings.
 */
uint64_t duel_name(size_t i, bool slow, char text[5000]);
/* For messages. */
const char *duel_show(uint64_t name, char text[100]);

/* The rule sets that must not be noticed: none, elsewhere, in the tree but of other names. */
extern const char *const *const duel_rule_sets[3];

/* One call by the handler; the answer is in d->inside. Returns its result. */
long duel_inside(struct duel *d, int nr, const uint64_t args[6]);
/* The same by the kernel, in d->native. */
long duel_native(struct duel *d, int nr, const uint64_t args[6]);
/* Both: they must be the same, else the test fails with WHAT. */
void duel_same(struct duel *d, const char *what, int nr, const uint64_t args[6]);
