/* SPDX-License-Identifier: Apache-2.0 */
/* Plain to encrypted and back. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypt/files/internal.h"
#include "crypt/files/replace.h"
#include "crypt/keys/key_file.h"
#include "crypt/secret.h"

int files_store_new(const struct files *files, int to, const char *path, struct files_store *ret_store,
		    struct errmsg *msg)
{
	struct store_layout layout = files->layout;
	int fd = fcntl(to, F_DUPFD_CLOEXEC, 3);

	if (fd < 0)
		return files_failed(msg, -errno, path, "cannot be encrypted");
	layout.just_made = true;
	fresh_begin(files);
	return files_store_open(files, fd, path, STORE_WRITE, &layout, ret_store, msg);
}

int files_store_finish(struct files_store *store, const char *path, struct errmsg *msg)
{
	int r = store_commit(store->store, true);

	if (r == 0)
		fresh_committed(store->files, store, path);
	if (r == 0)
		r = store_seal(store->store);
	files_store_close(store);
	return r < 0 ? files_failed(msg, r, path, "cannot be written") : 0;
}

static struct store_time to_store_time(const struct timespec *t)
{
	return (struct store_time){.sec = t->tv_sec, .nsec = (uint32_t)t->tv_nsec};
}

static int content_failed(struct errmsg *msg, int error, const char *path)
{
	if (error == -EBADMSG)
		return errmsg_set(msg, error, "%s: is damaged (scrim verify says where, scrim salvage saves the rest); "
				  "it is as it was", path);
	if (error == -ESTALE)
		return errmsg_set(msg, error, "%s: was changed meanwhile; it stays as it is now", path);
	if (error == -ECANCELED)
		return errmsg_set(msg, error, "%s: interrupted; it is as it was", path);
	return files_failed(msg, error, path, "its content cannot be converted; it is as it was");
}

int files_fill_store(const struct files *files, int from, const struct stat *st, int to, const char *path,
		     struct errmsg *msg)
{
	struct store_time mtime = to_store_time(&st->st_mtim), ctime = to_store_time(&st->st_ctim);
	struct files_store store;
	uint64_t size;
	int r = files_store_new(files, to, path, &store, msg);

	if (r < 0)
		return r;
	r = copy_into_store(files, from, store.store, &size);
	/* Also what makes an empty file one that has something to commit. */
	if (r == 0)
		r = store_set_times(store.store, &mtime, &ctime);
	if (r < 0) {
		files_store_close(&store);
		return content_failed(msg, r, path);
	}
	return files_store_finish(&store, path, msg);
}

/* The content of the store behind FROM, which stays open, into the empty file TO. */
static int fill_plain(const struct files *files, int from, int to, const char *path, struct errmsg *msg)
{
	struct files_store store;
	int fd = fcntl(from, F_DUPFD_CLOEXEC, 3), r;

	if (fd < 0)
		return files_failed(msg, -errno, path, "cannot be decrypted");
	r = files_store_open(files, fd, path, STORE_READ, NULL, &store, msg);
	if (r < 0)
		return r;
	r = copy_from_store(files, store.store, to);
	files_store_close(&store);
	return r < 0 ? content_failed(msg, r, path) : 0;
}

static int fill(const struct files *files, enum files_direction direction, int from, const struct stat *st, int to,
		const char *path, struct errmsg *msg)
{
	return direction == FILES_ENCRYPT ? files_fill_store(files, from, st, to, path, msg) :
					    fill_plain(files, from, to, path, msg);
}

/* A key file that is encrypted with itself opens nothing any more. */
static bool is_key_file(int fd)
{
	char text[512];
	ssize_t n = pread(fd, text, sizeof(text), 0);
	bool is = n > 0 && key_file_is_meant(text, (size_t)n);

	secret_wipe(text, sizeof(text));
	return is;
}

/* Is it such a file? FILES_DONE: yes; FILES_SKIPPED: there is nothing to do. */
static int judge(const struct files *files, enum files_direction direction, int fd, const char *path,
		 struct errmsg *msg)
{
	struct files_head head;
	int r = files_look(fd, &head);

