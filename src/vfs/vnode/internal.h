/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of this room share.
 *
 * Two kinds of locks, taken in this order: a vnode's own (`lock`), under which it is loaded and committed and which alone is held
 * over anything that a disk does; and that of all (`vnodes.lock`), for tables, flags and times, held for moments. What is
 * marked "both" is changed with both held, so that either is enough to read it.
 *
 * A vnode is freed by who takes it out of the tables, which needs `pins` to be 0 with the lock of all held; pins are added with
 * that lock held, and dropped by vnode_unpin().
 */
#pragma once

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "base/cleanup.h"
#include "crypt/crew.h"
#include "vfs/vnode/vnode.h"

#define VNODE_BUCKETS 4096u /* a power of two */

struct vnode;

/* What can be asked of plaintext at any time. */
struct vnode_look {
	uint64_t size;
	struct timespec mtime; /* moves with each write, truncation and, mostly, store to a mapping */
};

/* Where plaintext lies while programs use it. All functions return 0 or a negative errno. */
struct vnode_backing {
	/* An empty one; *RET_FD: a description of it for filling it, that nobody takes for a program's. Sets v->backing_ino. */
	int (*make)(struct vnode *v, int *ret_fd);
	/* The same later, for a moment. */
	int (*fill)(struct vnode *v, int *ret_fd);
	void (*drop)(struct vnode *v);
	/* For a program, with open(2) FLAGS. */
	int (*open)(struct vnode *v, int flags, int *ret_fd);
	int (*look)(struct vnode *v, struct vnode_look *ret);
	int (*set_mtime)(struct vnode *v, const struct timespec *mtime);
	/* May it be executed, as the real file's MODE says? */
	void (*set_mode)(struct vnode *v, mode_t mode);
	/* Bytes, fewer only at the end. */
	ssize_t (*read)(struct vnode *v, void *bytes, size_t len, uint64_t offset);
	/* All of LEN bytes into the store; see store_copy_in_seen(). */
	int64_t (*copy_in)(struct vnode *v, uint64_t offset, uint64_t len, const struct store_witness *witness);
	/* Where the next data begins and ends, at or behind OFFSET. -ENXIO: there is none. */
	int (*next_data)(struct vnode *v, uint64_t offset, uint64_t *ret_from, uint64_t *ret_to);
	/* Has anybody it open for writing, or mapped so? */
	bool (*has_writers)(struct vnode *v);
	/* Has anybody it open or mapped at all? */
	bool (*has_users)(struct vnode *v);
	/* It can grow no more. */
	void (*stop_growth)(struct vnode *v);
};

extern const struct vnode_backing vnode_memfd;

/* The keyed hash of a chunk as it stands in the store; zeros: a hole. */
struct vnode_hash {
	uint8_t bytes[AEAD_TAG_SIZE];
};

/* The real file, as it was at some moment. */
struct vnode_stamp {
	off_t size;
	struct timespec mtime, ctime;
};

struct vnode_times {
	struct timespec mtime, ctime;
};

struct vnode {
	/* Never changes. */
	struct vnodes *all;
	const struct vnode_backing *backing;
	dev_t real_dev;
	ino_t real_ino;
	int32_t rule;

	/* Under the lock of all. */
	struct vnode *next_real, *next_backing, *next_watch, *next_knock; /* in their buckets */
	struct vnode *older, *newer;
	struct vnode *next_closed; /* in the queue of those that were closed */
	bool is_closed_queued;
	uint8_t closed_tries;
	int64_t closed_due;  /* ms */
	bool current;        /* found by its real file; else its content is outdated, or it is gone */
	bool written;        /* may have been written to since a commit began that saw no writer */
	int64_t used_at;     /* ms */
	uint64_t charged;    /* bytes of the total */
	/*
	 * `times` are shown while the real file's are those in `stamp` (which a commit leaves) and the backing's mtime is
	 * `base`, if it is `based`; what has moved since counts (times.c).
	 */
	struct vnode_times times;
	struct vnode_stamp stamp;
	struct timespec base;
	bool based;          /* else nobody could write to it yet, and the backing's mtime means nothing */
	bool times_moved;    /* and no commit has them */
	bool stopped;        /* above the limit of a file: it cannot grow any more */
	bool committing;     /* the real file's times mean nothing */

