/* SPDX-License-Identifier: Apache-2.0 */
/* Files under a crypt rule that are not encrypted: plain= says what becomes of them. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "crypt/files/files.h"
#include "vfs/overlay/memfd.h"
#include "vfs/vnode/internal.h"

static int give_key(void *data, const uint8_t (*ids)[FORMAT_ID], size_t count, const struct store_key **ret_keys,
		    size_t *ret_count, struct errmsg *msg)
{
	(void)ids;
	(void)count;
	(void)msg;
	*ret_keys = data;
	*ret_count = 1;
	return 0;
}

/* The directory that PATH was found in; no link may have come into it since. */
static int open_parent(const struct vnode_place *place, const char **ret_name, int *ret_fd)
{
	struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS};
	char path[PATH_MAX];
	const char *slash = memrchr(place->path, '/', place->path_len);
	size_t len = slash ? (size_t)(slash - place->path) : 0;
	int fd;

	if (!slash || len >= sizeof(path))
		return -ENOENT;
	memcpy(path, place->path, len);
	path[len] = '\0';
	fd = (int)syscall(SYS_openat2, AT_FDCWD, len ? path : "/", &how, sizeof(how));
	if (fd < 0)
		return -errno;
	*ret_name = slash + 1;
	*ret_fd = fd;
	return 0;
}

/* Encrypt it where it stands. It is another inode then, which RET_STAT describes. */
static int adopt(struct vnodes *all, const struct vnode_place *place, int *ret_object, struct stat *ret_stat)
{
	_cleanup_close_ int parent = -EBADF, object = -EBADF, dir = -EBADF;
	char name[NAME_MAX + 1], path[PATH_MAX];
	const struct vnode_key *key;
	struct files files = {.keys = give_key, .crew = NULL};
	struct files_place where = {.name = name, .path = path};
	struct errmsg msg = {0};
	const char *last;
	int error = real_key(all, place->rule, &key);

	if (error == 0)
		error = open_parent(place, &last, &parent);
	if (error < 0)
		return error;
	if (place->path_len >= sizeof(path) || (size_t)(place->path + place->path_len - last) >= sizeof(name))
		return -ENAMETOOLONG;
	memcpy(path, place->path, place->path_len);
	path[place->path_len] = '\0';
	memcpy(name, path + (last - place->path), place->path_len - (size_t)(last - place->path) + 1);
	error = memfd_reopen(parent, O_RDONLY | O_DIRECTORY, &dir);
	if (error < 0)
		return error;
	if (fstatat(dir, name, ret_stat, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (ret_stat->st_ino != place->real->st_ino || ret_stat->st_dev != place->real->st_dev)
		return -ESTALE;
	where.dir = dir;
	files.provider = key->provider ? key->provider : aead_provider_find(NULL);
	files.data = (void *)&key->wrap;
	error = files_convert(&files, FILES_ENCRYPT, &where, NULL, &msg);
	if (error < 0) {
		vnode_report_fd(all, place->object, error, msg.text[0] ? msg.text : "cannot be encrypted");
		return error;
	}
	object = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (object < 0 || fstat(object, ret_stat) < 0)
		return -errno;
	*ret_object = steal_fd(&object);
	return 0;
}

static enum files_kind kind_of(int object)
{
	_cleanup_close_ int fd = -EBADF;
	struct files_head head;

	if (memfd_reopen(object, O_RDONLY, &fd) < 0 || files_look(fd, &head) < 0)
		return FILES_SPOILED;
	return head.kind;
}

int plain_open(struct vnodes *all, const struct vnode_place *place, int flags, int *ret_fd, struct vnode_place *ret_place,
	       int *ret_object, struct stat *ret_stat)
{
	enum plain_mode mode = policy_rule(all->config.policy, (uint32_t)place->rule)->crypt_plain;
	int error;

	if (kind_of(place->object) != FILES_PLAIN) {
		vnode_report_fd(all, place->object, -EBADMSG, "damaged: the head of an encrypted file without its mark (scrim salvage)");
		return -EBADMSG;
	}
	if (mode == PLAIN_REFUSE) {
		vnode_report_fd(all, place->object, -EBADMSG, "not encrypted, under a crypt rule: scrim encrypt encrypts it, plain= allows it");
		return -EBADMSG;
	}
	if (!vnode_wants_write(flags))
		return memfd_reopen(place->object, flags, ret_fd);
	if (mode == PLAIN_READ)
		return -EROFS;
	error = adopt(all, place, ret_object, ret_stat);
	if (error < 0)
		return error;
	*ret_place = *place;
	ret_place->object = *ret_object;
	ret_place->real = ret_stat;
	return 1;
}