	if (r == -EPROTONOSUPPORT)
		return errmsg_set(msg, r, "%s: is encrypted, in a later version of the format than this scrim knows",
				  path);
	if (r < 0)
		return files_failed(msg, r, path, "cannot be read");
	if (direction == FILES_ENCRYPT) {
		if (head.kind == FILES_ENCRYPTED) {
			errmsg_set(msg, 0, "%s: is encrypted already", path);
			return FILES_SKIPPED;
		}
		if (head.kind == FILES_SPOILED && !files->force)
			return errmsg_set(msg, -EBADMSG,
					  "%s: looks like a damaged encrypted file; --force encrypts it as it is",
					  path);
		if (!files->force && is_key_file(fd))
			return errmsg_set(msg, -EPERM,
					  "%s: is a key file; --force encrypts it, and then it opens nothing", path);
		return FILES_DONE;
	}
	switch (head.kind) {
	case FILES_EMPTY:
		errmsg_set(msg, 0, "%s: is empty, there is nothing to decrypt", path);
		return FILES_SKIPPED;
	case FILES_ZEROS:
		errmsg_set(msg, 0, "%s: holds zeros alone, there is nothing to decrypt", path);
		return FILES_SKIPPED;
	case FILES_PLAIN:
		return errmsg_set(msg, -ENODATA, "%s: is not an encrypted file", path);
	default:
		return FILES_DONE; /* a spoiled one is named when it is opened */
	}
}

static uint64_t size_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 ? (uint64_t)st.st_size : 0;
}

/* The file behind FD, watched, is replaced by one that FILL makes of it. */
static int replace(const struct files *files, const struct files_place *place, struct watch *watch, files_filler make,
		   struct files_sizes *ret_sizes, struct errmsg *msg)
{
	struct replacement new = {.fd = -1};
	int r = replacement_begin(place, &new, msg);

	if (r < 0)
		return r;
	r = inode_flags_copy(files, !files->force, watch->fd, new.fd, place->path, msg);
	if (r == 0)
		r = make(files, watch->fd, &watch->before, new.fd, place->path, msg);
	if (r == 0)
		r = attributes_copy(files, !files->force, watch->fd, &watch->before, new.fd, place->path, msg);
	if (r == 0)
		r = replacement_sync(&new, msg);
	if (r == 0)
		r = watch_check(watch, place, place->path, msg);
	if (r == 0 && ret_sizes)
		*ret_sizes = (struct files_sizes){.before = (uint64_t)watch->before.st_size, .after = size_of(new.fd)};
	if (r == 0)
		r = replacement_finish(&new, true, msg);
	if (r == 0)
		fresh_named(files, place);
	replacement_cancel(&new);
	return r;
}

static int make_store(const struct files *files, int from, const struct stat *st, int to, const char *path,
		      struct errmsg *msg)
{
	return fill(files, FILES_ENCRYPT, from, st, to, path, msg);
}

static int make_plain(const struct files *files, int from, const struct stat *st, int to, const char *path,
		      struct errmsg *msg)
{
	return fill(files, FILES_DECRYPT, from, st, to, path, msg);
}

int files_replace(const struct files *files, const struct files_place *place, int fd, files_filler make,
		  struct files_sizes *ret_sizes, struct errmsg *msg)
{
	struct watch watch;
	int r = watch_begin(files, fd, place->path, &watch, msg);

	if (r < 0)
		return r;
	if (watch.before.st_nlink > 1 && !files->force)
		r = errmsg_set(msg, -EMLINK, "%s: has %ju names (hard links), of which the others would keep the old "
			       "content; --force goes on", place->path, (uintmax_t)watch.before.st_nlink);
	if (r == 0)
		r = replace(files, place, &watch, make, ret_sizes, msg);
	watch_end(&watch);
	return r;
}

int files_convert(const struct files *files, enum files_direction direction, const struct files_place *place,
		  struct files_sizes *ret_sizes, struct errmsg *msg)
{
	_cleanup_close_ int fd = -EBADF;
	struct stat st;
	int r = files_open(place, O_RDONLY, &fd, &st, msg);

	if (r == 0)
		r = judge(files, direction, fd, place->path, msg);
	if (r != FILES_DONE)
		return r;
	return files_replace(files, place, fd, direction == FILES_ENCRYPT ? make_store : make_plain, ret_sizes, msg);
}

