/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/procmaps.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "proc/maps.h"
#include "vfs/encrypted.h"
#include "vfs/fdpath.h"
#include "vfs/op.h"
#include "vfs/overlay/memfd.h"
#include "vfs/overlay/privates.h"
#include "vfs/private.h"
#include "vfs/proclink.h"
#include "vfs/vnode/vnode.h"

/* smaps has half a kilobyte for each of 65530 mappings (vm.max_map_count), and names. */
#define TEXT_MAX ((size_t)64 << 20)
/* show_map_vma() fills up to here before the name. */
#define NAME_COLUMN 73

struct text {
	char *data;
	size_t len, cap;
};

static void cleanup_text(struct text *text)
{
	free(text->data);
}

static int reserve(struct text *text, size_t more)
{
	size_t cap = text->cap ? text->cap : 8192;
	char *grown;

	while (cap < text->len + more)
		cap *= 2;
	if (cap > TEXT_MAX)
		return -EFBIG;
	if (cap == text->cap)
		return 0;
	grown = realloc(text->data, cap);
	if (!grown)
		return -ENOMEM;
	text->data = grown;
	text->cap = cap;
	return 0;
}

static int put(struct text *text, const char *bytes, size_t len)
{
	int error = reserve(text, len);

	if (!error) {
		memcpy(text->data + text->len, bytes, len);
		text->len += len;
	}
	return error;
}

/* All that can be read of FD from its beginning. */
static int read_whole(int fd, struct text *ret)
{
	ssize_t n;

	do {
		int error = reserve(ret, 4096);
		if (error)
			return error;
		n = pread(fd, ret->data + ret->len, ret->cap - ret->len, (off_t)ret->len);
		if (n > 0)
			ret->len += (size_t)n;
	} while (n > 0 || (n < 0 && errno == EINTR));
	return n < 0 ? -errno : 0;
}

/* The real file of the memfd (DEV, INO): its name as procfs has it, and its stat. 0: none of ours. */
static int find_real(struct op *op, uint64_t dev, uint64_t ino, struct stat *ret_real, char *name, size_t cap)
{
	const struct stat memfd = {.st_dev = (dev_t)dev, .st_ino = (ino_t)ino, .st_mode = S_IFREG};
	ssize_t len = -ENOENT;

	op_own_rights(op);
	*ret_real = (struct stat){.st_dev = memfd.st_dev, .st_ino = memfd.st_ino, .st_mode = S_IFREG};
	if (privates_shown(op->view->privates, ret_real))
		len = private_link_text(op->view, &memfd, name, cap);
	else if (vnodes_find(op->view->vnodes, memfd.st_dev, memfd.st_ino, NULL, NULL, NULL, NULL, ret_real) == 0)
		len = encrypted_link_text(op->view, &memfd, name, cap);
	op_lend_rights(op);
	return len > 0 ? (int)len : 0;
}

/* seq_path(): what would end the line, or the name, is written as octal number. */
static int put_name(struct text *to, const char *name, size_t len, const char *escaped)
{
	int error = 0;

	for (size_t i = 0; i < len && !error; i++) {
		char octal[5];

		if (strchr(escaped, name[i])) {
			snprintf(octal, sizeof(octal), "\\%03o", (unsigned)(unsigned char)name[i]);
			error = put(to, octal, 4);
		} else {
			error = put(to, name + i, 1);
		}
	}
	return error;
}

/* A line of maps or smaps. */
static int put_maps_line(struct op *op, struct text *to, const char *line, size_t len, bool *changed)
{
	char name[PATH_MAX + 16], head[192];
	struct maps_line at;
	struct stat real;
	int name_len = 0, n, error;

	if (maps_parse(line, len, &at) && at.ino)
		name_len = find_real(op, at.dev, at.ino, &real, name, sizeof(name));
	if (!name_len)
		return put(to, line, len);
	*changed = true;
	n = snprintf(head, sizeof(head), "%.*s%02x:%02x %ju ", (int)at.device_at, line, major(real.st_dev), minor(real.st_dev),
		     (uintmax_t)real.st_ino);
	error = put(to, head, (size_t)n);
	for (; n < NAME_COLUMN && !error; n++)
		error = put(to, " ", 1);
	return error ? error : put_name(to, name, (size_t)name_len, "\n");
}

