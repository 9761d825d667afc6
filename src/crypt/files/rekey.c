/* SPDX-License-Identifier: Apache-2.0 */
/* Which keys open a file, and its space: changes that a store makes within itself, by commits of its own. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypt/files/internal.h"

static int open_for_writing(const struct files *files, const struct files_place *place, struct files_store *ret_store,
			    struct stat *ret_stat, struct files_head *ret_head, struct errmsg *msg)
{
	int fd, r = files_open(place, O_RDWR, &fd, ret_stat, msg);

	if (r < 0)
		return r;
	r = files_look(fd, ret_head);
	if (r == 0 && (ret_head->kind == FILES_EMPTY || ret_head->kind == FILES_ZEROS))
		errmsg_set(msg, r = -ENODATA, "%s: is empty", place->path);
	if (r < 0) {
		close(fd);
		return files_failed(msg, r, place->path, "cannot be read");
	}
	return files_store_open(files, fd, place->path, STORE_WRITE, NULL, ret_store, msg);
}

/* The mtime tells of the content, which is as it was; whoever may not set it bears another one. */
static void keep_mtime(int fd, const struct stat *st)
{
	const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, st->st_mtim};

	if (futimens(fd, times) < 0)
		return;
}

/* Commit and seal, so that both slots say the same; and all of it on the disk. */
static int finish(const struct files *files, struct files_store *store, const struct stat *st, const char *path, int r,
		  struct errmsg *msg)
{
	if (r == 0)
		r = store_commit(store->store, true);
	if (r == 0)
		r = store_seal(store->store);
	keep_mtime(store->fd, st);
	if (r == 0 && fsync(store->fd) < 0)
		r = -errno;
	if (r == 0)
		fresh_committed(files, store, path);
	files_store_close(store);
	return r < 0 ? files_failed(msg, r, path, "cannot be changed; the last version stands") : FILES_DONE;
}

static bool slot_has(const struct head *slot, const uint8_t *id)
{
	for (size_t i = 0; i < FORMAT_WRAPS; i++)
		if (slot->wraps[i].kind != WRAP_NONE && memcmp(slot->wraps[i].key_id, id, FORMAT_ID) == 0)
			return true;
	return false;
}

/* Is the file wrapped for this key in every slot (EVERY) or in any? */
static bool is_wrapped(const struct files_head *head, const uint8_t *id, bool every)
{
	bool any = false, all = true;

	for (int i = 0; i < 2; i++) {
		if (!head->present[i])
			continue;
		if (slot_has(&head->slots[i], id))
			any = true;
		else
			all = false;
	}
	return every ? any && all : any;
}

int files_rekey_add(const struct files *files, const struct files_place *place, const struct store_key *new_key,
		    struct errmsg *msg)
{
	struct files_store store;
	struct files_head head;
	struct stat st;
	int r = open_for_writing(files, place, &store, &st, &head, msg);

	if (r < 0)
		return r;
	if (is_wrapped(&head, new_key->id, true)) {
		files_store_close(&store);
		errmsg_set(msg, 0, "%s: has the new key already", place->path);
		return FILES_SKIPPED;
	}
	r = store_rekey(store.store, new_key, NULL);
	if (r == -ENOSPC)
		errmsg_set(msg, r,
			   "%s: is wrapped for four keys already; there is no place for a fifth (scrim rekey --drop ID)",
			   place->path);
	return finish(files, &store, &st, place->path, r, msg);
}

int files_rekey_drop(const struct files *files, const struct files_place *place, const uint8_t *kept,
		     const uint8_t (*ids)[FORMAT_ID], size_t count, struct errmsg *msg)
{
	struct files_store store;
	struct files_head head;
	struct stat st;
	bool any = false;
	int r = open_for_writing(files, place, &store, &st, &head, msg);

	if (r < 0)
		return r;
	if (kept && !is_wrapped(&head, kept, true)) {
		files_store_close(&store);
		return errmsg_set(msg, -ENOKEY, "%s: does not have the new key; the old one is not dropped",
				  place->path);
	}
	for (size_t i = 0; r == 0 && i < count; i++) {
		if ((kept && memcmp(ids[i], kept, FORMAT_ID) == 0) || !is_wrapped(&head, ids[i], false))
			continue;
		any = true;
		r = store_rekey(store.store, NULL, ids[i]);
	}
	if (r == -ENOKEY) {
		files_store_close(&store);
		return errmsg_set(msg, r, "%s: would have no key left", place->path);
	}
	if (!any) {
		files_store_close(&store);
		return FILES_SKIPPED;
	}
	return finish(files, &store, &st, place->path, r, msg);
}

