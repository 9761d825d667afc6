/* SPDX-License-Identifier: Apache-2.0 */
/* Vnodes without a caller: a directory of encrypted files, a policy with one crypt rule, keys made here. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "vfs/vnode/vnode.h"

struct stand {
	const char *base; /* the directory */
	char rule[512];   /* of the policy; %s in what set_up() is given is BASE */
	struct policy *policy;
	struct vnode_key *keys;
	struct vnodes *vnodes;
	struct vnodes_config config; /* file_max, total_max, freshness: may be set between stand_down() and stand_up() */
	/* What was reported last, and how often. */
	_Atomic int reports, error;
	char path[512], note[256];
};

void stand_set_up(struct stand *stand, const char *rule);
void stand_tear_down(struct stand *stand);
/* A run ends and the next begins: with the same keys. */
void stand_stop(struct stand *stand);
void stand_start(struct stand *stand, bool thread);

const char *stand_path(const struct stand *stand, const char *name);
/* open(2) of NAME: a descriptor or a negative errno. With O_CREAT it is made first. */
int stand_open(struct stand *stand, const char *name, int flags);
/* What stat shows by name, and by descriptor. */
struct stat stand_stat(struct stand *stand, const char *name);
struct stat stand_fstat(struct stand *stand, int fd);
int stand_truncate(struct stand *stand, const char *name, uint64_t size);
int stand_sync(struct stand *stand, int fd);
/* The place of NAME; *OBJECT and *REAL are the caller's. */
struct vnode_place stand_place(struct stand *stand, const char *name, int *object, struct stat *real);

/* Write CONTENT to NAME, made if need be; assert that it has exactly LEN bytes of CONTENT. */
void stand_put(struct stand *stand, const char *name, const void *content, size_t len);
void stand_holds(struct stand *stand, const char *name, const void *content, size_t len);
/* The same of the committed version on the disk, opened with the key alone. */
void stand_disk_holds(struct stand *stand, const char *name, const void *content, size_t len);
/* Wait until the disk has it. */
void stand_wait_disk(struct stand *stand, const char *name, const void *content, size_t len);
/* LEN bytes that differ with SEED; freed by the caller. */
uint8_t *stand_bytes(unsigned seed, size_t len);