/* Lines of numa_maps have an address and no number of a file: MAPS is the text that has both. */
static int put_numa_line(struct op *op, struct text *to, const struct text *maps, const char *line, size_t len, bool *changed)
{
	static const char field[] = " file=";
	const char *file = memmem(line, len, field, sizeof(field) - 1), *end, *at = maps->data, *next;
	char name[PATH_MAX + 16];
	struct maps_line parsed;
	struct stat real;
	uint64_t start = strtoull(line, NULL, 16);
	int name_len = 0, error;

	for (; file && at < maps->data + maps->len && !name_len; at = next + 1) {
		next = memchr(at, '\n', (size_t)(maps->data + maps->len - at));
		if (!next)
			break;
		if (!maps_parse(at, (size_t)(next - at), &parsed) || parsed.start < start)
			continue;
		if (parsed.start > start)
			break;
		name_len = find_real(op, parsed.dev, parsed.ino, &real, name, sizeof(name));
	}
	if (!name_len)
		return put(to, line, len);
	*changed = true;
	file += sizeof(field) - 1;
	end = memchr(file, ' ', len - (size_t)(file - line));
	error = put(to, line, (size_t)(file - line));
	if (!error)
		error = put_name(to, name, (size_t)name_len, "\n\t= ");
	return error || !end ? error : put(to, end, len - (size_t)(end - line));
}

/* The number of the file, and that of its mount. */
static int put_fdinfo_line(struct text *to, const char *line, size_t len, const struct stat *real, uint64_t mount)
{
	char text[64];
	int n = 0;

	if (len > 4 && memcmp(line, "ino:", 4) == 0)
		n = snprintf(text, sizeof(text), "ino:\t%ju", (uintmax_t)real->st_ino);
	else if (mount && len > 7 && memcmp(line, "mnt_id:", 7) == 0)
		n = snprintf(text, sizeof(text), "mnt_id:\t%ju", (uintmax_t)mount);
	return n ? put(to, text, (size_t)n) : put(to, line, len);
}

enum kind { KIND_NONE, KIND_MAPS, KIND_NUMA, KIND_FDINFO };

static enum kind kind_of(const struct walk *walk)
{
	const char *base = strrchr(walk->path, '/');

	if (!base || !proclink_pid(walk->path, walk->path_len))
		return KIND_NONE;
	if (strcmp(base, "/maps") == 0 || strcmp(base, "/smaps") == 0)
		return KIND_MAPS;
	if (strcmp(base, "/numa_maps") == 0)
		return KIND_NUMA;
	return base - walk->path > 7 && memcmp(base - 7, "/fdinfo", 7) == 0 ? KIND_FDINFO : KIND_NONE;
}

