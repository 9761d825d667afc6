/* SPDX-License-Identifier: Apache-2.0 */
/* Directories, names and files of the view's own, each found by its own hash; what they hold and when they are let go. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "vfs/overlay/privates_parts.h"

/* ---- directories ---- */

static struct private_dir **dir_bucket(struct privates *privates, dev_t dev, ino_t ino)
{
	return &privates->dirs[hash_mix(dev, ino) % PRIVATE_BUCKETS];
}

struct private_dir *private_dir_find(struct privates *privates, dev_t dev, ino_t ino)
{
	struct private_dir *dir = *dir_bucket(privates, dev, ino);

	while (dir && (dir->dev != dev || dir->ino != ino))
		dir = dir->next;
	return dir;
}

/* The directory behind FD, held once more. */
int private_dir_hold(struct privates *privates, int fd, struct private_dir **ret)
{
	struct private_dir *dir, **bucket;
	struct stat stat;

	if (fstat(fd, &stat) < 0)
		return -errno;
	if (stat.st_nlink == 0)
		return -ENOENT;
	dir = private_dir_find(privates, stat.st_dev, stat.st_ino);
	if (!dir) {
		dir = calloc(1, sizeof(*dir));
		if (!dir)
			return -ENOMEM;
		dir->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		if (dir->fd < 0) {
			int error = -errno;

			free(dir);
			return error;
		}
		dir->dev = stat.st_dev;
		dir->ino = stat.st_ino;
		bucket = dir_bucket(privates, dir->dev, dir->ino);
		dir->next = *bucket;
		*bucket = dir;
	}
	dir->refs++;
	*ret = dir;
	return 0;
}

void private_dir_release(struct privates *privates, struct private_dir *dir)
{
	struct private_dir **at;

	if (!dir || --dir->refs)
		return;
	for (at = dir_bucket(privates, dir->dev, dir->ino); *at != dir; at = &(*at)->next)
		;
	*at = dir->next;
	safe_close(dir->fd);
	free(dir);
}

/* ---- names ---- */

static struct private_name **name_bucket(struct privates *privates, const struct private_dir *dir, const char *text)
{
	return &privates->names[hash_text((uint64_t)(uintptr_t)dir, text, strlen(text)) % PRIVATE_BUCKETS];
}

struct private_name *private_name_in(struct privates *privates, const struct private_dir *dir, const char *text)
{
	struct private_name *name = dir ? *name_bucket(privates, dir, text) : NULL;

	while (name && (name->dir != dir || strcmp(name->text, text) != 0))
		name = name->next;
	return name;
}

struct private_name *private_name_find(struct privates *privates, int dir, const char *text)
{
	struct stat stat;

	if (fstat(dir, &stat) < 0)
		return NULL;
	return private_name_in(privates, private_dir_find(privates, stat.st_dev, stat.st_ino), text);
}

/* A name that leads to nothing yet and is in no table. DIR is held for it, at the end of its life too. */
struct private_name *private_name_new(struct private_dir *dir, const char *text)
{
	struct private_name *name = calloc(1, sizeof(*name) + strlen(text) + 1);

	if (!name)
		return NULL;
	name->dir = dir;
	strcpy(name->text, text);
	return name;
}

void private_name_insert(struct privates *privates, struct private_name *name, struct private_file *file)
{
	struct private_name **bucket = name_bucket(privates, name->dir, name->text);
	struct private_dir *dir = name->dir;

	name->file = file;
	file->links++;
	name->id = privates->next_id++;
	name->next = *bucket;
	*bucket = name;
	name->before = dir->last;
	name->after = NULL;
	if (dir->last)
		dir->last->after = name;
	else
		dir->first = name;
	dir->last = name;
}

/* Remember where FILE was last called so. Without memory it is what it was before. */
void private_file_note(struct privates *privates, struct private_file *file, struct private_dir *dir, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		return;
	dir->refs++;
	private_dir_release(privates, file->dir);
	free(file->name);
	file->dir = dir;
	file->name = copy;
}

/* The name by which FILE is told of is to be one that it still has. */
void private_file_renote(struct privates *privates, struct private_file *file)
{
	const struct private_name *at;

	if (!file->links)
		return;
	at = private_name_in(privates, file->dir, file->name);
	for (unsigned i = 0; i < PRIVATE_BUCKETS && (!at || at->file != file); i++)
		for (at = privates->names[i]; at && at->file != file; at = at->next)
			;
	if (at && at->file == file)
		private_file_note(privates, file, at->dir, at->text);
}

void private_name_drop(struct privates *privates, struct private_name *name)
{
	struct private_name **at = name_bucket(privates, name->dir, name->text);
	struct private_dir *dir = name->dir;

	while (*at != name)
		at = &(*at)->next;
	*at = name->next;
	*(name->before ? &name->before->after : &dir->first) = name->after;
	*(name->after ? &name->after->before : &dir->last) = name->before;
	if (--name->file->links == 0)
		private_file_use(privates, name->file);
	private_dir_release(privates, dir);
	free(name);
}

/* ---- files ---- */

struct private_file *private_file_find(struct privates *privates, ino_t ino)
{
	struct private_file *file = privates->by_ino[ino % PRIVATE_BUCKETS];

	while (file && file->ino != ino)
		file = file->next;
	return file;
}

struct private_file *private_file_of(struct privates *privates, int object)
{
	struct stat stat;

	if (object < 0 || fstat(object, &stat) < 0 || stat.st_dev != privates->memfd_dev)
		return NULL;
	return private_file_find(privates, stat.st_ino);
}

uint64_t private_file_measure(struct privates *privates, struct private_file *file)
{
	uint64_t before = file->size;
	struct stat stat;

	if (fstat(file->fd, &stat) < 0)
		return 0;
	file->size = (uint64_t)stat.st_size;
	privates->total += file->size - before;
	return file->size > before ? file->size - before : 0;
}

void private_file_use(struct privates *privates, struct private_file *file)
{
	if (file->used)
		return;
	file->used = true;
	file->used_next = privates->used;
	privates->used = file;
	pthread_cond_signal(&privates->wake);
}

void private_file_free(struct privates *privates, struct private_file *file)
{
	private_dir_release(privates, file->dir);
	safe_close(file->fd);
	free(file->name);
	free(file);
}

void private_file_drop(struct privates *privates, struct private_file *file)
{
	struct private_file **at = &privates->by_ino[file->ino % PRIVATE_BUCKETS];

	while (*at != file)
		at = &(*at)->next;
	*at = file->next;
	privates->files--;
	privates->total -= file->size;
	private_file_free(privates, file);
}

uint64_t private_room(struct privates *privates)
{
	for (struct private_file *file = privates->used; file; file = file->used_next)
		private_file_measure(privates, file);
	return privates->total < privates->total_max ? privates->total_max - privates->total : 0;
}

void private_show(const struct private_file *file, struct stat *stat)
{
	stat->st_dev = file->dev;
	stat->st_ino = file->number;
	stat->st_nlink = file->links;
}