	_Atomic unsigned pins;
	_Atomic unsigned opening; /* of these, who opens it just now without its own lock */

	/* Both. */
	int real;            /* the real file; locked (crypt/store/lock.h) */
	bool ready;          /* its backing can be opened */
	bool writable;       /* for writing, too: there is a store, and something to finish before it is let go */
	bool tail;           /* there is nothing before `tail_from`: only for O_WRONLY | O_APPEND */
	int error;           /* of the last commit, until one succeeds */
	int memfd;           /* open for reading */
	ino_t backing_ino;
	int watch;           /* of inotify; -1: none */
	bool watches_size;
	/*
	 * Nobody has it open, and another scrim asked for it: there is no lock on the real file, which may have been written to
	 * since. Only a slow open looks for that, and locks again.
	 */
	bool let_go;
	int knock;           /* inotify's watch of the real file, for who opens it elsewhere; -1: none */

	/* Under its own lock. */
	pthread_mutex_t lock;
	int reader;          /* between loading and the first open: for that one; else none, as it would count as a user */
	bool real_writes;    /* open for writing, and locked so while `writable` */
	bool just_made;      /* nobody else has written to it and it has no byte */
	bool nameless;       /* was made without a name, and may get one */
	struct store *store; /* stands on `real`; NULL where it is not needed */
	struct store_info version; /* that was loaded or committed last */
	bool version_known;
	struct vnode_hash *hashes;
	uint64_t hash_count, hash_room;
	uint64_t tail_from;  /* tail: what is before is in the store */
	_Atomic uint64_t commits; /* begun */
	_Atomic uint64_t ahead;   /* bytes of the beginning that the last commit had, or that were written ahead since */
	uint64_t durable_commit;  /* of these, the last durable one that succeeded */
	int64_t undurable_at;     /* ms: a commit that is not durable; 0: none */
	int64_t committed_at;     /* ms: the last attempt */
	bool recorded;            /* crypt/freshness.h */
	bool mtime_due;           /* the real file's is that of a write-back */
	unsigned quiet_ticks;     /* times that a large file was passed by */
};

struct vnode_hasher;
struct vnode_sizes;
struct vnode_thread;

/* A backing that is no vnode's yet: open for filling, for us, and for the first who reads it (may be none). */
struct spare_backing {
	int fd, kept, reader;
	ino_t ino;
};

#define VNODE_SPARES 24u

struct vnodes {
	struct vnodes_config config;
	struct crew *crew;
	struct vnode_hasher *hasher;
	struct vnode_sizes *sizes;
	struct vnode_thread *thread; /* NULL: not started */
	dev_t backing_dev;
	unsigned max;                /* vnodes */

	pthread_mutex_t lock;
	unsigned count;
	unsigned opened;             /* of these, how many the last sweep found in use */
	uint64_t total;              /* bytes */
	struct vnode *oldest, *newest;
	struct vnode *by_real[VNODE_BUCKETS];
	struct vnode *by_backing[VNODE_BUCKETS];
	struct vnode *by_watch[VNODE_BUCKETS];
	struct vnode *by_knock[VNODE_BUCKETS];
	struct vnode *first_closed, *last_closed;
	/* Made by the thread before they are needed: it takes as long as all else that is done to open a small file. */
	struct spare_backing spares[VNODE_SPARES];
	unsigned spare_count, spare_max;
	bool said_total;
};

static inline void vnode_cleanup_unlock(pthread_mutex_t **lock)
{
	pthread_mutex_unlock(*lock);
}

#define VNODE_LOCKED(mutex)                                                                                            \
	_cleanup_(vnode_cleanup_unlock) pthread_mutex_t *locked_ = (mutex);                                            \
	pthread_mutex_lock(locked_)

static inline int64_t vnode_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static inline bool vnode_wants_write(int flags)
{
	return (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC);
}

