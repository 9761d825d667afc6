/* SPDX-License-Identifier: Apache-2.0 */
/* What the table of private files and the thread that sees to their bound share; nobody else includes this. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "vfs/overlay/privates.h"

#define PRIVATE_BUCKETS 1024u

/* A directory that holds names, or the last name of a file that has none any more. */
struct private_dir {
	struct private_dir *next; /* of its bucket */
	dev_t dev;
	ino_t ino;
	int fd;	       /* O_PATH: the number is not given to another directory */
	unsigned refs; /* names in it, files that have their last name there, and preparations */
	struct private_name *first, *last; /* by id */
};

struct private_name {
	struct private_name *next; /* of its bucket */
	struct private_name *before, *after; /* in its directory */
	struct private_dir *dir;
	struct private_file *file;
	uint64_t id;
	char text[];
};

/*
 * A file. It is in the table as long as it has a name, and after that until nobody has it open; `used` is the list of
 * those that the thread looks at: that may be written to, or have no name.
 */
struct private_file {
	struct private_file *next; /* of its bucket, by `ino` */
	struct private_file *used_next;
	bool used;
	int fd;	       /* O_PATH */
	ino_t ino;     /* the kernel's number of it */
	ino_t number;  /* the one that is shown */
	dev_t dev;     /* likewise */
	unsigned links;
	bool stopped;  /* it went beyond the bound and cannot grow any more */
	uint64_t size; /* when it was last looked at */
	struct private_dir *dir; /* of its last name */
	char *name;
};

struct privates {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	pthread_t thread;
	bool started, end;
	dev_t memfd_dev;
	uint64_t files_max, total_max;
	uint64_t files, total; /* `total`: the sum of `size` */
	uint64_t next_id;
	struct private_file *used;
	struct private_dir *dirs[PRIVATE_BUCKETS];
	struct private_name *names[PRIVATE_BUCKETS];
	struct private_file *by_ino[PRIVATE_BUCKETS];
};

static inline void privates_cleanup_unlock(pthread_mutex_t **lock)
{
	pthread_mutex_unlock(*lock);
}

#define PRIVATES_LOCKED(privates)                                                                                      \
	__attribute__((cleanup(privates_cleanup_unlock))) pthread_mutex_t *lock_ = &(privates)->lock;                  \
	pthread_mutex_lock(lock_)

/* All that follows: with the lock held. */

/* ---- directories ---- */

/* NULL: nothing private is in it. */
struct private_dir *private_dir_find(struct privates *privates, dev_t dev, ino_t ino);
/* The directory behind FD, held once more. 0, -ENOENT (it was removed) or another error. */
int private_dir_hold(struct privates *privates, int fd, struct private_dir **ret);
/* DIR may be NULL. */
void private_dir_release(struct privates *privates, struct private_dir *dir);

/* ---- names ---- */

/* In DIR, which may be NULL; in the directory behind a descriptor. NULL: there is none. */
struct private_name *private_name_in(struct privates *privates, const struct private_dir *dir, const char *text);
struct private_name *private_name_find(struct privates *privates, int dir, const char *text);
/* A name that leads to nothing yet and is in no table; it takes over that DIR is held. NULL: no memory. */
struct private_name *private_name_new(struct private_dir *dir, const char *text);
void private_name_insert(struct privates *privates, struct private_name *name, struct private_file *file);
void private_name_drop(struct privates *privates, struct private_name *name);

/* ---- files ---- */

/* By the kernel's number; by a descriptor. NULL: none of ours. */
struct private_file *private_file_find(struct privates *privates, ino_t ino);
struct private_file *private_file_of(struct privates *privates, int object);
/* Remember where FILE is called so. Without memory it is told of by the name before. */
void private_file_note(struct privates *privates, struct private_file *file, struct private_dir *dir, const char *text);
/* The name by which FILE is told of is to be one that it still has, if it has any. */
void private_file_renote(struct privates *privates, struct private_file *file);
/* What FILE holds, and itself; in no table. */
void private_file_free(struct privates *privates, struct private_file *file);
/* Make STAT, which the kernel gave, what is shown of FILE. */
void private_show(const struct private_file *file, struct stat *stat);
/* The bytes that there is room for. */
uint64_t private_room(struct privates *privates);
/* Look at the size of FILE. Returns by how much it grew. */
uint64_t private_file_measure(struct privates *privates, struct private_file *file);
/* FILE, which has no name and is in no list, is no more. */
void private_file_drop(struct privates *privates, struct private_file *file);
/* FILE is to be looked at from now on. */
void private_file_use(struct privates *privates, struct private_file *file);
/* Let go of files that have neither a name nor anybody who has them open. With the supervisor's own rights. */
void privates_forget(struct privates *privates);
/* The thread: until `end`. */
void *privates_watch(void *data);
