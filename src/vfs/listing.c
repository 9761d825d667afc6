/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listings. The caller's own description is read into a buffer of ours and only what it may see is handed on, in such
 * a way that the stream is that of a directory which never had the hidden names: the d_off of each kept entry leads
 * past the hidden ones behind it, which takes a look ahead, and the shared offset is then set back to the end of what
 * was handed on. Padding is cleared: it holds what the buffer was used for before.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "vfs/deep.h"
#include "vfs/fdpath.h"
#include "vfs/ops.h"
#include "vfs/overlay/pins.h"
#include "vfs/overlay/privates.h"

#define LOOK_AHEAD 4096u
#define LISTING_MAX (64u * 1024)
#define LOCK_COUNT 256
#define PROC_ROOT_INODE 1 /* PROC_ROOT_INO, include/linux/proc_ns.h */

/* struct linux_dirent64 of getdents64(2), wherever in a buffer it may lie. */
struct entry {
	uint64_t inode;
	int64_t next; /* where the entry after this one starts */
	uint16_t length;
	uint8_t type;
	char name[];
} __attribute__((packed));

/* struct linux_dirent of getdents(2): the type is the last byte. */
struct legacy_entry {
	unsigned long inode;
	unsigned long next;
	uint16_t length;
	char name[];
} __attribute__((packed));

struct listing {
	struct op *op;
	int fd;
	dev_t dev;
	struct stat stat;
	bool by_name; /* names beneath may be hidden */
	bool way;     /* the way down only */
	bool pids;    /* the root of procfs */
	bool by_identity;
	bool own; /* private files may be in it */
	uint64_t own_from; /* the first of these that is to be told of */
	bool unknown; /* no path leads to it */
	const struct match_state *state;
	char *in, *out;
	unsigned limit;	  /* bytes the caller takes */
	unsigned filled;  /* bytes in `out` */
	int64_t start;	  /* where the description stood */
	int64_t first;	  /* where the first entry that is handed on starts, as far as is known */
	int64_t position; /* after what was handed on or dropped */
	struct entry *last;
};

/*
 * One directory is listed by one thread at a time, as the kernel's lock of the file position has it. A description
 * has no identity to be had from outside, its directory does.
 */
static pthread_mutex_t locks[LOCK_COUNT] = {[0 ... LOCK_COUNT - 1] = PTHREAD_MUTEX_INITIALIZER};

static pthread_mutex_t *lock_directory(const struct stat *stat)
{
	uint64_t hash = ((uint64_t)stat->st_ino ^ ((uint64_t)stat->st_dev << 32)) * 0x9e3779b97f4a7c15u;
	pthread_mutex_t *lock = &locks[hash >> 56];

	pthread_mutex_lock(lock);
	return lock;
}

static void cleanup_unlock(pthread_mutex_t **lock)
{
	if (*lock)
		pthread_mutex_unlock(*lock);
}

static long read_entries(struct listing *listing, char *buffer, unsigned size)
{
	long len = syscall(SYS_getdents64, listing->fd, buffer, size);

	return len < 0 ? -errno : len;
}

static bool own_pid(const struct view *view, const char *name)
{
	uint64_t pid = 0;

	for (const char *c = name; *c; c++) {
		if (*c < '0' || *c > '9' || pid > INT_MAX)
			return false;
		pid = pid * 10 + (uint64_t)(*c - '0');
	}
	return pid <= INT_MAX && view_owns_pid(view, (pid_t)pid);
}