/* Such a description needs nothing of what is there already. */
static inline bool vnode_wants_tail(int flags)
{
	return (flags & (O_ACCMODE | O_APPEND | O_TRUNC)) == (O_WRONLY | O_APPEND);
}

/* report.c: by its path as it is now. NOTE lives until the call returns. */
void vnode_report_fd(struct vnodes *all, int fd, int error, const char *note);

/* table.c; all need the lock of all unless they say they take it. */
struct vnode *table_find(struct vnodes *all, dev_t real_dev, ino_t real_ino);
struct vnode *table_find_backing(struct vnodes *all, ino_t ino);
struct vnode *table_find_watch(struct vnodes *all, int watch);
struct vnode *table_find_knock(struct vnodes *all, int watch);
/* *RET is pinned. Takes the lock. */
int table_get(struct vnodes *all, const struct vnode_place *place, struct vnode **ret);
void table_add_backing(struct vnode *v);
void table_add_watch(struct vnode *v);
void table_add_knock(struct vnode *v);
void table_drop_backing(struct vnode *v);
void table_drop_watch(struct vnode *v);
void table_drop_knock(struct vnode *v);
void table_touch(struct vnode *v);
/* No open finds it any more. */
void table_retire(struct vnode *v);
/* Out of all tables; the caller frees it, without the lock. */
void table_remove(struct vnode *v);
/* All that WANTED, pinned. Takes the lock. Returns how many; *RET is the caller's. -ENOMEM. */
int table_collect(struct vnodes *all, bool (*wanted)(const struct vnode *v, const void *data), const void *data,
		  struct vnode ***ret);
/* Takes the lock. A vnode that has nothing to show is gone with the last pin. */
void vnode_unpin(struct vnode *v);
/* The same for one that was opened without its own lock, and so `ready`: without any. */
void vnode_unpin_ready(struct vnode *v);
void vnode_free(struct vnode *v);

/* real.c; need the vnode's lock. */
/* Open OBJECT and lock it. MADE: it is open for writing and new. */
int real_open(struct vnode *v, int object, bool write, bool made);
/* From reading to writing. */
int real_upgrade(struct vnode *v);
/* Others may read it again. */
void real_downgrade(struct vnode *v);
void real_unlock(struct vnode *v);
/* Nobody has it open: let another scrim have it. */
void real_let_go(struct vnode *v);
/* After that: as it was loaded, and locked for reading, again; or -ESTALE, -EBUSY. */
int real_take_back(struct vnode *v);
/* The store, if there is none. PLACE: as it was opened, or NULL. -ENODATA: it is no encrypted file; -ESTALE: not the version
 * that was loaded. */
int real_start(struct vnode *v, const struct vnode_place *place, bool write);
void real_note_version(struct vnode *v);
int real_record(struct vnode *v);
int real_key(const struct vnodes *all, int32_t rule, const struct vnode_key **ret);

/* load.c; need the vnode's lock. */
/* Have V serve an open with FLAGS. */
int load_for(struct vnode *v, const struct vnode_place *place, int flags, bool made);
/* What a tail-only vnode lacks. */
int load_rest(struct vnode *v);
/* As if nothing of it had ever been there. */
void load_undo(struct vnode *v);

/* hash.c; thread safe. */
int hasher_new(struct vnode_hasher **ret);
struct vnode_hasher *hasher_free(struct vnode_hasher *hasher);
int hasher_hash(struct vnode_hasher *hasher, const void *bytes, size_t len, struct vnode_hash *ret);

/* memfd.c; only the thread fills. */
void spares_fill(struct vnodes *all);
void spares_free(struct vnodes *all);

/* changes.c; need the vnode's lock. */
/* The first SIZE bytes are as they stand in the store. */
int changes_note(struct vnode *v, uint64_t size);
/* What differs from the store goes into it. */
int changes_write(struct vnode *v, uint64_t size);
void changes_forget(struct vnode *v);
/* So much of SIZE bytes is new that it should go to the disk before a commit asks for it. Without a lock. */
bool changes_are_ahead(const struct vnode *v, uint64_t size);
/* What is new since the last commit, but for its end, goes into the store. */
int changes_write_ahead(struct vnode *v, uint64_t size);

