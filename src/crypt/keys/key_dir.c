/* SPDX-License-Identifier: Apache-2.0 */
#include "crypt/keys/key_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/directories.h"

#define SUFFIX	  ".key"
#define FILE_NAME (KEY_NAME_MAX + 16)

static const char name_characters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._@+-";

int key_name_check(const char *name, struct errmsg *msg)
{
	size_t len = strlen(name);

	if (len == 0 || len >= KEY_NAME_MAX || name[0] == '.' || name[0] == '-' || strspn(name, name_characters) != len)
		return errmsg_set(msg, -EINVAL, "no name for a key: '%.80s' (letters, digits and ._@+-, at most %d)", name,
				  KEY_NAME_MAX - 1);
	return 0;
}

/* Does it belong to this user, or to root, who can do anything anyway? */
static bool is_ours(const struct stat *st)
{
	return st->st_uid == geteuid() || st->st_uid == 0;
}

int key_dir_open(const char *path, int *ret_fd, struct errmsg *msg)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0) {
		int r = -errno;

		return errmsg_set(msg, r, "%s: %s", path, strerror(-r));
	}
	if (!is_ours(&st))
		return errmsg_set(msg, -EPERM, "%s: belongs to another user (uid %u)", path, st.st_uid);
	if (st.st_mode & 022)
		return errmsg_set(msg, -EPERM, "%s: others may write to it: chmod go-w %s", path, path);
	*ret_fd = steal_fd(&fd);
	return 0;
}

int key_text_load(int fd, const char *path, enum key_trust trust, struct buffer *text, struct errmsg *msg)
{
	mode_t others = trust == KEY_TRUST_CREDENTIAL ? 027 : 077;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return errmsg_set(msg, -errno, "%s: %s", path, strerror(errno));
	if (S_ISDIR(st.st_mode))
		return errmsg_set(msg, -EISDIR, "%s: a directory, not a key", path);
	if (S_ISREG(st.st_mode)) {
		if (!is_ours(&st))
			return errmsg_set(msg, -EPERM, "%s: belongs to another user (uid %u)", path, st.st_uid);
		if (st.st_mode & others)
			return errmsg_set(msg, -EPERM, "%s: others may %s it (mode %04o): chmod 600 %s", path,
					  st.st_mode & others & 022 ? "change" : "read", st.st_mode & 07777, path);
		if ((uint64_t)st.st_size > KEY_TEXT_MAX)
			return errmsg_set(msg, -EFBIG, "%s: too large for a key", path);
	}
	int r = secret_text_read(fd, text);
	if (r < 0)
		return errmsg_set(msg, r, "%s: %s", path, r == -EFBIG ? "too large for a key" : strerror(-r));
	return 0;
}

static void file_name(const char *name, const char *before, const char *behind, char ret_file[FILE_NAME])
{
	snprintf(ret_file, FILE_NAME, "%s%s%s", before, name, behind);
}

