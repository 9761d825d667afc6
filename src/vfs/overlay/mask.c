/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether anybody but us has a memfd open is asked of the kernel (memfd_others()). Names of the file alone (O_PATH) do not
 * count, and need not: they lead to it through the registry or not at all.
 */
#include "vfs/overlay/mask.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "base/cleanup.h"
#include "vfs/overlay/mask_content.h"
#include "vfs/overlay/memfd.h"

#define FILES_MAX 4096u
#define FILES_MIN 16u
#define BUCKETS 4096u
#define SWEEP_MIN 16u
#define MEMFD_NAME "scrim-mask"

struct mask_file {
	ino_t ino;  /* of the memfd */
	int memfd;  /* a description of ours, for reading */
	int object; /* O_PATH of the masked file, which keeps its number from being another's */
	dev_t real_dev;
	ino_t real_ino;
	int32_t rule;
	bool current; /* serves the next open; else a private copy, or outdated content that somebody still has open */
	bool private;
	off_t size;
	struct mask_stamp stamp;
	char *path; /* of the last open, or NULL */
	size_t path_len;
	struct mask_file *next_memfd, *next_real; /* in their buckets */
	struct mask_file *older, *newer;
};

struct masks {
	struct mask_sources *sources;
	dev_t dev; /* of all memfds */
	pthread_mutex_t lock;
	unsigned count, max;
	unsigned passing;    /* of these, how many do not serve another open */
	unsigned next_sweep; /* when there are so many, see which are gone */
	struct mask_file *oldest, *newest;
	struct mask_file *by_memfd[BUCKETS];
	struct mask_file *by_real[BUCKETS];
};

static unsigned bucket(uint64_t a, uint64_t b, uint64_t c)
{
	return (unsigned)((((a * 31 + b) * 31 + c) * 0x9e3779b97f4a7c15u) >> 52) % BUCKETS;
}

static struct mask_file **memfd_bucket(struct masks *masks, ino_t ino)
{
	return &masks->by_memfd[bucket(ino, 0, 0)];
}

static struct mask_file **real_bucket(struct masks *masks, dev_t dev, ino_t ino, int32_t rule)
{
	return &masks->by_real[bucket(ino, dev, (uint64_t)rule)];
}

static void cleanup_unlock(struct masks **masks)
{
	pthread_mutex_unlock(&(*masks)->lock);
}

#define LOCKED(masks)                                                                                                  \
	_cleanup_(cleanup_unlock) struct masks *locked_ = (masks);                                                     \
	pthread_mutex_lock(&locked_->lock)

static struct mask_file *file_free(struct mask_file *file)
{
	if (!file)
		return NULL;
	safe_close(file->memfd);
	safe_close(file->object);
	free(file->path);
	free(file);
	return NULL;
}

static void cleanup_file(struct mask_file **file)
{
	file_free(*file);
}

/* The age list. */
static void age_remove(struct masks *masks, struct mask_file *file)
{
	*(file->older ? &file->older->newer : &masks->oldest) = file->newer;
	*(file->newer ? &file->newer->older : &masks->newest) = file->older;
	file->older = file->newer = NULL;
}

static void age_add(struct masks *masks, struct mask_file *file)
{
	file->newer = NULL;
	file->older = masks->newest;
	*(masks->newest ? &masks->newest->newer : &masks->oldest) = file;
	masks->newest = file;
}

static void touch(struct masks *masks, struct mask_file *file)
{
	age_remove(masks, file);
	age_add(masks, file);
}

/* It serves no further open. */
static void retire(struct masks *masks, struct mask_file *file)
{
	struct mask_file **link = real_bucket(masks, file->real_dev, file->real_ino, file->rule);

	if (!file->current)
		return;
	while (*link != file)
		link = &(*link)->next_real;
	*link = file->next_real;
	file->current = false;
	masks->passing++;
}

static void drop(struct masks *masks, struct mask_file *file)
{
	struct mask_file **link = memfd_bucket(masks, file->ino);

	retire(masks, file);
	masks->passing--;
	while (*link != file)
		link = &(*link)->next_memfd;
	*link = file->next_memfd;
	age_remove(masks, file);
	masks->count--;
	file_free(file);
}

static bool in_use(const struct mask_file *file)
{
	return memfd_others(file->memfd, false);
}

/* Drop the private copies and outdated contents that nobody has open any more. */
static void sweep(struct masks *masks)
{
	struct mask_file *newer;

	for (struct mask_file *file = masks->oldest; file; file = newer) {
		newer = file->newer;
		if (!file->current && !in_use(file))
			drop(masks, file);
	}
	masks->next_sweep = masks->passing * 2 > SWEEP_MIN ? masks->passing * 2 : SWEEP_MIN;
}

