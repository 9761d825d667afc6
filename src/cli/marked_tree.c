/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/marked_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

#define DEPTH_LIMIT 512 /* each level keeps a descriptor */

struct walker {
	const struct tree_config *config;
	char path[PATH_MAX];
};

/* One name of a directory, and all that is told of it. */
struct found {
	struct found *children;
	size_t count;
	char *name, *target;
	mode_t type;
	struct verdict verdict, target_verdict;
	bool kept; /* it is not as its directory is, or leads to what is not */
	int error;
	bool cut;
};

static void found_done(struct found *found)
{
	for (size_t i = 0; i < found->count; i++)
		found_done(&found->children[i]);
	free(found->children);
	free(found->name);
	free(found->target);
}

static bool verdict_is_marked(const struct verdict *verdict)
{
	return verdict->visibility == VIS_HIDE || verdict->visibility == VIS_DENY || verdict->content != CONTENT_PLAIN ||
	       verdict->write != WRITE_FREE;
}

/* Is a name with verdict A merely like the directory it is in, with B? */
static bool same_verdict(const struct verdict *a, const struct verdict *b)
{
	bool ways = (a->visibility == VIS_SHOW || a->visibility == VIS_WAY) && (b->visibility == VIS_SHOW || b->visibility == VIS_WAY);

	return (ways || (a->visibility == b->visibility && a->visibility_rule == b->visibility_rule)) &&
	       a->content == b->content && a->write == b->write &&
	       (a->content == CONTENT_PLAIN || a->content_rule == b->content_rule) &&
	       (a->write == WRITE_FREE || a->write_rule == b->write_rule);
}

static bool is_shut(const struct verdict *verdict)
{
	return verdict->visibility == VIS_HIDE || verdict->visibility == VIS_DENY;
}

/* The directory that PATH is in, and the symlink NAME in DIR there. */
static int look_at_link(struct walker *w, int dir, struct found *found)
{
	char text[PATH_MAX];
	_cleanup_free_ char *real = NULL;
	ssize_t len = readlinkat(dir, found->name, text, sizeof(text) - 1);

	found->target = strndup(text, len < 0 ? 0 : (size_t)len);
	if (!found->target)
		return -ENOMEM;
	real = realpath(w->path, NULL);
	policy_verdict(w->config->policy, real ? real : "/", real ? strlen(real) : 1, &found->target_verdict);
	if (!real)
		found->target_verdict = (struct verdict){0};
	return 0;
}

