/* SPDX-License-Identifier: Apache-2.0 */
/* What a file is, and how every encrypted file is opened. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypt/files/internal.h"
#include "crypt/store/lock.h"

int files_failed(struct errmsg *msg, int error, const char *path, const char *text)
{
	return errmsg_set(msg, error, "%s: %s: %s", path, text, strerror(-error));
}

void files_note(const struct files *files, const char *path, const char *text)
{
	if (files->note)
		files->note(files->data, path, text);
}

int files_progress(const struct files *files, uint64_t done, uint64_t total)
{
	return files->progress ? files->progress(files->data, done, total) : 0;
}

/* Is it a head but for its mark: bytes 8 to 15 as this version writes them, and most of the mark? */
static bool is_spoiled(const uint8_t *bytes)
{
	static const uint8_t fields[] = {FORMAT_VERSION, 0, FORMAT_XAES_256_GCM, 0};
	unsigned same = 0;

	for (size_t i = 0; i < FORMAT_MAGIC_SIZE; i++)
		same += bytes[i] == (uint8_t)FORMAT_MAGIC[i];
	return same >= FORMAT_MAGIC_SIZE / 2 &&
	       (same == FORMAT_MAGIC_SIZE || memcmp(bytes + 8, fields, sizeof(fields)) == 0);
}

static void add_ids(struct files_head *h, const struct head *slot)
{
	for (size_t i = 0; i < FORMAT_WRAPS; i++) {
		const struct wrap *w = &slot->wraps[i];
		bool known = w->kind == WRAP_NONE;

		for (size_t k = 0; k < h->id_count; k++)
			known |= memcmp(h->ids[k], w->key_id, FORMAT_ID) == 0;
		if (!known)
			memcpy(h->ids[h->id_count++], w->key_id, FORMAT_ID);
	}
}

/* Nothing but zeros, in a file of SIZE bytes that holds at most two slots. */
static bool is_zeros(int fd, off_t size)
{
	uint8_t bytes[1024];

	if (size == 0 || size > 2 * 8192)
		return false;
	for (uint64_t at = 0; at < (uint64_t)size; at += sizeof(bytes)) {
		if (store_read_zeroed(&store_io_file, &fd, bytes, sizeof(bytes), at) < 0)
			return false;
		for (size_t i = 0; i < sizeof(bytes); i++)
			if (bytes[i])
				return false;
	}
	return true;
}

int files_look(int fd, struct files_head *ret_head)
{
	struct files_head h = {.kind = FILES_PLAIN};
	bool spoiled = false;
	struct stat st;
	int later = 0;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size == 0)
		h.kind = FILES_EMPTY;
	/* The second slot follows the first, which may be damaged: both sizes are tried. */
	for (size_t i = 0; i < 3; i++) {
		static const uint64_t places[] = {0, 4096, 8192};
		uint8_t bytes[FORMAT_HEAD];
		struct head head;
		int which = i > 0, r = store_read_zeroed(&store_io_file, &fd, bytes, sizeof(bytes), places[i]);

		if (r < 0)
			return r;
		spoiled |= is_spoiled(bytes);
		r = head_decode(bytes, &head);
		if (r == -EPROTONOSUPPORT)
			later = r;
		if (r < 0 || h.present[which] || (which && (UINT64_C(1) << head.slot_shift) != places[i]))
			continue;
		h.present[which] = true;
		h.slots[which] = head;
		add_ids(&h, &head);
	}
	if (h.present[0] || h.present[1])
		h.kind = FILES_ENCRYPTED;
	else if (later)
		return later;
	else if (spoiled)
		h.kind = FILES_SPOILED;
	else if (is_zeros(fd, st.st_size))
		h.kind = FILES_ZEROS;
	*ret_head = h;
	return 0;
}

