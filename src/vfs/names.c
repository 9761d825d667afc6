/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names: made, removed, moved. The walk stops at the parent; what the rules say is put where the kernel would say the
 * like (fs/namei.c: filename_create, do_unlinkat, do_rmdir, do_linkat, do_renameat2), and when no rule objects the
 * call is made on the parent's descriptor and the name, whose errors are then the kernel's own.
 *
 * Before a rule refuses, the errors that come first natively are looked for here: otherwise a refusal would be told
 * apart from an absent name by its place in the order.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/magic.h>

#include "base/cleanup.h"
#include "vfs/early.h"
#include "vfs/encrypted.h"
#include "vfs/fdpath.h"
#include "vfs/judge.h"
#include "vfs/known.h"
#include "vfs/ops.h"
#include "vfs/private.h"
#include "vfs/still.h"
#include "vfs/watch/queues.h"

/* A name with the slash that followed it, for calls that look at it. */
#define NAME_TEXT_MAX (NAME_MAX + 2)

static bool is_shown(const struct walk *walk)
{
	return walk->verdict.visibility == VIS_SHOW || walk->verdict.visibility == VIS_WAY;
}

static bool is_directory(const struct walk *walk)
{
	return walk->exists && S_ISDIR(walk->stat.st_mode);
}

static int find_name(struct op *op, unsigned which, int dirfd)
{
	struct walk *walk = &op->walk[which];

	/* A parent that no path leads to any more: the walk has no verdict to give, and no rule covers the name. */
	walk->verdict = (struct verdict){.visibility_rule = RULE_NONE, .content_rule = RULE_NONE, .write_rule = RULE_NONE};
	match_root(op->view->policy, &walk->state);
	return walk_resolve(op, walk, dirfd, op->text[which], op->text_len[which],
			    WALK_PARENT | WALK_LAST_UNJUDGED | WALK_NAME, 0);
}

static const char *name_text(const struct walk *walk, char text[NAME_TEXT_MAX])
{
	memcpy(text, walk->name, walk->name_len);
	text[walk->name_len] = walk->slash ? '/' : '\0';
	text[walk->name_len + walk->slash] = '\0';
	return text;
}

/*
 * May the name be made? What filename_create() says, with the rules in between: a hidden or denied name is EACCES
 * whether or not it exists, before EEXIST and EROFS; DIRECTORY: a trailing slash is no error.
 */
static int check_create(struct op *op, const struct walk *walk, bool directory)
{
	if (walk->last != LAST_NAME)
		return -EEXIST;
	if (!is_shown(walk)) {
		if (walk->slash && !directory)
			return -ENOENT;
		return judge(op, walk, INTENT_CREATE);
	}
	if (walk->exists)
		return -EEXIST;
	if (walk->slash && !directory)
		return -ENOENT;
	return judge(op, walk, INTENT_CREATE);
}

/* The last thing before a change: the caller still waits. Creating calls act with its umask (the worker's own). */
static int ready(struct op *op, bool creating)
{
	int error = creating ? op_take_umask(op) : 0;

	return error ? error : op->caller->ops->validate(op->caller);
}

static int done(long result, struct outcome *out)
{
	return result < 0 ? -errno : outcome_value(out, result);
}

int vfs_mkdir(struct op *op, int dirfd, mode_t mode, struct outcome *out)
{
	struct walk *walk = &op->walk[0];
	int error = find_name(op, 0, dirfd);

	if (!error)
		error = check_create(op, walk, true);
	if (!error && walk->private)
		return private_refuse_kind(op, walk);
	if (!error)
		error = ready(op, true);
	return error ? error : done(mkdirat(walk->parent_fd, walk->name, mode), out);
}

int vfs_mknod(struct op *op, int dirfd, mode_t mode, unsigned dev, struct outcome *out)
{
	struct walk *walk = &op->walk[0];
	int error = find_name(op, 0, dirfd);

	if (!error)
		error = check_create(op, walk, false);
	if (!error && walk->private) {
		error = private_mknod(op, walk, mode);
		return error ? error : outcome_value(out, 0);
	}
	if (!error)
		error = ready(op, true);
	/* Raw: the device number is as the caller encoded it. */
	if (error)
		return error;
	error = done(syscall(SYS_mknodat, walk->parent_fd, walk->name, mode, dev), out);
	known_forget(op->view->known);
	return error;
}

int vfs_symlink(struct op *op, int dirfd, struct outcome *out)
{
	struct walk *walk = &op->walk[1];
	int error = find_name(op, 1, dirfd);

	if (!error)
		error = check_create(op, walk, false);
	if (!error && walk->private)
		return private_refuse_kind(op, walk);
	if (!error)
		error = ready(op, true);
	if (error)
		return error;
	still_change_begin();
	error = done(symlinkat(op->text[0], walk->parent_fd, walk->name), out);
	still_change_end();
	return error;
}

