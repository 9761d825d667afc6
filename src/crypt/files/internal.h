/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this room share. */
#pragma once

#include "base/cleanup.h"
#include "crypt/files/files.h"

/* "PATH: TEXT: what the errno means". Returns ERROR. */
int files_failed(struct errmsg *msg, int error, const char *path, const char *text);

void files_note(const struct files *files, const char *path, const char *text);
int files_progress(const struct files *files, uint64_t done, uint64_t total);

/* copy.c: content. All report progress and stop when that says so. */
/* From a plain file into a store of size 0. What is a hole stays one; a pipe is read to its end. *RET_SIZE: bytes
 * read. */
int copy_into_store(const struct files *files, int fd, struct store *to, uint64_t *ret_size);
/* From a store into an empty plain file, keeping holes. */
int copy_from_store(const struct files *files, struct store *from, int fd);
int copy_store(const struct files *files, struct store *from, struct store *to);
/* All of the store, or of the file, into SINK; holes as zeros. */
int copy_store_into(const struct files *files, struct store *from, files_sink sink, void *data);
int copy_file_into(const struct files *files, int fd, files_sink sink, void *data);
/* The bytes [BEGIN, END) of a store, no hole among them, into the same place of a file. */
int copy_store_range(const struct files *files, struct store *from, uint64_t begin, uint64_t end, int to);
/* The bytes of one file into another, keeping holes; what is missing at the end is left a hole. */
int copy_file(const struct files *files, int from, int to, uint64_t size);

/* counted.c: work within a store that says how far it is */
enum counted { COUNTED_READS, COUNTED_WRITES };
/*
 * A copy of FILES for one store, in which every byte that is read from or written to the file is progress, `expected`
 * of the files_store being all of them, and which stops when files->progress says so. IO is the caller's and lives as
 * long. One thread works: progress is told to nobody else.
 */
struct files files_counted(const struct files *files, enum counted what, struct store_io *io);

/* attributes.c */
/*
 * Give the file TO the owner, mode, extended attributes (so ACLs) and times of the file FROM, whose stat(2) is ST.
 * What cannot be kept is an error if MUST, else a note.
 */
int attributes_copy(const struct files *files, bool must, int from, const struct stat *st, int to, const char *path,
		    struct errmsg *msg);

/* One thing WHAT that cannot be kept: an error with MSG if MUST, else a note and 0. */
int attribute_lost(const struct files *files, bool must, const char *path, int error, const char *what,
		   struct errmsg *msg);

/* inode_flags.c */
/*
 * Give the file TO, which has no byte yet (some flags can be set only then), the flags and the project of FROM.
 * -EPERM: FROM is immutable or append-only. The same for MUST.
 */
int inode_flags_copy(const struct files *files, bool must, int from, int to, const char *path, struct errmsg *msg);

/* busy.c: is a file changed by others while it is read? */
struct watch {
	int fd;          /* not owned */
	bool leased;     /* the kernel tells when somebody wants to write (fcntl(2), F_SETLEASE) */
	struct stat before;
};
/* Begin. -EBUSY: somebody has it open for writing, MSG says who; with files->force nobody is asked. */
int watch_begin(const struct files *files, int fd, const char *path, struct watch *ret_watch, struct errmsg *msg);
/* Is the file unchanged, and does the name still stand for it? -ESTALE. PLACE may be NULL. */
int watch_check(const struct watch *watch, const struct files_place *place, const char *path, struct errmsg *msg);
void watch_end(struct watch *watch);

/* spool.c */
/* A file without a name. */
int spool_open(int *ret_fd);
/* One with all that FROM gives. */
int spool_pipe(const struct files *files, int from, int *ret_fd);

/* convert.c */
/* The content of the file behind FROM into the new store on TO (dup(2) of it is used), committed and sealed. */
int files_fill_store(const struct files *files, int from, const struct stat *st, int to, const char *path,
		     struct errmsg *msg);
/* What makes the content of a new file (TO, empty) of an old one, FROM, whose stat(2) is ST. */
typedef int (*files_filler)(const struct files *files, int from, const struct stat *st, int to, const char *path,
			    struct errmsg *msg);
/* The file at PLACE, open as FD (not taken over), is replaced by what MAKE makes of it. */
int files_replace(const struct files *files, const struct files_place *place, int fd, files_filler make,
		  struct files_sizes *ret_sizes, struct errmsg *msg);
/* A new store on TO, a file that was made a moment ago and has no byte yet, wrapped for the first of the keys. */
int files_store_new(const struct files *files, int to, const char *path, struct files_store *ret_store,
		    struct errmsg *msg);
/* Commit, make durable, seal, close. */
int files_store_finish(struct files_store *store, const char *path, struct errmsg *msg);

/* fresh.c */
/* Is the store that was just opened older than recorded? A note, or with `strict` -ESTALE. */
int fresh_check(const struct files *files, const struct files_store *store, const char *path, struct errmsg *msg);
/* A new store begins. */
void fresh_begin(const struct files *files);
/* What has been committed has become durable (and is not sealed yet: the seal need not reach the disk). */
void fresh_committed(const struct files *files, const struct files_store *store, const char *path);
/* The new file has its name. */
void fresh_named(const struct files *files, const struct files_place *place);