int files_open(const struct files_place *place, int flags, int *ret_fd, struct stat *ret_stat, struct errmsg *msg)
{
	static const struct {
		mode_t type;
		const char *text;
	} types[] = {
		{S_IFLNK, "a symbolic link"},
		{S_IFDIR, "a directory (-r takes what is in it)"},
		{S_IFIFO, "a FIFO"},
		{S_IFSOCK, "a socket"},
		{S_IFBLK, "a block device"},
		{S_IFCHR, "a character device"},
	};
	_cleanup_close_ int fd = -EBADF;
	struct stat st;

	/* Looked at before it is opened: opening a device may do something. */
	if (fstatat(place->dir, place->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return files_failed(msg, -errno, place->path, "cannot be looked at");
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if ((st.st_mode & S_IFMT) == types[i].type)
			return errmsg_set(msg, -EINVAL, "%s: is %s, no regular file", place->path, types[i].text);
	flags |= O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	/* So that reading leaves no trace; only the owner may ask for it. */
	fd = openat(place->dir, place->name, flags | O_NOATIME);
	if (fd < 0 && errno == EPERM)
		fd = openat(place->dir, place->name, flags);
	if (fd < 0)
		return files_failed(msg, -errno, place->path, "cannot be opened");
	if (ret_stat) {
		if (fstat(fd, &st) < 0)
			return files_failed(msg, -errno, place->path, "cannot be looked at");
		if (!S_ISREG(st.st_mode))
			return errmsg_set(msg, -EINVAL, "%s: is no regular file", place->path);
		*ret_stat = st;
	}
	*ret_fd = steal_fd(&fd);
	return 0;
}

static int lock(int fd, const char *path, bool write, struct errmsg *msg)
{
	struct process_name holder;
	int r = store_lock_patiently(fd, write, &holder);

	if (r == -EBUSY && holder.pid)
		return errmsg_set(msg, r, "%s: is in use by %s (%d)", path, holder.command, (int)holder.pid);
	if (r == -EBUSY)
		return errmsg_set(msg, r, "%s: is in use by another process", path);
	/* A file system without locks: what others do is noticed at the commit. */
	if (r == -ENOLCK || r == -EOPNOTSUPP || r == -ENOSYS)
		return 0;
	return r < 0 ? files_failed(msg, r, path, "cannot be locked") : 0;
}

static int open_failed(struct errmsg *msg, int error, const char *path)
{
	static const struct {
		int error;
		const char *text;
	} texts[] = {
		{-EBADMSG,
		 "is damaged: neither of its two slots authenticates (scrim verify and scrim salvage say more)"},
		{-ENODATA, "is not an encrypted file"},
		{-EPROTONOSUPPORT, "is of a later version of the format than this scrim knows"},
		{-ENOKEY, "none of the keys opens it, though one has the right id"},
	};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (error == texts[i].error)
			return errmsg_set(msg, error, "%s: %s", path, texts[i].text);
	return files_failed(msg, error, path, "cannot be opened");
}

/* The keys that the file's wraps ask for. */
static int find_keys(const struct files *files, int fd, const char *path, bool is_new, struct store_env *env,
		     struct errmsg *msg)
{
	struct files_head head = {0};
	struct errmsg why = {0};
	int r = is_new ? 0 : files_look(fd, &head);

	if (r < 0)
		return open_failed(msg, r, path);
	if (!is_new && head.kind == FILES_SPOILED)
		return errmsg_set(msg, -EBADMSG, "%s: is damaged: the head of an encrypted file without its mark",
				  path);
	if (!is_new && head.kind == FILES_PLAIN)
		return open_failed(msg, -ENODATA, path);
	if (!is_new && (head.kind == FILES_EMPTY || head.kind == FILES_ZEROS))
		return 0;
	r = files->keys(files->data, head.ids, head.id_count, &env->keys, &env->key_count, &why);
	if (r < 0)
		return errmsg_set(msg, r, "%s: %s", path, why.text[0] ? why.text : strerror(-r));
	return 0;
}

int files_store_open(const struct files *files, int fd, const char *path, enum store_mode mode,
		     const struct store_layout *layout, struct files_store *ret_store, struct errmsg *msg)
{
	_cleanup_close_ int owned = fd;
	struct store_info info;
	int r = layout ? 0 : lock(fd, path, mode == STORE_WRITE, msg);

	*ret_store = (struct files_store){
		.files = files,
		.fd = fd,
		.env = {.io = files->io ? files->io : &store_io_file,
			.handle = &ret_store->fd,
			.provider = files->provider,
			.crew = files->crew},
	};
	if (r == 0)
		r = find_keys(files, fd, path, layout, &ret_store->env, msg);
	if (r == 0) {
		r = store_open(&ret_store->env, mode, layout, &ret_store->store);
		if (r < 0)
			open_failed(msg, r, path);
	}
	if (r == 0 && !layout)
		r = fresh_check(files, ret_store, path, msg);
	if (r < 0) {
		store_free(TAKE_PTR(ret_store->store));
		ret_store->fd = -EBADF;
		return r;
	}
	store_get_info(ret_store->store, &info);
	if (info.fell_back)
		files_note(files, path, "its newest version was not whole; the one before it stands");
	else if (info.spare_damaged && !info.sealed)
		files_note(files, path,
			   "one of its slots does not authenticate; the version in the other stands (scrim verify)");
	steal_fd(&owned);
	return 0;
}

void files_store_close(struct files_store *s)
{
	store_free(TAKE_PTR(s->store));
	s->fd = safe_close(s->fd);
}