/* Beside walk->path: its last component exchanged for NAME. */
static int open_beside(const struct walk *walk, size_t keep, const char *name, int flags)
{
	char path[PATH_MAX];

	if (keep + strlen(name) >= sizeof(path))
		return -ENAMETOOLONG;
	memcpy(path, walk->path, keep);
	strcpy(path + keep, name);
	int fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* What the descriptor of an fdinfo file refers to. False: none of ours. */
static bool find_described(struct op *op, const struct walk *walk, struct stat *ret_real, uint64_t *ret_mount)
{
	const char *base = strrchr(walk->path, '/');
	_cleanup_close_ int real = -EBADF;
	char name[32];
	struct stat memfd;
	int error;

	snprintf(name, sizeof(name), "/fd%.20s", base);
	_cleanup_close_ int object = open_beside(walk, (size_t)(base - walk->path) - 7, name, O_PATH);
	if (object < 0 || fstat(object, &memfd) < 0 || !S_ISREG(memfd.st_mode))
		return false;
	*ret_real = memfd;
	if (privates_shown(op->view->privates, ret_real))
		error = private_statfs_object(op, &memfd, &real);
	else
		error = vnodes_find(op->view->vnodes, memfd.st_dev, memfd.st_ino, &real, NULL, NULL, NULL, ret_real);
	if (error < 0)
		return false;
	*ret_mount = fd_mount(real);
	return true;
}

static int edit(struct op *op, const struct walk *walk, enum kind kind, const struct text *from, struct text *to,
		bool *changed)
{
	_cleanup_(cleanup_text) struct text maps = {0};
	const char *end = from->data + from->len, *next;
	struct stat real;
	uint64_t mount = 0;
	int error = 0;

	if (kind == KIND_FDINFO) {
		*changed = find_described(op, walk, &real, &mount);
		if (!*changed)
			return 0;
	}
	if (kind == KIND_NUMA) {
		_cleanup_close_ int fd = open_beside(walk, walk->path_len - 9, "maps", O_RDONLY);
		error = fd < 0 ? fd : read_whole(fd, &maps);
	}
	for (const char *line = from->data; line < end && !error; line = next + 1) {
		next = memchr(line, '\n', (size_t)(end - line));
		if (!next)
			return put(to, line, (size_t)(end - line));
		size_t len = (size_t)(next - line);
		if (kind == KIND_MAPS)
			error = put_maps_line(op, to, line, len, changed);
		else if (kind == KIND_NUMA)
			error = put_numa_line(op, to, &maps, line, len, changed);
		else
			error = put_fdinfo_line(to, line, len, &real, mount);
		if (!error)
			error = put(to, "\n", 1);
	}
	return error;
}

int procmaps_show(struct op *op, const struct walk *walk, int *fd)
{
	_cleanup_(cleanup_text) struct text from = {0}, to = {0};
	bool changed = false;
	enum kind kind;
	int copy, error;

	if ((!op->view->needs.crypt && !op->view->privates) || walk->stat.st_dev != op->view->proc_dev)
		return 0;
	kind = kind_of(walk);
	if (kind == KIND_NONE)
		return 0;
	bool own = op->caller->lent && proclink_is_own(op, walk->path, walk->path_len);
	if (own)
		op_own_rights(op);
	error = read_whole(*fd, &from);
	if (!error && from.len)
		error = edit(op, walk, kind, &from, &to, &changed);
	if (own)
		op_lend_rights(op);
	/* What cannot be read so is as the kernel says. */
	if (error == -EACCES || error == -EPERM || error == -ESRCH || error == -ENOENT)
		return 0;
	if (error || !changed)
		return error;
	error = memfd_show("scrim-maps", to.data, to.len, &copy);
	if (error)
		return error;
	safe_close(*fd);
	*fd = copy;
	return 0;
}

static int take_file(uint64_t dev, uint64_t ino, void *data)
{
	*(struct stat *)data = (struct stat){.st_dev = (dev_t)dev, .st_ino = (ino_t)ino, .st_mode = S_IFREG};
	return 1;
}

int procmaps_mapped(const struct walk *walk, struct stat *ret)
{
	static const char directory[] = "/map_files/";
	const char *base = strrchr(walk->path, '/');
	uint64_t from, to;
	int r;

	if (!base || base - walk->path < (ptrdiff_t)sizeof(directory) ||
	    memcmp(base + 2 - sizeof(directory), directory, sizeof(directory) - 1) != 0 ||
	    sscanf(base, "/%" SCNx64 "-%" SCNx64, &from, &to) != 2)
		return -ENOENT;
	_cleanup_close_ int maps = open_beside(walk, (size_t)(base + 3 - walk->path) - sizeof(directory), "maps", O_RDONLY);
	if (maps < 0)
		return maps;
	r = maps_each_file(maps, from, to, take_file, ret);
	return r == 1 ? 0 : r ? r : -ENOENT;
}