/* Drop the one that was used longest ago, of those that nobody has open. Returns whether there was one. */
static bool evict(struct masks *masks)
{
	for (unsigned tries = masks->count; tries; tries--) {
		struct mask_file *file = masks->oldest;

		if (!in_use(file)) {
			drop(masks, file);
			return true;
		}
		touch(masks, file);
	}
	return false;
}

static int insert(struct masks *masks, struct mask_file **file)
{
	struct mask_file *mine = *file, **link;

	if (masks->passing >= masks->next_sweep)
		sweep(masks);
	if (masks->count >= masks->max && !evict(masks))
		return -ENFILE;
	*file = NULL;
	link = memfd_bucket(masks, mine->ino);
	mine->next_memfd = *link;
	*link = mine;
	mine->current = !mine->private;
	if (mine->current) {
		link = real_bucket(masks, mine->real_dev, mine->real_ino, mine->rule);
		mine->next_real = *link;
		*link = mine;
	} else {
		masks->passing++;
	}
	age_add(masks, mine);
	masks->count++;
	return 0;
}

static struct mask_file *find_memfd(struct masks *masks, ino_t ino)
{
	struct mask_file *file = *memfd_bucket(masks, ino);

	while (file && file->ino != ino)
		file = file->next_memfd;
	return file;
}

static struct mask_file *find_current(struct masks *masks, int32_t rule, const struct stat *stat)
{
	struct mask_file *file = *real_bucket(masks, stat->st_dev, stat->st_ino, rule);

	while (file && !(file->real_dev == stat->st_dev && file->real_ino == stat->st_ino && file->rule == rule))
		file = file->next_real;
	return file;
}

static int keep_path(struct mask_file *file, const char *path, size_t path_len)
{
	char *copy;

	if (file->path && file->path_len == path_len && memcmp(file->path, path, path_len) == 0)
		return 0;
	copy = malloc(path_len + 1);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, path, path_len);
	copy[path_len] = '\0';
	free(file->path);
	file->path = copy;
	file->path_len = path_len;
	return 0;
}

/*
 * A file in memory with CONTENT for the real OBJECT. With RET_FD: a private copy, opened with FLAGS (the description
 * that memfd_create gives is not one that leases know of, so that it must be gone before anybody asks).
 */
static int make_file(int32_t rule, int object, const struct stat *stat, const struct mask_content *content, int flags,
		     int *ret_fd, struct mask_file **ret)
{
	_cleanup_(cleanup_file) struct mask_file *file = calloc(1, sizeof(*file));
	_cleanup_close_ int fd = -EBADF;
	struct stat memfd_stat;
	int error;

	if (!file)
		return -ENOMEM;
	file->memfd = file->object = -EBADF;
	error = memfd_new(MEMFD_NAME, content->data, content->len, &fd);
	if (!error && !ret_fd)
		error = memfd_seal(fd);
	if (!error)
		error = memfd_reopen(fd, O_RDONLY, &file->memfd);
	if (error < 0)
		return error;
	if (fstat(fd, &memfd_stat) < 0)
		return -errno;
	file->object = fcntl(object, F_DUPFD_CLOEXEC, 0);
	if (file->object < 0)
		return -errno;
	if (ret_fd) {
		error = memfd_reopen(fd, flags, ret_fd);
		if (error < 0)
			return error;
	}
	file->private = ret_fd;
	file->ino = memfd_stat.st_ino;
	file->real_dev = stat->st_dev;
	file->real_ino = stat->st_ino;
	file->rule = rule;
	file->size = (off_t)content->len;
	file->stamp = content->stamp;
	*ret = TAKE_PTR(file);
	return 0;
}

/* We have no descriptors left: give some back. Returns whether trying again makes sense. */
static bool make_room(struct masks *masks, int error)
{
	bool any = false;

	if (error != -EMFILE && error != -ENFILE)
		return false;
	LOCKED(masks);
	sweep(masks);
	for (int i = 0; i < 8 && evict(masks); i++)
		any = true;
	return any;
}

static int make_content_file(struct masks *masks, int32_t rule, int object, const struct stat *stat, int flags,
			     int *ret_fd, struct mask_file **ret)
{
	const struct mask_source *source = mask_sources_get(masks->sources, rule);
	struct mask_content content = {0};
	int error = 0;

	/* A copy that is truncated at once needs no content. */
	if (!ret_fd || !(flags & O_TRUNC))
		error = mask_content_make(source, object, &content);
	if (!error)
		error = make_file(rule, object, stat, &content, flags, ret_fd, ret);
	free(content.owned);
	return error;
}

