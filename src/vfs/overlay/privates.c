/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/overlay/privates.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "vfs/fdpath.h"
#include "vfs/overlay/memfd.h"
#include "vfs/overlay/privates_parts.h"

/*
 * Shown inode numbers start here: above those that file systems give out, and below 2^53, so that programs which keep
 * numbers as double do not take two for one.
 */
#define NUMBER_FIRST ((ino_t)1 << 51)

int privates_make(int *ret_fd)
{
	return memfd_new_program("scrim-private", ret_fd);
}

int privates_find(struct privates *privates, int dir, const char *name, int *ret_fd, struct stat *ret_shown)
{
	const struct private_name *found;
	struct stat stat;
	int fd;

	if (!privates)
		return -ENOENT;
	PRIVATES_LOCKED(privates);
	found = private_name_find(privates, dir, name);
	if (!found)
		return -ENOENT;
	if (fstat(found->file->fd, &stat) < 0)
		return -errno;
	fd = fcntl(found->file->fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	private_show(found->file, &stat);
	*ret_fd = fd;
	*ret_shown = stat;
	return 0;
}

bool privates_any(struct privates *privates, const struct stat *dir)
{
	const struct private_dir *found;

	if (!privates)
		return false;
	PRIVATES_LOCKED(privates);
	found = private_dir_find(privates, dir->st_dev, dir->st_ino);
	return found && found->first;
}

struct private_new {
	struct privates *privates;
	struct private_file *file;
	struct private_name *name;
	bool exclusive;
};

void privates_discard(struct private_new **prepared)
{
	struct private_new *new = *prepared;

	if (!new)
		return;
	PRIVATES_LOCKED(new->privates);
	if (new->name)
		private_dir_release(new->privates, new->name->dir);
	free(new->name);
	if (new->file) {
		new->privates->files--;
		private_file_free(new->privates, new->file);
	}
	free(new);
	*prepared = NULL;
}

/* All that NEW needs; what there is of it when an error is returned goes with it. */
static int fill_new(struct private_new *new, int dir, const char *text, int file)
{
	struct privates *privates = new->privates;
	struct private_dir *held;
	char link[FD_NAME_MAX];
	struct stat stat;
	int error = private_dir_hold(privates, dir, &held);

	if (error)
		return error;
	new->name = private_name_new(held, text);
	if (!new->name) {
		private_dir_release(privates, held);
		return -ENOMEM;
	}
	new->file = calloc(1, sizeof(*new->file));
	if (!new->file)
		return -ENOMEM;
	privates->files++;
	new->file->fd = open(fd_name(file, link), O_PATH | O_CLOEXEC);
	if (new->file->fd < 0 || fstat(file, &stat) < 0)
		return -errno;
	new->file->ino = stat.st_ino;
	new->file->size = (uint64_t)stat.st_size;
	new->file->dev = held->dev;
	new->file->name = strdup(text);
	if (!new->file->name)
		return -ENOMEM;
	new->file->dir = held;
	held->refs++;
	return 0;
}

/* Is there room for one more file with SIZE bytes, which may take the place of another? */
static int check_room(struct privates *privates, bool replaces, uint64_t size)
{
	for (int attempt = 0; attempt < 2; attempt++) {
		uint64_t left = private_room(privates);

		if (privates->files < privates->files_max + replaces && left && left >= size)
			return 0;
		/* Those that nobody has any more are forgotten now and then only. */
		privates_forget(privates);
	}
	return -ENOSPC;
}

int privates_prepare(struct privates *privates, int dir, const char *name, int file, bool exclusive, struct private_new **ret)
{
	struct private_new *new = calloc(1, sizeof(*new));
	const struct private_name *there;
	struct stat stat;
	int error = 0;

	if (!new)
		return -ENOMEM;
	new->privates = privates;
	new->exclusive = exclusive;
	pthread_mutex_lock(&privates->lock);
	there = private_name_find(privates, dir, name);
	if (fstat(file, &stat) < 0)
		error = -errno;
	else if (there && exclusive)
		error = -EEXIST;
	else
		error = check_room(privates, there != NULL, (uint64_t)stat.st_size);
	if (!error)
		error = fill_new(new, dir, name, file);
	pthread_mutex_unlock(&privates->lock);
	if (error) {
		privates_discard(&new);
		return error;
	}
	*ret = new;
	return 0;
}

int privates_commit(struct privates *privates, struct private_new **prepared)
{
	struct private_new *new = *prepared;
	struct private_file **bucket, *replaced;
	struct private_name *there;

	{
		PRIVATES_LOCKED(privates);
		there = private_name_in(privates, new->name->dir, new->name->text);
		if (!there || !new->exclusive) {
			replaced = there ? there->file : NULL;
			if (there)
				private_name_drop(privates, there);
			if (replaced)
				private_file_renote(privates, replaced);
			new->file->number = NUMBER_FIRST + privates->next_id;
			bucket = &privates->by_ino[new->file->ino % PRIVATE_BUCKETS];
			new->file->next = *bucket;
			*bucket = new->file;
			privates->total += new->file->size;
			private_name_insert(privates, new->name, new->file);
			private_file_use(privates, new->file);
			free(new);
			*prepared = NULL;
			return 0;
		}
	}
	privates_discard(prepared);
	return -EEXIST;
}

/* A name for FILE at TEXT in DIR, of which there is none. */
static int add_name(struct privates *privates, struct private_file *file, int dir, const char *text)
{
	struct private_name *name;
	struct private_dir *held;
	int error = private_dir_hold(privates, dir, &held);

	if (error)
		return error;
	name = private_name_new(held, text);
	if (!name) {
		private_dir_release(privates, held);
		return -ENOMEM;
	}
	private_name_insert(privates, name, file);
	private_file_note(privates, file, held, text);
	return 0;
}

int privates_link(struct privates *privates, int object, int dir, const char *name)
{
	struct private_file *file;

	PRIVATES_LOCKED(privates);
	file = private_file_of(privates, object);
	if (!file || !file->links)
		return -ENOENT;
	if (private_name_find(privates, dir, name))
		return -EEXIST;
	/* Names are bounded as files are. */
	if (file->links >= privates->files_max || privates->files + file->links >= privates->files_max)
		return -ENOSPC;
	return add_name(privates, file, dir, name);
}

int privates_remove(struct privates *privates, int dir, const char *name)
{
	struct private_name *found;
	struct private_file *file;

	if (!privates)
		return -ENOENT;
	PRIVATES_LOCKED(privates);
	found = private_name_find(privates, dir, name);
	if (!found)
		return -ENOENT;
	file = found->file;
	private_name_drop(privates, found);
	private_file_renote(privates, file);
	return 0;
}

int privates_rename(struct privates *privates, int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
	struct private_name *source, *target;
	struct private_file *file;
	int error;

	PRIVATES_LOCKED(privates);
	source = private_name_find(privates, from_dir, from);
	target = private_name_find(privates, to_dir, to);
	if (!source || (!target && (flags & RENAME_EXCHANGE)))
		return -ENOENT;
	if (target && (flags & RENAME_NOREPLACE))
		return -EEXIST;
	if (target && target->file == source->file)
		return 0;
	file = source->file;
	if (flags & RENAME_EXCHANGE) {
		source->file = target->file;
		target->file = file;
		private_file_note(privates, file, target->dir, target->text);
		private_file_note(privates, source->file, source->dir, source->text);
		return 0;
	}
	/* First the new name, so that nothing is lost without memory. */
	if (target) {
		struct private_file *replaced = target->file;

		target->file = file;
		file->links++;
		private_file_note(privates, file, target->dir, target->text);
		if (--replaced->links == 0)
			private_file_use(privates, replaced);
		else
			private_file_renote(privates, replaced);
	} else {
		error = add_name(privates, file, to_dir, to);
		if (error)
			return error;
	}
	private_name_drop(privates, source);
	return 0;
}

bool privates_may_be(const struct privates *privates, const struct stat *stat)
{
	return privates && S_ISREG(stat->st_mode) && stat->st_dev == privates->memfd_dev;
}

bool privates_shown(struct privates *privates, struct stat *stat)
{
	const struct private_file *file;

	if (!privates_may_be(privates, stat))
		return false;
	PRIVATES_LOCKED(privates);
	file = private_file_find(privates, stat->st_ino);
	if (file)
		private_show(file, stat);
	return file != NULL;
}

int privates_path(struct privates *privates, const struct stat *stat, char *path, size_t cap, bool *ret_deleted, int *ret_dir)
{
	const struct private_file *file;
	bool detached;
	int len, dir = -EBADF;

	if (!privates_may_be(privates, stat))
		return -ENOENT;
	PRIVATES_LOCKED(privates);
	file = private_file_find(privates, stat->st_ino);
	if (!file)
		return -ENOENT;
	len = fd_path(file->dir->fd, path, cap, &detached);
	if (len < 0)
		return len;
	if (len == 1)
		len = 0; /* "/" */
	if ((size_t)len + 1 + strlen(file->name) >= cap)
		return -ENAMETOOLONG;
	if (ret_dir) {
		dir = fcntl(file->dir->fd, F_DUPFD_CLOEXEC, 0);
		if (dir < 0)
			return -errno;
		*ret_dir = dir;
	}
	path[len] = '/';
	strcpy(path + len + 1, file->name);
	*ret_deleted = file->links == 0 || detached;
	return len + 1 + (int)strlen(file->name);
}

uint64_t privates_room(struct privates *privates, int object, bool *ret_stopped)
{
	const struct private_file *file;

	PRIVATES_LOCKED(privates);
	file = private_file_of(privates, object);
	*ret_stopped = file && file->stopped;
	return private_room(privates);
}

void privates_written(struct privates *privates, int object)
{
	struct private_file *file;

	PRIVATES_LOCKED(privates);
	file = private_file_of(privates, object);
	if (file)
		private_file_use(privates, file);
}

bool privates_next(struct privates *privates, const struct stat *dir, uint64_t from, struct private_entry *ret)
{
	const struct private_dir *found;
	const struct private_name *name;

	if (!privates)
		return false;
	PRIVATES_LOCKED(privates);
	found = private_dir_find(privates, dir->st_dev, dir->st_ino);
	/* Listings begin at the first, and go on near the last. */
	for (name = found ? found->first : NULL; name && name->id < from; name = name->after)
		;
	if (!name)
		return false;
	ret->id = name->id;
	ret->inode = name->file->number;
	strncpy(ret->name, name->text, sizeof(ret->name) - 1);
	ret->name[sizeof(ret->name) - 1] = '\0';
	return true;
}

static int note_device(struct privates *privates)
{
	_cleanup_close_ int fd = -EBADF;
	struct stat stat;
	int error = privates_make(&fd);

	if (!error && fstat(fd, &stat) < 0)
		error = -errno;
	if (!error)
		privates->memfd_dev = stat.st_dev;
	return error;
}

int privates_new(const struct policy *policy, struct privates **ret)
{
	struct policy_settings settings;
	struct policy_needs needs;
	struct privates *privates;
	struct rlimit limit;
	int error;

	policy_needs(policy, &needs);
	if (!needs.private) {
		*ret = NULL;
		return 0;
	}
	policy_settings(policy, &settings);
	privates = calloc(1, sizeof(*privates));
	if (!privates)
		return -ENOMEM;
	privates->files_max = settings.private_files ? settings.private_files : PRIVATE_FILES_DEFAULT;
	privates->total_max = settings.private_total ? settings.private_total : PRIVATE_TOTAL_DEFAULT;
	/* Each takes a descriptor of ours, and so does its directory. */
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_max / 4 < privates->files_max)
		privates->files_max = limit.rlim_max / 4;
	privates->next_id = 1;
	pthread_mutex_init(&privates->lock, NULL);
	pthread_cond_init(&privates->wake, NULL);
	error = note_device(privates);
	if (error) {
		privates_free(privates);
		return error;
	}
	*ret = privates;
	return 0;
}

int privates_start(struct privates *privates)
{
	sigset_t all, before;
	int error;

	if (!privates)
		return 0;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&privates->thread, NULL, privates_watch, privates);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	privates->started = error == 0;
	return -error;
}

struct privates *privates_free(struct privates *privates)
{
	if (!privates)
		return NULL;
	if (privates->started) {
		pthread_mutex_lock(&privates->lock);
		privates->end = true;
		pthread_cond_signal(&privates->wake);
		pthread_mutex_unlock(&privates->lock);
		pthread_join(privates->thread, NULL);
	}
	for (unsigned i = 0; i < PRIVATE_BUCKETS; i++)
		while (privates->names[i])
			private_name_drop(privates, privates->names[i]);
	for (unsigned i = 0; i < PRIVATE_BUCKETS; i++) {
		while (privates->by_ino[i])
			private_file_drop(privates, privates->by_ino[i]);
	}
	pthread_cond_destroy(&privates->wake);
	pthread_mutex_destroy(&privates->lock);
	free(privates);
	return NULL;
}