static bool listed(const struct listing *listing, const struct entry *entry)
{
	const struct view *view = listing->op->view;
	const char *name = entry->name;
	struct verdict verdict = {.visibility_rule = RULE_NONE, .content_rule = RULE_NONE, .write_rule = RULE_NONE};

	if (name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0')))
		return true;
	if (listing->pids && own_pid(view, name))
		return false;
	if (listing->by_name || listing->way) {
		/* States are large: the walks' own, which a listing does not use otherwise. */
		struct match_state *state = &listing->op->walk[1].state;

		match_step(view->policy, listing->state, name, strlen(name), state);
		match_verdict(view->policy, state, &verdict);
	}
	if (listing->by_identity)
		pins_apply(view->pins, view->policy, listing->dev, entry->inode, &verdict);
	if (listing->way)
		return verdict.visibility == VIS_SHOW || verdict.visibility == VIS_WAY;
	return verdict.visibility != VIS_HIDE;
}

static void clear_padding(struct entry *entry)
{
	size_t used = offsetof(struct entry, name) + strlen(entry->name) + 1;

	memset((char *)entry + used, 0, entry->length - used);
}

/*
 * Sort LEN bytes of entries: what is to be seen is appended to `out`. Returns false when one does not fit any more;
 * `position` is then where it starts.
 */
static bool sift(struct listing *listing, long len)
{
	struct entry *entry;

	for (long at = 0; at < len; at += entry->length) {
		entry = (struct entry *)(listing->in + at);
		if (!listed(listing, entry)) {
			listing->position = entry->next;
			if (listing->last)
				listing->last->next = entry->next;
			continue;
		}
		if (entry->length > listing->limit - listing->filled)
			return false;
		if (!listing->filled)
			listing->first = listing->position;
		listing->last = (struct entry *)(listing->out + listing->filled);
		memcpy(listing->last, entry, entry->length);
		clear_padding(listing->last);
		listing->filled += entry->length;
		listing->position = entry->next;
	}
	return true;
}

static int seek_to(const struct listing *listing, int64_t position)
{
	/* A file system whose offsets cannot be gone back to: what was read would be lost without a word. */
	return lseek(listing->fd, position, SEEK_SET) < 0 ? -EIO : 0;
}

/*
 * Nothing was handed on: the description is left before the first entry that is not dropped, which starts at POSITION.
 * Some file systems (ext4) move on to where that entry really is, even when it is not taken: let them.
 */
static int seek_to_first(struct listing *listing, int64_t position)
{
	int error = seek_to(listing, position);

	if (!error && position == listing->start)
		read_entries(listing, listing->in, 0);
	return error;
}

/*
 * Private names come behind all others. Where the next one of them starts is an offset like any other, so that it can be
 * sought and is shared as the description is: one that no directory gives out by itself, and that the file system takes
 * without asking what is there. The first that it takes: ext4 with hashed names, and most others; ext4 without; FAT.
 */
static const int64_t own_offsets[] = {0x5c31a5c300000000, 0xfe00000000, 0xfff00000};
static const uint64_t own_spans[] = {0xffffffff, 0xffffffff, 0xfffff};

/* Is OFFSET one of these? The id of the name that starts there. */
static bool is_own_offset(int64_t offset, uint64_t *ret_id)
{
	for (size_t i = 0; i < ARRAY_LEN(own_offsets); i++)
		if (offset >= own_offsets[i] && (uint64_t)(offset - own_offsets[i]) <= own_spans[i]) {
			*ret_id = (uint64_t)(offset - own_offsets[i]);
			return true;
		}
	return false;
}

/* Leave the description where the name ID starts. Returns the offset, or a negative errno. */
static int64_t seek_to_own(const struct listing *listing, uint64_t id)
{
	for (size_t i = 0; i < ARRAY_LEN(own_offsets); i++)
		if (id <= own_spans[i] && lseek(listing->fd, own_offsets[i] + (int64_t)id, SEEK_SET) >= 0)
			return own_offsets[i] + (int64_t)id;
	return -EIO;
}

/* The disk has no more: private names from `own_from` on, and the description behind the last that is handed on. */
static int fill_own(struct listing *listing)
{
	struct private_entry own;
	int64_t next;

	while (privates_next(listing->op->view->privates, &listing->stat, listing->own_from, &own)) {
		size_t length = (offsetof(struct entry, name) + strlen(own.name) + 1 + 7) & ~(size_t)7;
		struct entry *entry = (struct entry *)(listing->out + listing->filled);

		if (length > listing->limit - listing->filled)
			return listing->filled ? 0 : -EINVAL;
		next = seek_to_own(listing, own.id + 1);
		/* A file system that takes none of our offsets: then rather none than the same again and again. */
		if (next < 0)
			return 0;
		if (!listing->filled)
			listing->first = listing->position;
		*entry = (struct entry){.inode = own.inode, .next = next, .length = (uint16_t)length, .type = DT_REG};
		strcpy(entry->name, own.name);
		clear_padding(entry);
		listing->last = entry;
		listing->filled += (unsigned)length;
		listing->position = next;
		listing->own_from = own.id + 1;
	}
	return 0;
}

/* Fill `out` with what may be seen and leave the description where such a directory would. */
static int fill_filtered(struct listing *listing)
{
	unsigned size = listing->limit < LOOK_AHEAD ? LOOK_AHEAD : listing->limit;

	for (;;) {
		long len = read_entries(listing, listing->in, size);

		if (len == 0)
			return listing->own ? fill_own(listing) : 0;
		if (len < 0) {
			if (listing->filled)
				return seek_to(listing, listing->position);
			return (int)len;
		}
		if (!sift(listing, len)) {
			int error;

			if (listing->filled)
				return seek_to(listing, listing->position);
			error = seek_to_first(listing, listing->position);
			return error < 0 ? error : -EINVAL;
		}
		size = LOOK_AHEAD;
	}
}

static int fill_whole(struct listing *listing)
{
	long len = read_entries(listing, listing->out, listing->limit);

	if (len < 0)
		return (int)len;
	for (long at = 0; at < len; at += listing->last->length) {
		listing->last = (struct entry *)(listing->out + at);
		clear_padding(listing->last);
	}
	listing->filled = (unsigned)len;
	return 0;
}

/* The form of getdents(2) has the same lengths: the name moves up one byte and the type goes to the end. */
static void make_legacy(struct listing *listing)
{
	for (unsigned at = 0; at < listing->filled;) {
		struct entry *entry = (struct entry *)(listing->out + at);
		struct legacy_entry *legacy = (struct legacy_entry *)entry;
		uint16_t length = entry->length;
		uint8_t type = entry->type;
		size_t name = strlen(entry->name) + 1;

		memmove(legacy->name, entry->name, name);
		memset(legacy->name + name, 0, length - offsetof(struct legacy_entry, name) - name);
		((char *)legacy)[length - 1] = (char)type;
		at += length;
	}
}

/* The buffer is not writable to its end: as many whole entries as it takes are handed over, else it is EFAULT. */
static int write_what_goes(struct listing *listing, uint64_t buffer)
{
	struct caller *caller = listing->op->caller;
	struct entry *entry;
	unsigned done = 0;
	int64_t position = 0;
	int error;

	for (; done < listing->filled; done += entry->length) {
		entry = (struct entry *)(listing->out + done); /* the head of both forms is the same */
		if (caller->ops->write(caller, buffer + done, entry, entry->length) < 0)
			break;
		position = entry->next;
	}
	listing->filled = done;
	if (done)
		return seek_to(listing, position);
	error = seek_to_first(listing, listing->first);
	return error < 0 ? error : -EFAULT;
}

/* What has to be left out of the listing of the directory whose path is in op->walk[0]. */
static int look_up_rules(struct listing *listing, const struct stat *stat, struct match_state *state)
{
	struct op *op = listing->op;
	const struct view *view = op->view;
	struct walk *walk = &op->walk[0];
	bool detached;
	int len;

	listing->pids = stat->st_dev == view->proc_dev && stat->st_ino == PROC_ROOT_INODE && view->own_pids[0];
	if (!view->needs.hide && !view->needs.deny)
		return 0;
	listing->by_identity = pins_any_hidden(view->pins, stat->st_dev);
	len = fd_path(listing->fd, walk->path, sizeof(walk->path), &detached);
	if (len == -ENAMETOOLONG &&
	    deep_place(view->policy, listing->fd, state, walk->path, sizeof(walk->path), &walk->path_len) == 0) {
		/* Its state is known, its path nobody tells. */
	} else if (len < 0 || detached) {
		listing->unknown = true;
		return 0;
	} else {
		walk->path_len = (size_t)len;
		match_path(view->policy, walk->path, walk->path_len, state);
	}
	match_verdict(view->policy, state, &walk->verdict);
	if (pins_any(view->pins))
		pins_apply(view->pins, view->policy, stat->st_dev, stat->st_ino, &walk->verdict);
	switch (walk->verdict.visibility) {
	case VIS_HIDE:
		return op_refuse(op, walk, REFUSAL_HIDDEN, walk->verdict.visibility_rule, -ENOENT);
	case VIS_DENY:
		return op_refuse(op, walk, REFUSAL_DENIED, walk->verdict.visibility_rule, -EACCES);
	case VIS_WAY:
		listing->way = true;
		break;
	case VIS_SHOW:
		break;
	}
	listing->by_name = match_hides_below(view->policy, state);
	return 0;
}

/* A removed directory says ENOENT; of what else has no path it cannot be known what is hidden in it. */
static int fill_unknown(struct listing *listing)
{
	int error = fill_whole(listing);

	if (error < 0 || listing->filled == 0)
		return error;
	seek_to(listing, listing->start);
	return op_refuse_unserved(listing->op, "a directory that no path leads to cannot be listed", -EACCES);
}

static int list(struct op *op, int fd, uint64_t buffer, unsigned count, bool legacy, struct outcome *out)
{
	_cleanup_close_ int shared = -EBADF;
	_cleanup_(cleanup_unlock) pthread_mutex_t *lock = NULL;
	struct match_state *state = &op->walk[0].state;
	struct listing listing = {.op = op, .in = op->scratch[0], .out = op->scratch[1], .state = state};
	struct stat stat;
	int error;

	error = op->caller->ops->share_fd(op->caller, fd, &shared);
	if (error < 0)
		return error;
	error = op->caller->ops->validate(op->caller);
	if (error < 0)
		return error;
	if (fstat(shared, &stat) < 0)
		return -errno;
	listing.fd = shared;
	listing.dev = stat.st_dev;
	/* The kernel takes the count as an int: nothing fits a negative one. */
	listing.limit = count > INT_MAX ? 0 : count < LISTING_MAX ? count : LISTING_MAX;
	if (S_ISDIR(stat.st_mode)) { /* for others the kernel's own error comes from reading */
		error = look_up_rules(&listing, &stat, state);
		if (error < 0)
			return error;
		lock = lock_directory(&stat);
	}
	listing.start = listing.first = listing.position = lseek(shared, 0, SEEK_CUR);
	listing.own = op->view->privates && S_ISDIR(stat.st_mode) && !listing.unknown;
	listing.stat = stat;
	if (listing.own && is_own_offset(listing.start, &listing.own_from))
		error = fill_own(&listing);
	else if (listing.own && privates_any(op->view->privates, &stat))
		error = fill_filtered(&listing);
	else if (listing.unknown)
		error = fill_unknown(&listing);
	else if (listing.by_name || listing.way || listing.pids || listing.by_identity)
		error = fill_filtered(&listing);
	else
		error = fill_whole(&listing);
	if (error < 0)
		return error;
	if (legacy)
		make_legacy(&listing);
	if (listing.filled && op->caller->ops->write(op->caller, buffer, listing.out, listing.filled) < 0) {
		error = write_what_goes(&listing, buffer);
		if (error < 0)
			return error;
	}
	/* The description is the caller's: no copy of it may outlive the answer. */
	shared = safe_close(shared);
	return outcome_value(out, listing.filled);
}

/* getdents64(2); fs/readdir.c: filldir64. */
int vfs_getdents64(struct op *op, int fd, uint64_t buffer, unsigned count, struct outcome *out)
{
	return list(op, fd, buffer, count, false, out);
}

/* getdents(2); fs/readdir.c: filldir. */
int vfs_getdents(struct op *op, int fd, uint64_t buffer, unsigned count, struct outcome *out)
{
	return list(op, fd, buffer, count, true, out);
}