/*
 * The current content of the masked file, made if need be. Returns 0 with the registry locked: *RET is good until it
 * is unlocked. Otherwise a negative errno, not locked.
 */
static int lock_current(struct masks *masks, int32_t rule, int object, const struct stat *stat, struct mask_file **ret)
{
	const struct mask_source *source = mask_sources_get(masks->sources, rule);
	_cleanup_(cleanup_file) struct mask_file *made = NULL;
	struct mask_file *file;
	int error;

	pthread_mutex_lock(&masks->lock);
	file = find_current(masks, rule, stat);
	if (file && mask_content_fresh(source, &file->stamp, stat)) {
		touch(masks, file);
		*ret = file;
		return 0;
	}
	pthread_mutex_unlock(&masks->lock);

	error = make_content_file(masks, rule, object, stat, 0, NULL, &made);
	if (make_room(masks, error))
		error = make_content_file(masks, rule, object, stat, 0, NULL, &made);
	if (error < 0)
		return error;

	pthread_mutex_lock(&masks->lock);
	file = find_current(masks, rule, stat);
	if (file && source->kind != MASK_REDACT) { /* another thread was faster */
		*ret = file;
		return 0;
	}
	if (file)
		retire(masks, file);
	file = made;
	error = insert(masks, &made);
	if (error < 0) {
		pthread_mutex_unlock(&masks->lock);
		return error;
	}
	*ret = file;
	return 0;
}

/* May the caller open the real file so? As natively: its permissions count, whatever is shown in its place. */
static int check_access(int object, int flags)
{
	int mode = 0;

	if ((flags & O_ACCMODE) != O_WRONLY)
		mode |= R_OK;
	if ((flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC))
		mode |= W_OK;
	if (syscall(SYS_faccessat2, object, "", mode, AT_EACCESS | AT_EMPTY_PATH) < 0)
		return -errno;
	if (flags & O_NOATIME) {
		/* Owners only (open(2)), which the kernel says to who asks. */
		_cleanup_close_ int fd = -EBADF;
		int error = memfd_reopen(object, O_RDONLY | O_NOATIME | O_NONBLOCK, &fd);

		if (error == -EPERM)
			return error;
	}
	return 0;
}

static bool wants_write(int flags)
{
	return (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC);
}

static int open_private(struct masks *masks, int32_t rule, int object, const struct stat *stat, const char *path,
			size_t path_len, int flags, int *ret_fd)
{
	_cleanup_(cleanup_file) struct mask_file *file = NULL;
	_cleanup_close_ int fd = -EBADF;
	int error;

	error = make_content_file(masks, rule, object, stat, flags, &fd, &file);
	if (make_room(masks, error))
		error = make_content_file(masks, rule, object, stat, flags, &fd, &file);
	if (!error)
		error = keep_path(file, path, path_len);
	if (error < 0)
		return error;
	LOCKED(masks);
	error = insert(masks, &file);
	if (error < 0)
		return error;
	*ret_fd = steal_fd(&fd);
	return 0;
}

static int open_shared(struct masks *masks, int32_t rule, int object, const struct stat *stat, const char *path,
		       size_t path_len, int flags, int *ret_fd)
{
	struct mask_file *file;
	int error;

	error = lock_current(masks, rule, object, stat, &file);
	if (error == -EFBIG)
		return memfd_reopen(object, flags, ret_fd); /* as it is */
	if (error < 0)
		return error;
	error = keep_path(file, path, path_len);
	if (!error)
		error = memfd_reopen(file->memfd, flags, ret_fd);
	pthread_mutex_unlock(&masks->lock);
	return error;
}

/*
 * OBJECT may be one of our memfds, reached through a link in /proc/PID/fd. Returns 0 when not; 1 when it is a private
 * copy, which is then opened again as itself; else *RET_REAL is the masked file.
 */
static int reopen_ours(struct masks *masks, const struct stat *stat, int flags, int *ret_real, int *ret_fd)
{
	struct mask_file *file;
	int error;

	if (stat->st_dev != masks->dev)
		return 0;
	LOCKED(masks);
	file = find_memfd(masks, stat->st_ino);
	if (!file)
		return 0;
	if (!file->private) {
		*ret_real = fcntl(file->object, F_DUPFD_CLOEXEC, 0);
		return *ret_real < 0 ? -errno : 0;
	}
	error = check_access(file->object, flags);
	if (!error)
		error = memfd_reopen(file->memfd, flags, ret_fd);
	return error < 0 ? error : 1;
}