static int open_file(int dir_fd, const char *name)
{
	char file[FILE_NAME];

	file_name(name, "", SUFFIX, file);
	int fd = openat(dir_fd, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int key_dir_load(int dir_fd, const char *dir, const char *name, struct key_file **ret_file, struct errmsg *msg)
{
	_cleanup_(cleanup_secret_text) struct buffer *text = secret_text_new(KEY_TEXT_MAX);
	char path[PATH_MAX + FILE_NAME];
	struct errmsg why = {0};
	struct stat st;
	int r = key_name_check(name, msg);

	if (r < 0)
		return r;
	if (!text)
		return -ENOMEM;
	snprintf(path, sizeof(path), "%s/%s" SUFFIX, dir, name);
	_cleanup_close_ int fd = open_file(dir_fd, name);
	if (fd == -ELOOP)
		return errmsg_set(msg, fd, "%s: a symbolic link, which may lead anywhere: name the file itself, --key-file", path);
	if (fd < 0)
		return errmsg_set(msg, fd, "%s: %s", path, strerror(-fd));
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return errmsg_set(msg, -EPERM, "%s: not a regular file", path);
	r = key_text_load(fd, path, KEY_TRUST_OWN, text, msg);
	if (r < 0)
		return r;
	r = key_file_parse(text->data, text->len, ret_file, &why);
	return r < 0 ? errmsg_set(msg, r, "%s: %s", path, why.text[0] ? why.text : strerror(-r)) : 0;
}

/* FILE with TEXT, whole and on the disk. The directory is locked: what has that name was left by a process that died. */
static int write_file(int dir_fd, const char *file, const struct buffer *text)
{
	_cleanup_close_ int fd = -EBADF;
	int r = 0;

	if (unlinkat(dir_fd, file, 0) < 0 && errno != ENOENT)
		return -errno;
	fd = openat(dir_fd, file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (fchmod(fd, 0600) < 0) /* whatever the umask */
		r = -errno;
	if (r == 0)
		r = secret_text_write(fd, text);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(dir_fd, file, 0);
	return r;
}

/* Rename, but not over something. Some file systems know no such rename. */
static int rename_new(int dir_fd, const char *from, const char *to)
{
	if (renameat2(dir_fd, from, dir_fd, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	if (linkat(dir_fd, from, dir_fd, to, 0) < 0)
		return -errno;
	return unlinkat(dir_fd, from, 0) < 0 ? -errno : 0;
}

static int put(int dir_fd, const char *name, const struct buffer *text, bool replace)
{
	char file[FILE_NAME], passing[FILE_NAME];

	file_name(name, "", SUFFIX, file);
	file_name(name, ".", SUFFIX ".new", passing);
	int r = write_file(dir_fd, passing, text);
	if (r < 0)
		return r;
	r = !replace ? rename_new(dir_fd, passing, file) : renameat(dir_fd, passing, dir_fd, file) < 0 ? -errno : 0;
	if (r < 0) {
		unlinkat(dir_fd, passing, 0);
		return r;
	}
	return fsync(dir_fd) < 0 ? -errno : 0;
}

/* Until the descriptor returned is closed nobody else changes keys. A new description, since the lock belongs to it. */
static int lock(int dir_fd)
{
	_cleanup_close_ int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return -errno;
	return steal_fd(&fd);
}

int key_dir_create(int dir_fd, const char *name, const struct buffer *text)
{
	_cleanup_close_ int locked = lock(dir_fd);
	char file[FILE_NAME];

	if (locked < 0)
		return locked;
	/* Before a key is written to the disk in vain. */
	file_name(name, "", SUFFIX, file);
	if (faccessat(dir_fd, file, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return -EEXIST;
	return put(dir_fd, name, text, false);
}

int key_dir_replace(int dir_fd, const char *name, const struct key_file *old, const struct buffer *text)
{
	_cleanup_(cleanup_secret_text) struct buffer *now = secret_text_new(KEY_TEXT_MAX);
	_cleanup_close_ int locked = lock(dir_fd), fd = -EBADF;

	if (locked < 0)
		return locked;
	if (!now)
		return -ENOMEM;
	fd = open_file(dir_fd, name);
	int r = fd < 0 ? fd : secret_text_read(fd, now);
	if (r < 0)
		return r == -ENOENT || r == -EFBIG ? -ESTALE : r;
	if (now->len != old->text->len || sodium_memcmp(now->data, old->text->data, now->len) != 0)
		return -ESTALE;
	return put(dir_fd, name, text, true);
}

int key_dir_remove(int dir_fd, const char *name)
{
	_cleanup_close_ int locked = lock(dir_fd);
	char file[FILE_NAME];

	if (locked < 0)
		return locked;
	/* What a process that died left of it as well: there is a key in it. */
	file_name(name, ".", SUFFIX ".new", file);
	if (unlinkat(dir_fd, file, 0) < 0 && errno != ENOENT)
		return -errno;
	file_name(name, "", SUFFIX, file);
	if (unlinkat(dir_fd, file, 0) < 0)
		return -errno;
	return fsync(dir_fd) < 0 ? -errno : 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

int key_dir_list(int dir_fd, char (**ret_names)[KEY_NAME_MAX])
{
	_cleanup_free_ char(*names)[KEY_NAME_MAX] = calloc(KEY_DIR_MAX, KEY_NAME_MAX);
	_cleanup_(cleanup_closedir) DIR *dir = NULL;
	struct dirent *entry;
	int count = 0;

	if (!names)
		return -ENOMEM;
	dir = open_directory(dir_fd, ".");
	if (!dir)
		return -errno;
	while (count < KEY_DIR_MAX && (entry = readdir(dir))) {
		size_t len = strlen(entry->d_name), suffix = strlen(SUFFIX);
		char name[KEY_NAME_MAX];

		if (len <= suffix || len - suffix >= sizeof(name) || strcmp(entry->d_name + len - suffix, SUFFIX) != 0)
			continue;
		memcpy(name, entry->d_name, len - suffix);
		name[len - suffix] = '\0';
		if (key_name_check(name, NULL) == 0)
			memcpy(names[count++], name, sizeof(name));
	}
	qsort(names, (size_t)count, KEY_NAME_MAX, by_name);
	*ret_names = names;
	names = NULL;
	return count;
}
