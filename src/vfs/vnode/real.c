/* SPDX-License-Identifier: Apache-2.0 */
/* The file on the disk: one writer or many readers between processes, its key, the version that is ours. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "crypt/freshness.h"
#include "crypt/random.h"
#include "crypt/store/lock.h"
#include "vfs/fdpath.h"
#include "vfs/overlay/memfd.h"
#include "vfs/vnode/internal.h"

int real_key(const struct vnodes *all, int32_t rule, const struct vnode_key **ret)
{
	if (!all || !all->config.keys || rule < 0 || (uint32_t)rule >= policy_rule_count(all->config.policy) ||
	    !store_key_is_set(&all->config.keys[rule].wrap))
		return -ENOKEY;
	*ret = &all->config.keys[rule];
	return 0;
}

static int reopen(int object, int mode, int *ret_fd)
{
	/* Reading leaves no trace in the real file, where we may ask for that. */
	int error = memfd_reopen(object, mode | O_NOATIME, ret_fd);

	return error == -EPERM ? memfd_reopen(object, mode, ret_fd) : error;
}

static int lock(struct vnodes *all, int fd, bool write)
{
	struct process_name holder;
	char note[128];
	int error = store_lock_patiently(fd, write, &holder);

	if (error == -EBUSY) {
		if (holder.pid)
			snprintf(note, sizeof(note), "in use by %s (%d)", holder.command, (int)holder.pid);
		else
			snprintf(note, sizeof(note), "in use by another process");
		vnode_report_fd(all, fd, error, note);
	}
	/* A file system without locks: what others do is noticed at the commit. */
	return error == -ENOLCK || error == -EOPNOTSUPP || error == -ENOSYS ? 0 : error;
}

int real_open(struct vnode *v, int object, bool write, bool made)
{
	_cleanup_close_ int fd = -EBADF;
	int flags = made ? fcntl(object, F_GETFL) : -1, error;

	/* As it is, if it was made just now: its mode may let nobody open it again. */
	if (flags >= 0 && (flags & (O_ACCMODE | O_APPEND | O_PATH | O_DIRECT)) == O_RDWR) {
		fd = fcntl(object, F_DUPFD_CLOEXEC, 0);
		if (fd < 0)
			return -errno;
	} else {
		error = reopen(object, write ? O_RDWR : O_RDONLY, &fd);
		if (error < 0)
			return error;
	}
	error = lock(v->all, fd, write);
	if (error < 0)
		return error;
	v->real = steal_fd(&fd);
	v->real_writes = write;
	v->just_made = made;
	return 0;
}

int real_upgrade(struct vnode *v)
{
	_cleanup_close_ int fd = -EBADF;
	int error;

	if (v->real_writes)
		return lock(v->all, v->real, true);
	error = reopen(v->real, O_RDWR, &fd);
	if (error < 0)
		return error;
	/* Our own lock for reading would be in the way; whoever comes in between is noticed by the version. */
	pthread_mutex_lock(&v->all->lock);
	safe_close(v->real);
	v->real = steal_fd(&fd);
	pthread_mutex_unlock(&v->all->lock);
	error = lock(v->all, v->real, true);
	if (error < 0) {
		(void)lock(v->all, v->real, false);
		return error;
	}
	v->real_writes = true;
	return 0;
}

void real_downgrade(struct vnode *v)
{
	(void)store_lock(v->real, false, NULL);
}

void real_unlock(struct vnode *v)
{
	struct flock all = {.l_type = F_UNLCK, .l_whence = SEEK_SET};

	(void)fcntl(v->real, F_OFD_SETLK, &all);
}

void real_let_go(struct vnode *v)
{
	bool idle;

	pthread_mutex_lock(&v->all->lock);
	idle = v->opening == 0 && !v->written && !v->error && !v->backing->has_users(v);
	v->let_go = v->let_go || idle;
	pthread_mutex_unlock(&v->all->lock);
	if (idle)
		real_unlock(v);
}

int real_take_back(struct vnode *v)
{
	int error = lock(v->all, v->real, false);

	if (error < 0)
		return error;
	error = real_start(v, NULL, false);
	store_free(TAKE_PTR(v->store));
	if (error < 0) {
		real_unlock(v);
		return error;
	}
	pthread_mutex_lock(&v->all->lock);
	v->let_go = false;
	pthread_mutex_unlock(&v->all->lock);
	return 0;
}