/* commit.c; need the vnode's lock. */
enum commit_why { COMMIT_ASKED, COMMIT_CLOSED, COMMIT_TIMER, COMMIT_END };
int commit(struct vnode *v, enum commit_why why, bool durable);
/*
 * Its real file has lost its last name: where nobody has it open it is let go of. What was written is in the store then, since
 * who has the real file without its content (O_PATH) can still open it.
 */
void commit_removed(struct vnode *v);
/* A durable, sealed version; what only a writer needs is let go of if nobody is one. */
int commit_finish(struct vnode *v);

/* writeback.c */
int thread_start(struct vnodes *all);
void thread_stop(struct vnodes *all);
/* When nothing is watched any more. */
void thread_end(struct vnodes *all);
/* Watch the backing of V, whose lock is held. */
void thread_watch(struct vnode *v, bool size);
void thread_unwatch(struct vnode *v);
/* Be told who opens the real file of V, whose lock is held. */
void thread_watch_real(struct vnode *v);
/* Needs the lock of all. */
void thread_unwatch_real(struct vnode *v);
/* See soon whether V was closed. Takes the lock of all. */
void thread_closed(struct vnode *v);
void thread_kick(struct vnodes *all);
/* Somebody is about to write: see whether it becomes much. */
void thread_expect(struct vnodes *all);

/* warm.c; take the lock of all. */
/* Room for one more. -ENFILE. */
int warm_make_room(struct vnodes *all);
/* Let go of closed vnodes that are older or more than is kept. FORCE: of all that can be spared. Returns how many. */
unsigned warm_sweep(struct vnodes *all, bool force);
/* There are many that nobody has open: they are finished sooner. */
bool warm_is_crowded(struct vnodes *all);
/* V takes SIZE bytes from now on. -EFBIG, -ENOMEM. */
int warm_charge(struct vnode *v, uint64_t size);

/* times.c; need both locks, or where that is said the lock of all. */
void times_loaded(struct vnode *v, const struct stat *real, bool fresh);
/* The lock of all. REAL may be older than the last commit. */
void times_shown(const struct vnode *v, const struct stat *real, const struct vnode_look *look, struct vnode_times *ret);
/* What has moved counts from now on, and what a commit does to the real file does not. */
void times_begin(struct vnode *v, const struct stat *real, const struct vnode_look *look);
void times_end(struct vnode *v);
/* Of a file that no vnode stands for: STORED are those in its meta. */
void times_of_closed(const struct vnode_times *stored, bool sealed, const struct stat *real, struct vnode_times *ret);
bool time_is_later(const struct timespec *a, const struct timespec *b);
bool time_is_same(const struct timespec *a, const struct timespec *b);
struct vnode_stamp stamp_of(const struct stat *real);
bool stamp_is_same(const struct vnode_stamp *a, const struct vnode_stamp *b);
void times_of_store(const struct store *store, struct vnode_times *ret);

/* sizes.c: what stat shows of files that no vnode stands for; thread safe. */
struct vnode_size {
	bool plain; /* not an encrypted file, or none that can be read: the real file's own is shown */
	uint64_t size;
	struct vnode_times times;
};
int sizes_new(struct vnode_sizes **ret);
struct vnode_sizes *sizes_free(struct vnode_sizes *sizes);
bool sizes_get(struct vnode_sizes *sizes, dev_t dev, ino_t ino, const struct vnode_stamp *stamp, struct vnode_size *ret);
void sizes_put(struct vnode_sizes *sizes, dev_t dev, ino_t ino, const struct vnode_stamp *stamp, const struct vnode_size *size);

/*
 * plain.c: a file under a crypt rule that is not encrypted. Returns 0 when *RET_FD is what the program gets; 1 when it is
 * encrypted now, RET_PLACE being it with *RET_OBJECT and *RET_STAT, which the caller owns; or a negative errno.
 */
int plain_open(struct vnodes *all, const struct vnode_place *place, int flags, int *ret_fd, struct vnode_place *ret_place,
	       int *ret_object, struct stat *ret_stat);