/* Two masks mean the same only by one rule: each has content of its own. */
static bool same_verdict(const struct verdict *a, const struct verdict *b)
{
	return a->visibility == b->visibility && a->content == b->content && a->write == b->write &&
	       (a->content == CONTENT_PLAIN || a->content_rule == b->content_rule);
}

/* No rule says anything about the name, whatever comes to stand there. */
static bool is_plain(const struct walk *walk)
{
	return walk->verdict.visibility == VIS_SHOW && walk->verdict.content == CONTENT_PLAIN &&
	       walk->verdict.write == WRITE_FREE;
}

/* The source of a link: the object itself, which may have no name yet (O_TMPFILE by its descriptor). */
static int find_source(struct op *op, int dirfd, int flags)
{
	if (op->text_len[0] == 0 && (flags & AT_EMPTY_PATH) && dirfd != AT_FDCWD)
		return walk_descriptor(op, &op->walk[0], dirfd);
	return walk_resolve(op, &op->walk[0], dirfd, op->text[0], op->text_len[0],
			    (flags & AT_SYMLINK_FOLLOW ? WALK_FOLLOW : 0) | (flags & AT_EMPTY_PATH ? WALK_EMPTY : 0), 0);
}

/*
 * AT_EMPTY_PATH natively wants CAP_DAC_READ_SEARCH or, since 6.10, the credentials that opened the descriptor; here
 * the object is linked through procfs, which wants neither: whoever has an object's descriptor can do the same.
 */
int vfs_link(struct op *op, int olddirfd, int newdirfd, int flags, struct outcome *out)
{
	struct walk *source = &op->walk[0], *target = &op->walk[1];
	char name[FD_NAME_MAX];
	int error = find_source(op, olddirfd, flags);

	if (!error)
		error = find_name(op, 1, newdirfd);
	if (error)
		return error;
	/* A name that must not be told from an absent one: what would be said of an absent one comes first. */
	if (target->last == LAST_NAME && !is_shown(target) && !target->slash &&
	    fd_mount(source->fd) != fd_mount(target->parent_fd))
		return -EXDEV;
	error = check_create(op, target, false);
	if (error)
		return error;
	if (source->private || target->private) {
		error = private_link(op, source, target);
		return error ? error : outcome_value(out, 0);
	}
	/* Directories, and what has lost its last name, are refused by the kernel, which also knows what it says before that. */
	if ((source->detached || !is_plain(source) || !is_plain(target)) && !S_ISDIR(source->stat.st_mode) &&
	    (S_ISREG(source->stat.st_mode) || source->stat.st_nlink > 0) && fd_mount(source->fd) == fd_mount(target->parent_fd)) {
		error = judge(op, source, INTENT_LINK);
		/* It stays what it is, and nothing lies beneath: two places with the same verdict are alike to it. */
		if (!error && (source->detached || !same_verdict(&source->verdict, &target->verdict)))
			error = judge_move(op, source, target, false);
	}
	if (!error)
		error = ready(op, false);
	if (error)
		return error;
	/* The very object that was judged; the link is followed once, so that a symlink itself is linked too. */
	still_change_begin();
	error = done(linkat(AT_FDCWD, fd_name(source->fd, name), target->parent_fd, target->name, AT_SYMLINK_FOLLOW), out);
	still_change_end();
	if (!error && is_encrypted(source)) {
		if (source->detached)
			encrypted_named(op, source, target);
		encrypted_touched(op, source, NULL);
	}
	/* A file takes a file's place, or none: that nothing is known of it is as well. */
	if (!S_ISREG(source->stat.st_mode))
		known_forget(op->view->known);
	return error;
}

/*
 * May the name be removed? Where a rule has a say, errors are given from here even when they are the kernel's: the name
 * may come to mean something else before the kernel looks.
 */
static int check_remove(struct op *op, const struct walk *walk, bool rmdir_call)
{
	int error;

	if (!is_plain(walk)) {
		if (fd_readonly(walk->parent_fd))
			return -EROFS;
		if (!is_shown(walk) || walk->verdict.write == WRITE_READONLY)
			return judge(op, walk, INTENT_REMOVE);
		if (!walk->exists)
			return -ENOENT;
		if (!rmdir_call && walk->slash)
			return is_directory(walk) ? -EISDIR : -ENOTDIR;
		error = is_directory(walk) == rmdir_call ? 0 : private_check_parent(walk, &walk->stat);
		if (error)
			return error;
		if (rmdir_call && !is_directory(walk))
			return -ENOTDIR;
		error = judge(op, walk, INTENT_REMOVE);
		if (error)
			return error;
		if (!rmdir_call && is_directory(walk))
			return -EISDIR;
	}
	if (rmdir_call && is_directory(walk) && match_is_anchor(op->view->policy, &walk->state))
		return fd_readonly(walk->parent_fd) ? -EROFS : op_refuse(op, walk, REFUSAL_HIDDEN, RULE_NONE, -EBUSY);
	return 0;
}