void real_note_version(struct vnode *v)
{
	store_get_info(v->store, &v->version);
	v->version_known = true;
	v->recorded = false;
}

/* The path of the record; -ENOENT: it has none. */
static int record_path(const struct vnode *v, char path[PATH_MAX])
{
	bool detached;
	int len = fd_path(v->real, path, PATH_MAX, &detached);

	return len < 0 ? len : detached ? -ENOENT : 0;
}

static struct freshness_version record_version(const struct vnode *v)
{
	struct freshness_version version = {.sequence = v->version.sequence};

	memcpy(version.file_id, v->version.file_id, sizeof(version.file_id));
	memcpy(version.tag, v->version.root_tag, sizeof(version.tag));
	return version;
}

int real_record(struct vnode *v)
{
	struct freshness_version version = record_version(v);
	char path[PATH_MAX];
	int error;

	if (!v->all->config.freshness || v->recorded || v->version.is_new)
		return 0;
	v->recorded = true;
	error = record_path(v, path);
	return error == 0 ? freshness_record(v->all->config.freshness, path, &version, false) : 0;
}

static int check_fresh(struct vnode *v, const struct vnode_place *place)
{
	static const char *const notes[] = {
		[FRESH_OLDER] = "an older version than was last written here: somebody may have put it back (scrim accept)",
		[FRESH_OTHER] = "another version than was last written here: somebody may have put it there (scrim accept)",
		[FRESH_EARLIER] = "an earlier file than was last written here: somebody may have put it back (scrim accept)",
	};
	const struct vnodes_config *config = &v->all->config;
	struct freshness_version version = record_version(v);
	enum freshness found = FRESH_UNKNOWN;
	char path[PATH_MAX];
	int error;

	if (!config->freshness || v->version.is_new)
		return 0;
	if (place && place->path_len > 0 && place->path_len < sizeof(path) && place->real->st_nlink > 0) {
		memcpy(path, place->path, place->path_len);
		path[place->path_len] = '\0';
	} else if (record_path(v, path) < 0) {
		return 0;
	}
	error = freshness_check(config->freshness, path, &version, &found, NULL);
	if (error < 0 && config->strict_freshness) {
		vnode_report_fd(v->all, v->real, error, "the record of its freshness cannot be read");
		return error;
	}
	if (error < 0 || found == FRESH_UNKNOWN || found == FRESH_GOOD)
		return 0;
	vnode_report_fd(v->all, v->real, -ESTALE, notes[found]);
	return config->strict_freshness ? -ESTALE : 0;
}

int real_start(struct vnode *v, const struct vnode_place *place, bool write)
{
	struct store_layout layout = {.just_made = v->just_made && write};
	struct store_env env = {.io = &store_io_file, .handle = &v->real, .random = random_bytes, .key_count = 1,
				.crew = v->all->crew};
	const struct vnode_key *key;
	struct store_info info;
	int error = real_key(v->all, v->rule, &key);

	if (error < 0 || v->store)
		return error;
	env.provider = key->provider ? key->provider : aead_provider_find(NULL);
	env.keys = &key->wrap;
	error = store_open(&env, write ? STORE_WRITE : STORE_READ, &layout, &v->store);
	if (error < 0)
		return error;
	store_get_info(v->store, &info);
	if (v->version_known) {
		/* What is shown was loaded from the version that stood then. */
		if (info.sequence == v->version.sequence && info.is_new == v->version.is_new &&
		    memcmp(info.root_tag, v->version.root_tag, sizeof(info.root_tag)) == 0)
			return 0;
		store_free(TAKE_PTR(v->store));
		return -ESTALE;
	}
	v->version = info;
	if (info.fell_back && !info.is_new)
		vnode_report_fd(v->all, v->real, 0, "its newest version was not whole; the one before it stands");
	error = check_fresh(v, place);
	if (error < 0) {
		store_free(TAKE_PTR(v->store));
		return error;
	}
	v->version_known = true;
	return 0;
}
