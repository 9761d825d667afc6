/* SPDX-License-Identifier: Apache-2.0 */
#include "intercept/record.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/hash.h"

#define BYTES_MAX ((size_t)256 << 20)

struct entry {
	struct entry *next; /* in its bucket */
	uint64_t hash;
	unsigned uses;
	size_t len;
	char path[];
};

struct record {
	pthread_mutex_t lock;
	struct entry **bucket;
	size_t buckets, count, bytes;
	uint64_t dropped;
};

/* What a call does with its first path and with its second; USE_OPEN: see the flags. */
#define USE_OPEN (1u << 31)

static const struct {
	unsigned first, second;
} uses[HANDLER_COUNT] = {
	[HANDLER_OPEN] = {USE_OPEN, 0},
	[HANDLER_OPENAT] = {USE_OPEN, 0},
	[HANDLER_OPENAT2] = {USE_OPEN, 0},
	[HANDLER_CREAT] = {USE_OPEN, 0},
	[HANDLER_STAT] = {USE_LOOKED, 0},
	[HANDLER_LSTAT] = {USE_LOOKED, 0},
	[HANDLER_NEWFSTATAT] = {USE_LOOKED, 0},
	[HANDLER_STATX] = {USE_LOOKED, 0},
	[HANDLER_ACCESS] = {USE_LOOKED, 0},
	[HANDLER_FACCESSAT] = {USE_LOOKED, 0},
	[HANDLER_FACCESSAT2] = {USE_LOOKED, 0},
	[HANDLER_READLINK] = {USE_LOOKED, 0},
	[HANDLER_READLINKAT] = {USE_LOOKED, 0},
	[HANDLER_CHDIR] = {USE_LOOKED, 0},
	[HANDLER_STATFS] = {USE_LOOKED, 0},
	[HANDLER_MKDIR] = {USE_CREATED, 0},
	[HANDLER_MKDIRAT] = {USE_CREATED, 0},
	[HANDLER_MKNOD] = {USE_CREATED, 0},
	[HANDLER_MKNODAT] = {USE_CREATED, 0},
	[HANDLER_SYMLINK] = {0, USE_CREATED},
	[HANDLER_SYMLINKAT] = {0, USE_CREATED},
	[HANDLER_LINK] = {USE_READ, USE_CREATED},
	[HANDLER_LINKAT] = {USE_READ, USE_CREATED},
	[HANDLER_UNLINK] = {USE_REMOVED, 0},
	[HANDLER_UNLINKAT] = {USE_REMOVED, 0},
	[HANDLER_RMDIR] = {USE_REMOVED, 0},
	[HANDLER_RENAME] = {USE_REMOVED, USE_CREATED},
	[HANDLER_RENAMEAT] = {USE_REMOVED, USE_CREATED},
	[HANDLER_RENAMEAT2] = {USE_REMOVED, USE_CREATED},
	[HANDLER_CHMOD] = {USE_WRITTEN, 0},
	[HANDLER_FCHMODAT] = {USE_WRITTEN, 0},
	[HANDLER_FCHMODAT2] = {USE_WRITTEN, 0},
	[HANDLER_CHOWN] = {USE_WRITTEN, 0},
	[HANDLER_LCHOWN] = {USE_WRITTEN, 0},
	[HANDLER_FCHOWNAT] = {USE_WRITTEN, 0},
	[HANDLER_UTIME] = {USE_WRITTEN, 0},
	[HANDLER_UTIMES] = {USE_WRITTEN, 0},
	[HANDLER_FUTIMESAT] = {USE_WRITTEN, 0},
	[HANDLER_UTIMENSAT] = {USE_WRITTEN, 0},
	[HANDLER_TRUNCATE] = {USE_WRITTEN, 0},
	[HANDLER_SETXATTR] = {USE_WRITTEN, 0},
	[HANDLER_LSETXATTR] = {USE_WRITTEN, 0},
	[HANDLER_SETXATTRAT] = {USE_WRITTEN, 0},
	[HANDLER_REMOVEXATTR] = {USE_WRITTEN, 0},
	[HANDLER_LREMOVEXATTR] = {USE_WRITTEN, 0},
	[HANDLER_REMOVEXATTRAT] = {USE_WRITTEN, 0},
	[HANDLER_GETXATTR] = {USE_LOOKED, 0},
	[HANDLER_LGETXATTR] = {USE_LOOKED, 0},
	[HANDLER_GETXATTRAT] = {USE_LOOKED, 0},
	[HANDLER_LISTXATTR] = {USE_LOOKED, 0},
	[HANDLER_LLISTXATTR] = {USE_LOOKED, 0},
	[HANDLER_LISTXATTRAT] = {USE_LOOKED, 0},
	[HANDLER_NAME_TO_HANDLE_AT] = {USE_LOOKED, 0},
	[HANDLER_FILE_GETATTR] = {USE_LOOKED, 0},
	[HANDLER_FILE_SETATTR] = {USE_WRITTEN, 0},
	[HANDLER_INOTIFY_ADD_WATCH] = {USE_LOOKED, 0},
	[HANDLER_EXECVE] = {USE_EXECUTED, USE_EXECUTED},
	[HANDLER_EXECVEAT] = {USE_EXECUTED, USE_EXECUTED},
	[HANDLER_CONNECT] = {USE_CONNECTED, 0},
	[HANDLER_BIND] = {USE_CREATED, 0},
	[HANDLER_SENDTO] = {USE_CONNECTED, 0},
};