static int last_error_unlink(enum walk_last last, bool rmdir_call)
{
	if (!rmdir_call)
		return -EISDIR;
	switch (last) {
	case LAST_DOT:
		return -EINVAL;
	case LAST_DOTDOT:
		return -ENOTEMPTY;
	case LAST_ROOT:
	case LAST_NAME:
		break;
	}
	return -EBUSY;
}

/*
 * ERROR, unless the directory of the name was removed: in such a one the kernel looks for nothing (lookup_one_qstr_excl());
 * or is one of procfs, to which a name that is too long is only one that is not there.
 */
static int or_gone(const struct walk *walk, int error)
{
	struct statfs place;
	struct stat parent;

	if (fstat(walk->parent_fd, &parent) == 0 && parent.st_nlink == 0)
		return -ENOENT;
	if (error == -ENAMETOOLONG && fstatfs(walk->parent_fd, &place) == 0 && place.f_type == PROC_SUPER_MAGIC)
		return -ENOENT;
	return error;
}

bool early_cut_name(struct op *op, unsigned which)
{
	char *text = op->text[which];
	size_t end = op->text_len[which], start;

	while (end > 0 && text[end - 1] == '/')
		end--;
	for (start = end; start > 0 && text[start - 1] != '/'; start--)
		;
	if (end - start <= NAME_MAX)
		return false;
	op->text_len[which] = start + NAME_MAX;
	text[op->text_len[which]] = '\0';
	return true;
}

/* No rule says anything about either name, nor makes a difference between the two places: let the kernel speak. */
static bool may_rename_freely(const struct op *op, const struct walk *from, const struct walk *to,
			      const bool too_long[2])
{
	const struct policy *policy = op->view->policy;

	return !too_long[0] && !too_long[1] && from->last == LAST_NAME && to->last == LAST_NAME && from->path_len > 0 &&
	       to->path_len > 0 && is_plain(from) && is_plain(to) && match_equal(&from->state, &to->state) &&
	       !match_is_anchor(policy, &from->state) && !match_is_anchor(policy, &to->state);
}

int vfs_unlink(struct op *op, int dirfd, int flags, struct outcome *out)
{
	struct walk *walk = &op->walk[0];
	bool rmdir_call = flags & AT_REMOVEDIR;
	char text[NAME_TEXT_MAX];
	const bool too_long = early_cut_name(op, 0);
	int error = find_name(op, 0, dirfd);

	if (error)
		return error;
	if (walk->last != LAST_NAME)
		return last_error_unlink(walk->last, rmdir_call);
	if (too_long)
		return fd_readonly(walk->parent_fd) ? -EROFS : or_gone(walk, -ENAMETOOLONG);
	if (walk->private) {
		error = private_unlink(op, walk, rmdir_call);
		return error ? error : outcome_value(out, 0);
	}
	error = check_remove(op, walk, rmdir_call);
	if (!error && rmdir_call && private_inside(op, walk))
		error = -ENOTEMPTY;
	if (!error)
		error = ready(op, false);
	if (error)
		return error;
	encrypted_hold(walk);
	/* The slash goes along: neither call follows a link for it, and both say what it is worth. */
	error = done(unlinkat(walk->parent_fd, name_text(walk, text), flags), out);
	if (!error)
		encrypted_touched(op, walk, NULL);
	return error;
}

/* Is the path of A a directory above the path of B? */
static bool is_above(const struct walk *a, const struct walk *b)
{
	return a->path_len > 0 && b->path_len > a->path_len && b->path[a->path_len] == '/' &&
	       memcmp(a->path, b->path, a->path_len) == 0;
}

/* What do_renameat2() and vfs_rename() say of two names that can be seen, before permissions are asked. 0: go on. */
static int kernel_rename_errors(const struct walk *from, const struct walk *to, unsigned flags)
{
	bool exchange = flags & RENAME_EXCHANGE;

	if (exchange && !is_directory(to) && to->slash)
		return -ENOTDIR;
	if (!is_directory(from) && (from->slash || (!exchange && to->slash)))
		return -ENOTDIR;
	if (is_above(from, to))
		return -EINVAL;
	if (to->exists && is_above(to, from))
		return exchange ? -EINVAL : -ENOTEMPTY;
	if (exchange || !to->exists)
		return 0;
	if (is_directory(from) && !is_directory(to))
		return -ENOTDIR;
	if (!is_directory(from) && is_directory(to))
		return -EISDIR;
	return 0;
}

static bool same_object(const struct walk *a, const struct walk *b)
{
	return a->exists && b->exists && a->stat.st_dev == b->stat.st_dev && a->stat.st_ino == b->stat.st_ino;
}