static int make_anew(const struct files *files, int from, const struct stat *st, int to, const char *path,
		     struct errmsg *msg)
{
	struct files own = *files;
	struct files_store old, new;
	struct store_time mtime, ctime;
	struct store_info info;
	int fd = fcntl(from, F_DUPFD_CLOEXEC, 3), r;

	(void)st;
	if (fd < 0)
		return files_failed(msg, -errno, path, "cannot be opened");
	r = files_store_open(files, fd, path, STORE_READ, NULL, &old, msg);
	if (r < 0)
		return r;
	store_get_info(old.store, &info);
	own.layout = (struct store_layout){.slot_shift = info.slot_shift, .chunk_shift = info.chunk_shift};
	r = files_store_new(&own, to, path, &new, msg);
	if (r < 0) {
		files_store_close(&old);
		return r;
	}
	store_get_times(old.store, &mtime, &ctime);
	r = copy_store(files, old.store, new.store);
	if (r == 0)
		r = store_set_times(new.store, &mtime, &ctime);
	files_store_close(&old);
	if (r < 0) {
		files_store_close(&new);
		return files_failed(msg, r, path, "cannot be encrypted anew; it is as it was");
	}
	return files_store_finish(&new, path, msg);
}

int files_rekey_full(const struct files *files, const struct files_place *place, struct files_sizes *ret_sizes,
		     struct errmsg *msg)
{
	_cleanup_close_ int fd = -EBADF;
	struct files_head head;
	int r = files_open(place, O_RDONLY, &fd, NULL, msg);

	if (r < 0)
		return r;
	r = files_look(fd, &head);
	if (r == 0 && (head.kind == FILES_PLAIN || head.kind == FILES_EMPTY || head.kind == FILES_ZEROS))
		return errmsg_set(msg, -ENODATA, "%s: is not an encrypted file", place->path);
	if (r < 0)
		return files_failed(msg, r, place->path, "cannot be read");
	return files_replace(files, place, fd, make_anew, ret_sizes, msg);
}

static uint64_t on_disk(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 ? (uint64_t)st.st_blocks * 512 : 0;
}

int files_compact(const struct files *files, const struct files_place *place, struct files_sizes *ret_sizes,
		  struct errmsg *msg)
{
	struct store_io io;
	struct files counted = files_counted(files, COUNTED_WRITES, &io);
	struct files_sizes sizes;
	struct files_store store;
	struct files_head head;
	struct store_info info;
	struct stat st;
	int fd, r = open_for_writing(&counted, place, &store, &st, &head, msg);

	if (r < 0)
		return r;
	/* What stands behind the place that the used pages need moves into as many free ones before it: so many at
	 * most. */
	store_get_info(store.store, &info);
	if (info.spare_damaged) {
		/* Both slots are to be written. */
		struct store_time mtime, ctime;

		store_get_times(store.store, &mtime, &ctime);
		r = store_set_times(store.store, &mtime, &ctime);
	}
	store.expected = (info.free_pages < info.used_pages ? info.free_pages : info.used_pages) << FORMAT_PAGE_SHIFT;
	sizes.before = on_disk(store.fd);
	if (r == 0)
		r = store_commit(store.store, true); /* makes durable what stands */
	if (r == 0)
		r = store_compact(store.store);
	if (r == -EBUSY || r == -ECANCELED) {
		keep_mtime(store.fd, &st);
		files_store_close(&store);
		return errmsg_set(msg, r, r == -EBUSY ? "%s: is being copied (scrim cp --raw)" :
					  "%s: interrupted; its content is as it was", place->path);
	}
	fd = fcntl(store.fd, F_DUPFD_CLOEXEC, 3);
	r = finish(files, &store, &st, place->path, r, msg);
	sizes.after = on_disk(fd);
	safe_close(fd);
	if (r == 0 && ret_sizes)
		*ret_sizes = sizes;
	return r;
}
