/* SPDX-License-Identifier: Apache-2.0 */
/* Is a file older than it was when it was last written here? The record is crypt/freshness.h; this says of which
 * path. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypt/files/internal.h"
#include "crypt/files/replace.h"

/* The path of what is behind FD, as the kernel has it. -ENOENT: it has none, or a temporary one. */
static int path_of(int fd, char path[PATH_MAX])
{
	char link[32];
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_nlink == 0)
		return -ENOENT;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, PATH_MAX - 1);
	if (n < 0)
		return -errno;
	path[n] = '\0';
	return path[0] == '/' && !replacement_is_name(strrchr(path, '/') + 1) ? 0 : -ENOENT;
}

static struct freshness_version version_of(struct store *s)
{
	struct freshness_version v;
	struct store_info info;

	store_get_info(s, &info);
	v.sequence = info.sequence;
	memcpy(v.file_id, info.file_id, sizeof(v.file_id));
	memcpy(v.tag, info.root_tag, sizeof(v.tag));
	return v;
}

int fresh_check(const struct files *files, const struct files_store *store, const char *path, struct errmsg *msg)
{
	static const char *const texts[] = {
		[FRESH_OLDER] = "is an older version than was last written here",
		[FRESH_OTHER] = "is another version than was last written here",
		[FRESH_EARLIER] = "is an earlier file than was last written here",
	};
	struct freshness_version v = version_of(store->store);
	enum freshness found = FRESH_UNKNOWN;
	char own[PATH_MAX];
	int r;

	if (!files->fresh || !files->fresh->directory || files->fresh->accept || path_of(store->fd, own) < 0)
		return 0;
	r = freshness_check(files->fresh->directory, own, &v, &found, NULL);
	if (r < 0 && files->fresh->strict)
		return files_failed(msg, r, path, "the record of its freshness cannot be read");
	if (r < 0 || found == FRESH_UNKNOWN || found == FRESH_GOOD)
		return 0;
	if (files->fresh->strict)
		return errmsg_set(msg, -ESTALE, "%s: %s: refused (scrim accept takes it as it is)", path, texts[found]);
	snprintf(own, sizeof(own), "%s: somebody may have put it back (scrim accept takes it as it is)", texts[found]);
	files_note(files, path, own);
	return 0;
}

/* That it cannot be recorded is no failure of what was done. */
static int record(const struct files *files, const char *own, const char *path, const struct freshness_version *v)
{
	int r = freshness_record(files->fresh->directory, own, v, files->fresh->accept);
	char text[256];

	if (r < 0 && !files->fresh->said && !files->fresh->accept) {
		files->fresh->said = true;
		snprintf(text, sizeof(text), "its freshness cannot be recorded in %.100s: %s", files->fresh->directory,
			 strerror(-r));
		files_note(files, path, text);
	}
	return r;
}

void fresh_begin(const struct files *files)
{
	if (files->fresh)
		files->fresh->made = false;
}

void fresh_committed(const struct files *files, const struct files_store *store, const char *path)
{
	char own[PATH_MAX];

	if (!files->fresh || !files->fresh->directory)
		return;
	files->fresh->version = version_of(store->store);
	/* What has no name yet is recorded when it has. */
	files->fresh->made = path_of(store->fd, own) < 0;
	if (!files->fresh->made)
		record(files, own, path, &files->fresh->version);
}

void fresh_named(const struct files *files, const struct files_place *place)
{
	char own[2 * PATH_MAX];

	if (!files->fresh || !files->fresh->made)
		return;
	files->fresh->made = false;
	if (path_of(place->dir, own) < 0)
		return;
	snprintf(own + strlen(own), PATH_MAX, "%s%s", strcmp(own, "/") == 0 ? "" : "/", place->name);
	record(files, own, place->path, &files->fresh->version);
}

int files_accept(const struct files *files, const struct files_place *place, struct errmsg *msg)
{
	struct files_store store;
	struct freshness_version v;
	char own[PATH_MAX];
	int fd, r = files_open(place, O_RDONLY, &fd, NULL, msg);

	if (r < 0)
		return r;
	if (!files->fresh || !files->fresh->directory) {
		close(fd);
		return errmsg_set(msg, -ENOENT, "%s: there is no place for the record", place->path);
	}
	files->fresh->accept = true;
	r = files_store_open(files, fd, place->path, STORE_READ, NULL, &store, msg);
	if (r < 0)
		return r;
	v = version_of(store.store);
	r = path_of(store.fd, own);
	if (r == 0 && v.sequence > 0)
		r = record(files, own, place->path, &v);
	files_store_close(&store);
	return r < 0 ? files_failed(msg, r, place->path, "cannot be recorded") : FILES_DONE;
}