enum { RENAME_NOTHING = 1 };

/* What the kernel looks at before the two names themselves. */
static int check_rename_places(const struct walk *from, const struct walk *to, unsigned flags)
{
	if (fd_mount(from->parent_fd) != fd_mount(to->parent_fd))
		return -EXDEV;
	if (from->last != LAST_NAME)
		return -EBUSY;
	if (to->last != LAST_NAME)
		return flags & RENAME_NOREPLACE ? -EEXIST : -EBUSY;
	if (fd_readonly(from->parent_fd))
		return -EROFS;
	return 0;
}

/*
 * Everything that comes before the kernel is asked. Returns 0 (ask it), a negative errno, or RENAME_NOTHING: two names
 * of one object, where natively nothing happens.
 */
static int check_rename(struct op *op, const struct walk *from, const struct walk *to, unsigned flags,
			const bool too_long[2])
{
	bool exchange = flags & RENAME_EXCHANGE;
	enum intent target = exchange ? INTENT_MOVE : INTENT_REPLACE;
	int error;

	if (may_rename_freely(op, from, to, too_long))
		return 0;
	error = check_rename_places(from, to, flags);
	if (error)
		return error;
	if (too_long[0])
		return -ENAMETOOLONG;
	if (!is_shown(from) || from->verdict.write == WRITE_READONLY)
		return judge(op, from, INTENT_MOVE);
	if (!too_long[1] && is_shown(to) && to->verdict.write == WRITE_READONLY)
		return judge(op, to, target);
	if (!from->exists)
		return -ENOENT;
	if (too_long[1])
		return or_gone(to, -ENAMETOOLONG);
	if (!is_shown(to))
		return judge(op, to, target);
	if (to->exists && (flags & RENAME_NOREPLACE))
		return -EEXIST;
	if (!to->exists && exchange)
		return -ENOENT;
	error = kernel_rename_errors(from, to, flags);
	if (error)
		return or_gone(to, error);
	if (same_object(from, to))
		return RENAME_NOTHING;
	error = judge(op, from, INTENT_MOVE);
	if (!error)
		error = judge(op, to, target);
	if (!error)
		error = judge_move(op, from, to, is_directory(from));
	if (!error && exchange)
		error = judge_move(op, to, from, is_directory(to));
	return error;
}

/* What was held of encrypted files has new names, or one less. */
static void moved(struct op *op, const struct walk *from, const struct walk *to, unsigned flags)
{
	if (from->exists) {
		encrypted_named(op, from, to);
		encrypted_touched(op, from, NULL);
	}
	if (!to->exists)
		return;
	if (flags & RENAME_EXCHANGE)
		encrypted_named(op, to, from);
	encrypted_touched(op, to, NULL);
}

int vfs_rename(struct op *op, int olddirfd, int newdirfd, unsigned flags, struct outcome *out)
{
	struct walk *from = &op->walk[0], *to = &op->walk[1];
	char from_text[NAME_TEXT_MAX], to_text[NAME_TEXT_MAX];
	const bool too_long[2] = {early_cut_name(op, 0), early_cut_name(op, 1)};
	int error = find_name(op, 0, olddirfd);

	if (!error)
		error = find_name(op, 1, newdirfd);
	if (!error && (from->private || to->private) && !too_long[0] && !too_long[1]) {
		error = check_rename_places(from, to, flags);
		if (!error)
			error = private_rename(op, from, to, flags);
		return error ? error : outcome_value(out, 0);
	}
	if (!error && from->private | to->private)
		error = -ENAMETOOLONG;
	if (!error)
		error = check_rename(op, from, to, flags, too_long);
	if (!error && !(flags & (RENAME_EXCHANGE | RENAME_NOREPLACE)) && is_directory(from) && !same_object(from, to) && private_inside(op, to)) {
		error = kernel_rename_errors(from, to, flags);
		error = error ? error : -ENOTEMPTY;
	}
	if (error == RENAME_NOTHING)
		return outcome_value(out, 0);
	if (!error)
		error = ready(op, false);
	if (error)
		return error;
	encrypted_hold(from);
	encrypted_hold(to);
	still_change_begin();
	error = done(syscall(SYS_renameat2, from->parent_fd, name_text(from, from_text), to->parent_fd,
			     name_text(to, to_text), flags), out);
	still_change_end();
	if (!error)
		moved(op, from, to, flags);
	if (!error && ((from->exists && S_ISDIR(from->stat.st_mode)) || (flags & RENAME_EXCHANGE)))
		queues_renamed(op->view->queues, from->path, to->path, flags & RENAME_EXCHANGE);
	/* One file for another, as most renames are, leaves a file. */
	if (!from->exists || !S_ISREG(from->stat.st_mode) || (flags & RENAME_EXCHANGE))
		known_forget(op->view->known);
	return error;
}
