/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/directories.h"
#include "crypt/files/internal.h"
#include "crypt/files/replace.h"

#define MAX_DEPTH 2000 /* directories open one in the other */

int files_split(const char *path, int *ret_dir, const char **ret_name, struct errmsg *msg)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	bool itself = !*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
	_cleanup_free_ char *parent = itself ? strdup(path) : strndup(path, slash ? (size_t)(slash - path) + 1 : 0);
	int dir;

	if (!*path)
		return errmsg_set(msg, -ENOENT, "an empty path names nothing");
	if (!parent)
		return files_failed(msg, -ENOMEM, path, "cannot be opened");
	dir = open(*parent ? parent : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return files_failed(msg, -errno, path, "its directory cannot be opened");
	*ret_dir = dir;
	*ret_name = itself ? "." : name;
	return 0;
}

struct names {
	char **items;
	size_t count, room;
};

static void cleanup_names(struct names *n)
{
	for (size_t i = 0; i < n->count; i++)
		free(n->items[i]);
	free(n->items);
}

static int names_add(struct names *n, const char *name)
{
	if (n->count == n->room) {
		size_t room = n->room ? 2 * n->room : 64;
		char **items = reallocarray(n->items, room, sizeof(*items));

		if (!items)
			return -ENOMEM;
		n->items = items;
		n->room = room;
	}
	n->items[n->count] = strdup(name);
	return n->items[n->count] ? (n->count++, 0) : -ENOMEM;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* All names first: what is done with the files makes and removes names. */
static int read_names(int dir, struct names *ret_names)
{
	_cleanup_(cleanup_closedir) DIR *list = open_directory(dir, ".");
	int r = 0;

	if (!list)
		return -errno;
	for (;;) {
		struct dirent *d = (errno = 0, readdir(list));

		if (!d)
			r = -errno;
		else if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
			r = names_add(ret_names, d->d_name);
		if (!d || r < 0)
			break;
	}
	if (r == 0 && ret_names->count > 0)
		qsort(ret_names->items, ret_names->count, sizeof(*ret_names->items), by_name);
	return r;
}

static const char *type_text(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFLNK:
		return "a symbolic link";
	case S_IFIFO:
		return "a FIFO";
	case S_IFSOCK:
		return "a socket";
	default:
		return "a device";
	}
}

struct state {
	const struct files_walk *walk;
	dev_t device;
};

static void pass(const struct files_walk *walk, const char *path, const char *why)
{
	if (!walk->look_only)
		walk->passed(walk->data, path, why);
}

static int walk_directory(struct state *s, int dir, const char *path, unsigned depth);

static int walk_entry(struct state *s, int dir, const char *path, const char *name, unsigned depth)
{
	const struct files_walk *w = s->walk;
	size_t len = strlen(path);
	_cleanup_free_ char *whole = NULL;
	_cleanup_close_ int below = -EBADF;
	struct stat st;

	if (asprintf(&whole, "%s%s%s", path, len > 0 && path[len - 1] == '/' ? "" : "/", name) < 0) {
		whole = NULL;
		return -ENOMEM;
	}
	if (replacement_is_name(name)) {
		if (!w->look_only && replacement_clean(dir, name) > 0)
			pass(w, whole, "was left by a run that was killed; removed");
		return 0;
	}
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : (pass(w, whole, strerror(errno)), 0);
	if (S_ISREG(st.st_mode))
		return w->file(w->data, &(struct files_place){.dir = dir, .name = name, .path = whole}, depth);
	if (!S_ISDIR(st.st_mode))
		return pass(w, whole, type_text(st.st_mode)), 0;
	if (depth == MAX_DEPTH)
		return pass(w, whole, "too deep"), 0;
	below = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (below < 0 || fstat(below, &st) < 0)
		return pass(w, whole, strerror(errno)), 0;
	if (st.st_dev != s->device && !w->cross_device)
		return pass(w, whole, "another file system (--cross-device goes there)"), 0;
	return walk_directory(s, below, whole, depth + 1);
}

static int walk_directory(struct state *s, int dir, const char *path, unsigned depth)
{
	_cleanup_(cleanup_names) struct names names = {0};
	int r = read_names(dir, &names);

	if (r < 0) {
		pass(s->walk, path, strerror(-r));
		return r == -ENOMEM ? r : 0;
	}
	for (size_t i = 0; r == 0 && i < names.count; i++)
		r = walk_entry(s, dir, path, names.items[i], depth);
	return r;
}

int files_walk(const struct files_walk *walk, const char *path, struct errmsg *msg)
{
	_cleanup_close_ int dir = -EBADF, top = -EBADF;
	struct state s = {.walk = walk};
	const char *name;
	struct stat st;
	int r = files_split(path, &dir, &name, msg);

	if (r < 0)
		return r;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return files_failed(msg, -errno, path, "cannot be looked at");
	if (!S_ISDIR(st.st_mode) || !walk->recursive)
		return walk->file(walk->data, &(struct files_place){.dir = dir, .name = name, .path = path}, 0);
	top = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (top < 0 || fstat(top, &st) < 0)
		return files_failed(msg, -errno, path, "cannot be opened");
	s.device = st.st_dev;
	return walk_directory(&s, top, path, 1);
}