static int by_name(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static int read_names(int fd, struct found *found)
{
	DIR *dir = fdopendir(fd);
	size_t room = 0;
	int error = 0;

	if (!dir) {
		close(fd);
		return -errno;
	}
	for (;;) {
		errno = 0;
		const struct dirent *entry = readdir(dir);

		if (!entry) {
			error = -errno;
			break;
		}
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (found->count == room) {
			room = room ? room * 2 : 16;
			struct found *grown = reallocarray(found->children, room, sizeof(*grown));

			if (!grown) {
				error = -ENOMEM;
				break;
			}
			found->children = grown;
		}
		struct found *child = &found->children[found->count];
		*child = (struct found){.name = strdup(entry->d_name), .type = DTTOIF(entry->d_type)};
		if (!child->name) {
			error = -ENOMEM;
			break;
		}
		found->count++;
	}
	closedir(dir);
	if (found->count)
		qsort(found->children, found->count, sizeof(*found->children), by_name);
	return error;
}

struct above {
	const struct match_state *state;
	const struct verdict *verdict;
};

static int look(struct walker *w, int parent, size_t len, unsigned depth, const struct above *above, struct found *found);

/* The names in the directory FOUND, whose path of LEN bytes is in w->path. */
static int look_into(struct walker *w, int parent, size_t len, unsigned depth, const struct match_state *state,
		     struct found *found)
{
	const struct above above = {state, &found->verdict};
	const char *open_name = depth ? found->name : w->path;
	int fd = openat(parent, open_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	_cleanup_close_ int dir = -EBADF;

	if (fd < 0) {
		found->error = -errno;
		return 0;
	}
	dir = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (dir < 0) {
		close(fd);
		found->error = -errno;
		return 0;
	}
	found->error = read_names(fd, found);
	if (found->error == -ENOMEM)
		return found->error;
	for (size_t i = 0; i < found->count; i++) {
		struct found *child = &found->children[i];
		size_t name_len = strlen(child->name), slash = len > 1;
		int error;

		if (len + slash + name_len >= sizeof(w->path)) {
			found->error = -ENAMETOOLONG;
			continue;
		}
		w->path[len] = '/';
		memcpy(w->path + len + slash, child->name, name_len + 1);
		error = look(w, dir, len + slash + name_len, depth + 1, &above, child);
		w->path[len] = '\0';
		if (error < 0)
			return error;
		found->kept |= child->kept;
	}
	return 0;
}

/* Everything about the name at w->path (LEN bytes). ABOVE: its directory; NULL at the start. */
static int look(struct walker *w, int parent, size_t len, unsigned depth, const struct above *above, struct found *found)
{
	const struct policy *policy = w->config->policy;
	_cleanup_free_ struct match_state *state = malloc(sizeof(*state));
	struct stat stat;
	int error = 0;

	if (!state)
		return -ENOMEM;
	if (above)
		match_step(policy, above->state, found->name, strlen(found->name), state);
	else
		match_path(policy, w->path, len, state);
	match_verdict(policy, state, &found->verdict);
	if (!found->type && fstatat(parent, found->name, &stat, AT_SYMLINK_NOFOLLOW) == 0)
		found->type = stat.st_mode & S_IFMT;
	if (S_ISLNK(found->type))
		error = look_at_link(w, parent, found);
	found->kept = !above || !same_verdict(&found->verdict, above->verdict) ||
		      (found->target && verdict_is_marked(&found->target_verdict));
	if (error || !S_ISDIR(found->type) || is_shut(&found->verdict))
		return error;
	if ((w->config->depth_max && depth == w->config->depth_max) || depth == DEPTH_LIMIT) {
		found->cut = true;
		return 0;
	}
	return look_into(w, parent, len, depth, state, found);
}

static int tell(struct walker *w, const struct found *found, size_t len, unsigned depth, bool last)
{
	const struct tree_config *config = w->config;
	struct tree_entry entry = {
		.name = depth ? found->name : w->path,
		.path = w->path,
		.target = found->target,
		.type = found->type,
		.verdict = found->verdict,
		.target_verdict = found->target_verdict,
		.depth = depth,
		.last = last,
		.error = found->error,
		.cut = found->cut,
	};
	size_t told = found->count;
	int r = config->entry(config->data, &entry);

	while (config->marked_only && told && !found->children[told - 1].kept)
		told--;
	for (size_t i = 0; r == 0 && i < told; i++) {
		const struct found *child = &found->children[i];
		size_t slash = len > 1, name_len = strlen(child->name);

		if ((config->marked_only && !child->kept) || len + slash + name_len >= sizeof(w->path))
			continue;
		w->path[len] = '/';
		memcpy(w->path + len + slash, child->name, name_len + 1);
		r = tell(w, child, len + slash + name_len, depth + 1, i + 1 == told);
		w->path[len] = '\0';
	}
	return r;
}

int marked_tree_walk(const struct tree_config *config, const char *start, struct errmsg *msg)
{
	_cleanup_free_ struct walker *w = malloc(sizeof(*w));
	_cleanup_(found_done) struct found root = {.type = S_IFDIR};
	struct stat stat;
	int r;

	if (!w)
		return errmsg_set(msg, -ENOMEM, "out of memory");
	w->config = config;
	if (!realpath(start, w->path) || lstat(w->path, &stat) < 0)
		return errmsg_set(msg, -errno, "%s: %s", start, strerror(errno));
	if (!S_ISDIR(stat.st_mode))
		return errmsg_set(msg, -ENOTDIR, "%s: not a directory (scrim explain tells of single files)", start);
	r = look(w, AT_FDCWD, strlen(w->path), 0, NULL, &root);
	if (r < 0)
		return errmsg_set(msg, r, "%s: %s", start, strerror(-r));
	return tell(w, &root, strlen(w->path), 0, true);
}