/* FD, or where it cannot be read anywhere a file with what it gives (not needed for encrypting). */
static int make_seekable(const struct files *files, enum files_direction direction, int *fd, const char *path,
			 bool *ret_is_file, struct errmsg *msg)
{
	struct stat st;
	int spool, r;

	if (fstat(*fd, &st) < 0)
		return files_failed(msg, -errno, path, "cannot be looked at");
	if (S_ISDIR(st.st_mode))
		return errmsg_set(msg, -EISDIR, "%s: is a directory", path);
	*ret_is_file = S_ISREG(st.st_mode);
	if (*ret_is_file || direction == FILES_ENCRYPT)
		return 0;
	r = spool_pipe(files, *fd, &spool);
	if (r < 0)
		return files_failed(msg, r, path, "cannot be read");
	close(*fd);
	*fd = spool;
	return 0;
}

int files_convert_to(const struct files *files, enum files_direction direction, int fd, const char *path,
		     const struct files_place *out, struct files_sizes *ret_sizes, struct errmsg *msg)
{
	struct files quiet = *files;
	_cleanup_close_ int from = fd;
	struct replacement new = {.fd = -1};
	struct watch watch = {.fd = -1};
	struct stat st;
	bool is_file;
	int r = make_seekable(files, direction, &from, path, &is_file, msg);

	if (r == 0 && !files->force && fstatat(out->dir, out->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		r = errmsg_set(msg, -EEXIST, "%s: exists; --force replaces it", out->path);
	if (r == 0 && (is_file || direction == FILES_DECRYPT))
		r = judge(files, direction, from, path, msg);
	if (r == FILES_SKIPPED && direction == FILES_DECRYPT)
		r = FILES_DONE; /* no byte: an empty file in either form */
	quiet.force = true; /* the file is only read: who else has it does not matter unless it changes */
	if (r == FILES_DONE)
		r = watch_begin(&quiet, from, path, &watch, msg);
	if (r == FILES_DONE)
		r = replacement_begin(out, &new, msg);
	if (r != FILES_DONE)
		return r;
	r = fill(files, direction, from, &watch.before, new.fd, path, msg);
	if (r == 0 && is_file)
		r = attributes_copy(files, false, from, &watch.before, new.fd, out->path, msg);
	if (r == 0)
		r = replacement_sync(&new, msg);
	if (r == 0 && is_file)
		r = watch_check(&watch, NULL, path, msg);
	if (r == 0 && ret_sizes)
		*ret_sizes = (struct files_sizes){.before = (uint64_t)watch.before.st_size, .after = size_of(new.fd)};
	if (r == 0)
		r = replacement_finish(&new, files->force, msg);
	if (r == 0)
		fresh_named(files, out);
	replacement_cancel(&new);
	return r;
}

static int encrypt_into(const struct files *files, int from, const char *path, files_sink sink, void *data,
			struct errmsg *msg)
{
	_cleanup_close_ int spool = -EBADF;
	struct stat st;
	int r = fstat(from, &st) < 0 ? -errno : spool_open(&spool);

	if (r < 0)
		return files_failed(msg, r, path, "there is no place for its encrypted form");
	r = files_fill_store(files, from, &st, spool, path, msg);
	if (r < 0)
		return r;
	r = copy_file_into(files, spool, sink, data);
	return r < 0 ? files_failed(msg, r, path, "cannot be written out") : 0;
}

static int decrypt_into(const struct files *files, int from, const char *path, files_sink sink, void *data,
			struct errmsg *msg)
{
	struct files_store store;
	int r = files_store_open(files, from, path, STORE_READ, NULL, &store, msg);

	if (r < 0)
		return r;
	r = copy_store_into(files, store.store, sink, data);
	files_store_close(&store);
	if (r == -EBADMSG)
		return errmsg_set(msg, r, "%s: is damaged; what was written out ends before the damage", path);
	return r < 0 ? files_failed(msg, r, path, "cannot be written out") : 0;
}

int files_convert_into(const struct files *files, enum files_direction direction, int fd, const char *path,
		       files_sink sink, void *sink_data, struct errmsg *msg)
{
	_cleanup_close_ int from = fd;
	bool is_file;
	int r = make_seekable(files, direction, &from, path, &is_file, msg);

	if (r == 0 && direction == FILES_ENCRYPT && is_file) {
		r = judge(files, direction, from, path, msg);
		if (r == FILES_SKIPPED)
			r = -EINVAL;
	}
	if (r < 0)
		return r;
	return direction == FILES_ENCRYPT ? encrypt_into(files, from, path, sink, sink_data, msg) :
					    decrypt_into(files, steal_fd(&from), path, sink, sink_data, msg);
}