int masks_open(struct masks *masks, int32_t rule, int object, const struct stat *stat, const char *path,
	       size_t path_len, int flags, int *ret_fd)
{
	const struct mask_source *source = masks ? mask_sources_get(masks->sources, rule) : NULL;
	_cleanup_close_ int real = -EBADF;
	struct stat real_stat = *stat;
	int error;

	if (!source)
		return -EACCES;
	if (flags & O_DIRECTORY)
		return -ENOTDIR;
	if (wants_write(flags) && !source->discard)
		return -EACCES;
	/* What the walk says of a memfd is what is shown of it. */
	if (fstat(object, &real_stat) < 0)
		return -errno;
	error = reopen_ours(masks, &real_stat, flags, &real, ret_fd);
	if (error)
		return error < 0 ? error : 0;
	if (real >= 0) {
		object = real;
		if (fstat(object, &real_stat) < 0)
			return -errno;
	}
	error = check_access(object, flags);
	if (error < 0)
		return error;
	if (wants_write(flags))
		return open_private(masks, rule, object, &real_stat, path, path_len, flags, ret_fd);
	return open_shared(masks, rule, object, &real_stat, path, path_len, flags, ret_fd);
}

int masks_size(struct masks *masks, int32_t rule, int object, const struct stat *stat, off_t *ret_size)
{
	const struct mask_source *source = masks ? mask_sources_get(masks->sources, rule) : NULL;
	struct mask_file *file;
	int error;

	if (!source)
		return -EACCES;
	if (source->kind != MASK_REDACT) {
		*ret_size = (off_t)source->len;
		return 0;
	}
	error = lock_current(masks, rule, object, stat, &file);
	if (error == -ENOMEM || error == -EMFILE || error == -ENFILE)
		return error;
	/* What cannot be made (unreadable, denied) cannot be opened either: nothing is shown of it. */
	*ret_size = error == -EFBIG ? stat->st_size : error < 0 ? 0 : file->size;
	if (!error)
		pthread_mutex_unlock(&masks->lock);
	return 0;
}

int masks_find(struct masks *masks, dev_t dev, ino_t ino, int *ret_object, int32_t *ret_rule, char *path,
	       size_t *path_len)
{
	struct mask_file *file;
	int object;

	if (!masks || dev != masks->dev)
		return -ENOENT;
	LOCKED(masks);
	file = find_memfd(masks, ino);
	if (!file)
		return -ENOENT;
	if (path && file->path_len >= *path_len)
		return -ENAMETOOLONG;
	object = fcntl(file->object, F_DUPFD_CLOEXEC, 0);
	if (object < 0)
		return -errno;
	if (path) {
		memcpy(path, file->path ? file->path : "", file->path_len);
		path[file->path_len] = '\0';
	}
	if (path_len)
		*path_len = file->path_len;
	*ret_object = object;
	*ret_rule = file->rule;
	return 0;
}

void masks_present(const struct stat *real, off_t masked_size, struct stat *ret)
{
	struct stat shown = *real;

	shown.st_size = masked_size;
	/* As a file without holes in blocks of 4 KiB. */
	shown.st_blocks = (masked_size + 4095) / 4096 * 8;
	*ret = shown;
}

int masks_new(const struct policy *policy, struct masks **ret, struct errmsg *msg)
{
	struct mask_sources *sources = NULL;
	_cleanup_close_ int fd = -EBADF;
	struct masks *masks;
	struct rlimit limit;
	struct stat stat;
	int error;

	error = mask_sources_new(policy, &sources, msg);
	if (error < 0)
		return error;
	if (!sources) {
		*ret = NULL;
		return 0;
	}
	error = memfd_new(MEMFD_NAME, NULL, 0, &fd);
	masks = error < 0 ? NULL : calloc(1, sizeof(*masks));
	if (!masks || fstat(fd, &stat) < 0) {
		error = error < 0 ? error : -ENOMEM;
		free(masks);
		mask_sources_free(sources);
		return errmsg_set(msg, error, "masked content needs files in memory (memfd_create): %s",
				  strerror(-error));
	}
	masks->sources = sources;
	masks->dev = stat.st_dev;
	masks->next_sweep = SWEEP_MIN;
	/* Each takes two descriptors of ours: half of them is enough. */
	masks->max = FILES_MAX;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_max / 4 < masks->max)
		masks->max = limit.rlim_max / 4 > FILES_MIN ? (unsigned)(limit.rlim_max / 4) : FILES_MIN;
	pthread_mutex_init(&masks->lock, NULL);
	*ret = masks;
	return 0;
}

struct masks *masks_free(struct masks *masks)
{
	if (!masks)
		return NULL;
	while (masks->oldest)
		drop(masks, masks->oldest);
	mask_sources_free(masks->sources);
	pthread_mutex_destroy(&masks->lock);
	free(masks);
	return NULL;
}