int record_new(struct record **ret)
{
	_cleanup_free_ struct record *record = calloc(1, sizeof(*record));

	if (!record)
		return -ENOMEM;
	record->buckets = 1024;
	record->bucket = calloc(record->buckets, sizeof(*record->bucket));
	if (!record->bucket)
		return -ENOMEM;
	pthread_mutex_init(&record->lock, NULL);
	*ret = TAKE_PTR(record);
	return 0;
}

struct record *record_free(struct record *record)
{
	if (!record)
		return NULL;
	for (size_t i = 0; i < record->buckets; i++) {
		struct entry *next;

		for (struct entry *entry = record->bucket[i]; entry; entry = next) {
			next = entry->next;
			free(entry);
		}
	}
	free(record->bucket);
	pthread_mutex_destroy(&record->lock);
	free(record);
	return NULL;
}

/* Twice the buckets; without memory for that it goes on with those there are. */
static void grow(struct record *record)
{
	size_t buckets = record->buckets * 2;
	struct entry **bucket = calloc(buckets, sizeof(struct entry *)), *next;

	if (!bucket)
		return;
	for (size_t i = 0; i < record->buckets; i++)
		for (struct entry *entry = record->bucket[i]; entry; entry = next) {
			next = entry->next;
			entry->next = bucket[entry->hash % buckets];
			bucket[entry->hash % buckets] = entry;
		}
	free(record->bucket);
	record->bucket = bucket;
	record->buckets = buckets;
}

static void note(struct record *record, const struct walk *walk, unsigned use)
{
	/* An exec has released its walks; their paths are still there. */
	size_t len = strlen(walk->path);
	uint64_t hash = hash_text(0, walk->path, len);
	struct entry *entry;

	if (!len || walk->detached)
		return;
	pthread_mutex_lock(&record->lock);
	entry = record->bucket[hash % record->buckets];
	while (entry && !(entry->hash == hash && entry->len == len &&
			  memcmp(entry->path, walk->path, len) == 0))
		entry = entry->next;
	if (!entry && record->count < RECORD_PATHS_MAX && record->bytes < BYTES_MAX)
		entry = calloc(1, sizeof(*entry) + len + 1);
	else if (!entry)
		record->dropped++;
	if (entry && !entry->len) {
		struct entry **bucket = &record->bucket[hash % record->buckets];

		entry->hash = hash;
		entry->len = len;
		memcpy(entry->path, walk->path, len);
		entry->next = *bucket;
		*bucket = entry;
		record->bytes += sizeof(*entry) + entry->len;
		if (++record->count > record->buckets)
			grow(record);
	}
	if (entry)
		entry->uses |= use;
	pthread_mutex_unlock(&record->lock);
}

static unsigned open_use(const struct op *op)
{
	unsigned use = 0;

	if (op->open_flags & O_PATH)
		return USE_LOOKED;
	if (S_ISDIR(op->walk[0].stat.st_mode))
		return (op->open_flags & O_TMPFILE) == O_TMPFILE ? USE_CREATED : USE_LISTED;
	if ((op->open_flags & O_ACCMODE) != O_WRONLY)
		use |= USE_READ;
	if ((op->open_flags & O_ACCMODE) != O_RDONLY || (op->open_flags & O_TRUNC))
		use |= USE_WRITTEN;
	if ((op->open_flags & O_CREAT) && !op->walk[0].stat.st_mode)
		use |= USE_CREATED;
	return use;
}

void record_begin(struct op *op)
{
	for (size_t i = 0; i < ARRAY_LEN(op->walk); i++) {
		op->walk[i].path[0] = '\0';
		op->walk[i].stat.st_mode = 0;
		op->walk[i].detached = false;
	}
	op->open_flags = 0;
}

void record_note(struct record *record, enum handler handler, const struct op *op)
{
	unsigned first = uses[handler].first == USE_OPEN ? open_use(op) : uses[handler].first;

	if (first)
		note(record, &op->walk[0], first);
	if (uses[handler].second)
		note(record, &op->walk[1], uses[handler].second);
}

int record_write(struct record *record, int fd)
{
	_cleanup_close_ int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	FILE *out = copy < 0 ? NULL : fdopen(copy, "w");

	if (!out)
		return -errno;
	steal_fd(&copy);
	pthread_mutex_lock(&record->lock);
	for (size_t i = 0; i < record->buckets; i++)
		for (const struct entry *entry = record->bucket[i]; entry; entry = entry->next)
			fprintf(out, "%u %s%c", entry->uses, entry->path, '\0');
	fprintf(out, "dropped %llu%c", (unsigned long long)record->dropped, '\0');
	pthread_mutex_unlock(&record->lock);
	bool failed = ferror(out);
	return fclose(out) == 0 && !failed ? 0 : -EIO;
}
