/* SPDX-License-Identifier: Apache-2.0 */
/* What of an encrypted file is whole, and saving that. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypt/files/internal.h"
#include "crypt/files/replace.h"

struct checking {
	files_found found;
	void *data;
	/* For salvage: what was found, in order and joined. */
	struct range {
		uint64_t begin, end;
	} *ranges;
	size_t count, room;
	int error;
};

static void pass_on(void *data, const struct store_damage *d)
{
	struct checking *c = data;
	struct files_damage damage = {
		.what = d->level ? "node" : "chunk",
		.offset = d->offset,
		.len = d->len,
		.place = d->page << FORMAT_PAGE_SHIFT,
	};

	c->found(c->data, &damage);
}

/* The file will be read TIMES times. */
static void expect(struct files_store *store, unsigned times)
{
	if (store->env.io->size(&store->fd, &store->expected) < 0)
		store->expected = 0;
	store->expected *= times;
}

int64_t files_verify(const struct files *files, int fd, const char *path, files_found found, void *data,
		     struct errmsg *msg)
{
	struct checking c = {.found = found, .data = data};
	struct store_io io;
	struct files counted = files_counted(files, COUNTED_READS, &io);
	struct files_store store;
	struct store_info info;
	int64_t n = files_store_open(&counted, fd, path, STORE_READ, NULL, &store, msg);

	if (n < 0)
		return n;
	expect(&store, 1);
	store_get_info(store.store, &info);
	n = store_verify(store.store, pass_on, &c);
	if (n >= 0 && info.spare_damaged) {
		/* Not sealed: a seal that was damaged, one that a power loss tore, or a version that nobody will see
		 * again. */
		struct files_damage damage = {
			.what = "slot",
			.place = info.newest_slot ? 0 : UINT64_C(1) << info.slot_shift,
			.uncertain = !info.sealed,
		};

		found(data, &damage);
		n++;
	}
	files_store_close(&store);
	if (n == -ECANCELED)
		return errmsg_set(msg, (int)n, "%s: interrupted", path);
	return n < 0 ? files_failed(msg, (int)n, path, "cannot be read") : n;
}

static void collect(void *data, const struct store_damage *d)
{
	struct checking *c = data;
	uint64_t end = d->len > UINT64_MAX - d->offset ? UINT64_MAX : d->offset + d->len;

	if (c->count > 0 && d->offset <= c->ranges[c->count - 1].end) {
		if (end > c->ranges[c->count - 1].end)
			c->ranges[c->count - 1].end = end;
		return;
	}
	if (c->count == c->room) {
		size_t room = c->room ? 2 * c->room : 64;
		struct range *ranges = reallocarray(c->ranges, room, sizeof(*ranges));

		if (!ranges) {
			c->error = -ENOMEM;
			return;
		}
		c->ranges = ranges;
		c->room = room;
	}
	c->ranges[c->count++] = (struct range){d->offset, end};
}

/* All data between damage. */
static int copy_whole(const struct files *files, struct store *from, const struct checking *c, int to,
		      uint64_t *ret_lost)
{
	struct files silent = *files; /* reading is what counts */
	uint64_t size = store_size(from), at = 0, lost = 0;
	size_t next = 0;

	silent.progress = NULL;
	while (at < size) {
		uint64_t limit, begin, end;
		int r;

		while (next < c->count && c->ranges[next].end <= at)
			next++;
		if (next < c->count && c->ranges[next].begin <= at) {
			end = c->ranges[next].end < size ? c->ranges[next].end : size;
			lost += end - at;
			at = end;
			continue;
		}
		limit = next < c->count && c->ranges[next].begin < size ? c->ranges[next].begin : size;
		/* An error: there is nothing up to the node that is damaged. */
		if (store_seek_data(from, at, &begin) < 0 || begin >= limit) {
			at = limit;
			continue;
		}
		if (store_seek_hole(from, begin, &end) < 0 || end > limit)
			end = limit;
		r = copy_store_range(&silent, from, begin, end, to);
		if (r < 0)
			return r;
		at = end;
	}
	*ret_lost = lost;
	return ftruncate(to, (off_t)size) < 0 ? -errno : 0;
}

static int salvage(const struct files *files, struct files_store *store, const char *path,
		   const struct files_place *out,
		   struct checking *c, struct files_saved *ret_saved, struct errmsg *msg)
{
	struct files_saved saved = {.size = store_size(store->store)};
	struct replacement new = {.fd = -1};
	struct store_info info;
	struct stat st;
	int64_t n;
	int r;

	store_get_info(store->store, &info);
	if (info.is_new)
		return errmsg_set(msg, -EBADMSG, "%s: holds no version: it was never written whole", path);
	n = store_verify(store->store, collect, c);
	if (n == -ECANCELED)
		return errmsg_set(msg, (int)n, "%s: interrupted", path);
	if (n < 0 || c->error < 0)
		return files_failed(msg, n < 0 ? (int)n : c->error, path, "cannot be read");
	if (fstat(store->fd, &st) < 0)
		return files_failed(msg, -errno, path, "cannot be looked at");
	r = replacement_begin(out, &new, msg);
	if (r < 0)
		return r;
	r = copy_whole(files, store->store, c, new.fd, &saved.lost);
	if (r < 0)
		files_failed(msg, r, path, "cannot be saved");
	if (r == 0)
		r = attributes_copy(files, false, store->fd, &st, new.fd, out->path, msg);
	if (r == 0)
		r = replacement_sync(&new, msg);
	if (r == 0)
		r = replacement_finish(&new, files->force, msg);
	replacement_cancel(&new);
	if (r == 0)
		*ret_saved = saved;
	return r;
}

int files_salvage(const struct files *files, int fd, const char *path, const struct files_place *out, files_found found,
		  void *data, struct files_saved *ret_saved, struct errmsg *msg)
{
	struct store_io io;
	struct files counted = files_counted(files, COUNTED_READS, &io);
	struct checking c = {0};
	struct files_store store;
	struct stat st;
	uint64_t size;
	int r;

	if (!files->force && fstatat(out->dir, out->name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		close(fd);
		return errmsg_set(msg, -EEXIST, "%s: exists; --force replaces it", out->path);
	}
	r = files_store_open(&counted, fd, path, STORE_SALVAGE, NULL, &store, msg);
	if (r < 0)
		return r;
	expect(&store, 2);
	size = store_size(store.store);
	r = salvage(files, &store, path, out, &c, ret_saved, msg);
	files_store_close(&store);
	for (size_t i = 0; r == 0 && i < c.count; i++) {
		uint64_t end = c.ranges[i].end < size ? c.ranges[i].end : size;

		if (c.ranges[i].begin < end)
			found(data, &(struct files_damage){.what = "hole",
							   .offset = c.ranges[i].begin,
							   .len = end - c.ranges[i].begin});
	}
	free(c.ranges);
	return r;
}
