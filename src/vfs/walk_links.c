/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Symlinks that the slow road has met: where a text leads through one of them it is read at once and the text put right,
 * so that the quick road can take it. What is remembered is only where to look: a hash of the link's own path. Where the
 * link leads is asked each time, through a path that the kernel proves to hold no other link. So a stale memory costs
 * a look, and nothing that is found out here differs from what the slow road would find.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "vfs/walk_parts.h"

#define SLOTS 1024u
/* More in one text are left to the slow road. */
#define EXPANSIONS_MAX 8

struct link_hints {
	_Atomic uint64_t slot[SLOTS]; /* of the names that lead to a link, one after the other; 0: none */
};

/* Links that the first exec meets where /usr holds all. Where they are none, the first look forgets them. */
static const char *const usual_links[] = {"/bin", "/sbin", "/lib", "/lib64", "/usr/lib64/ld-linux-x86-64.so.2"};

/* Collisions cost a look. */
static _Atomic uint64_t *slot_of(struct link_hints *hints, uint64_t hash)
{
	return &hints->slot[(hash ^ hash >> 32) % SLOTS];
}

/* Of the names of an absolute path, one after the other. */
static uint64_t hash_names(const char *path, size_t len)
{
	uint64_t hash = 0;
	const char *at = path + 1, *end = path + len;

	while (at < end) {
		const char *slash = memchr(at, '/', (size_t)(end - at));
		size_t n = (size_t)((slash ? slash : end) - at);

		hash = hash_text(hash, at, n);
		at += n + 1;
	}
	return hash;
}

static void note(struct link_hints *hints, const char *path, size_t len)
{
	uint64_t hash = hash_names(path, len);

	atomic_store_explicit(slot_of(hints, hash), hash, memory_order_relaxed);
}

int link_hints_new(struct link_hints **ret)
{
	struct link_hints *hints = calloc(1, sizeof(*hints));

	if (!hints)
		return -ENOMEM;
	for (size_t i = 0; i < ARRAY_LEN(usual_links); i++)
		note(hints, usual_links[i], strlen(usual_links[i]));
	*ret = hints;
	return 0;
}

struct link_hints *link_hints_free(struct link_hints *hints)
{
	free(hints);
	return NULL;
}

void walk_note_link(struct op *op, const struct walk *walk, const char *name)
{
	uint64_t hash;

	if (!op->view->links || walk->path_len == 0 || walk->path[0] != '/' || walk_under_proc(walk))
		return;
	hash = hash_text(hash_names(walk->path, walk->path_len), name, strlen(name));
	atomic_store_explicit(slot_of(op->view->links, hash), hash, memory_order_relaxed);
}

/* A text under way. */
struct expansion {
	char *text; /* PATH_MAX */
	size_t len;
	uint64_t hash;	/* of the link that was found */
	size_t at, end; /* where its name begins, and ends */
	bool last;
};

/* The first prefix that is remembered as a link, all before it being plain names. */
static bool find_link(struct link_hints *hints, struct expansion *e)
{
	uint64_t hash = 0;
	size_t at = 0;

	while (at < e->len && e->text[at] == '/') {
		const char *name = e->text + at + 1;
		const char *end = memchr(name, '/', e->len - at - 1);
		size_t n = end ? (size_t)(end - name) : e->len - at - 1;

		if (n == 0 || (name[0] == '.' && (n == 1 || (n == 2 && name[1] == '.'))))
			return false;
		hash = hash_text(hash, name, n);
		if (atomic_load_explicit(slot_of(hints, hash), memory_order_relaxed) == hash) {
			e->hash = hash;
			e->at = at + 1;
			e->end = at + 1 + n;
			e->last = e->end == e->len;
			return true;
		}
		at += n + 1;
	}
	return false;
}

/* Links on procfs mean other things to the caller; only the slow road knows. */
static bool is_ordinary(const struct op *op, const struct stat *stat)
{
	return !walk_may_be_procfs(op, stat);
}

/* fs.protected_symlinks, of which the slow road knows more: may anybody follow a link that is last in its directory? */
static bool is_unprotected(const struct op *op, struct expansion *e)
{
	size_t cut = e->at > 1 ? e->at - 1 : 1; /* the slash, but for the root's own */
	char kept = e->text[cut];
	struct stat dir;

	if (!op->view->protected_symlinks)
		return true;
	e->text[cut] = '\0';
	bool known = stat(e->text, &dir) == 0;
	e->text[cut] = kept;
	return known && (dir.st_mode & (S_ISVTX | S_IWOTH)) != (S_ISVTX | S_IWOTH);
}

/* The target of the link at e->text up to e->end. Returns its length, or -1: let it be. */
static ssize_t read_link(const struct op *op, struct expansion *e, char target[PATH_MAX])
{
	struct open_how how = {.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS};
	char after = e->text[e->end];
	struct stat stat;
	ssize_t len = -1;

	e->text[e->end] = '\0';
	/* In the root directory nothing stands before the name that could be a link. */
	if (e->at == 1 && !e->last && is_ordinary(op, &op->view->root_stat)) {
		len = readlink(e->text, target, PATH_MAX);
	} else {
		_cleanup_close_ int fd = (int)syscall(SYS_openat2, AT_FDCWD, e->text, &how, sizeof(how));

		if (fd >= 0 && fstat(fd, &stat) == 0 && S_ISLNK(stat.st_mode) && is_ordinary(op, &stat)) {
			if (!e->last || is_unprotected(op, e))
				len = readlinkat(fd, "", target, PATH_MAX);
		}
	}
	e->text[e->end] = after;
	return len;
}

/* Put TARGET in the place of the link's name, or of the text up to there. False: the text would be too long, or odd. */
static bool put_target(struct expansion *e, const char *target, size_t len)
{
	size_t keep = e->at, rest = e->len - e->end;

	if (target[0] == '/')
		keep = 0;
	/* No link leads to the directory that the link is in: the one above it is that of its path. */
	while (keep > 1 && len > 3 && memcmp(target, "../", 3) == 0) {
		const char *slash = memrchr(e->text, '/', keep - 1);

		keep = (size_t)(slash - e->text) + 1;
		target += 3;
		len -= 3;
	}
	if (keep + len + rest >= PATH_MAX)
		return false;
	memmove(e->text + keep + len, e->text + e->end, rest);
	memcpy(e->text + keep, target, len);
	e->len = keep + len + rest;
	e->text[e->len] = '\0';
	return true;
}

/* All links of the text at EXPANDED, as far as they are known. Returns whether there was any. */
static bool expand(struct op *op, struct walk *walk, struct expansion *e, unsigned flags)
{
	struct link_hints *hints = op->view->links;
	char target[PATH_MAX];
	bool any = false;

	for (unsigned i = 0; i < EXPANSIONS_MAX && find_link(hints, e); i++) {
		uint64_t stale = e->hash;

		if (e->last && !(flags & WALK_FOLLOW))
			break;
		match_path(op->view->policy, e->text, e->end, &walk->state);
		walk_set_verdict(op, walk);
		if (walk->verdict.visibility == VIS_HIDE || walk->verdict.visibility == VIS_DENY)
			break;
		ssize_t n = read_link(op, e, target);
		if (n < 0)
			atomic_compare_exchange_strong(slot_of(hints, e->hash), &stale, 0);
		if (n <= 0 || n >= PATH_MAX || !put_target(e, target, (size_t)n))
			break;
		any = true;
	}
	return any;
}

/* Apart, so that texts without links need no room for them. */
static __attribute__((noinline)) int walk_expanded(struct op *op, struct walk *walk, const char *text, size_t len,
						    unsigned flags, struct at_once *at_once)
{
	char expanded[PATH_MAX];
	struct expansion e = {.text = expanded, .len = len};

	memcpy(expanded, text, len);
	expanded[len] = '\0';
	return expand(op, walk, &e, flags) ? walk_quickly(op, walk, AT_FDCWD, expanded, e.len, flags, at_once)
					 : -EAGAIN;
}

int walk_through_links(struct op *op, struct walk *walk, const char *text, size_t len, unsigned flags,
		       struct at_once *at_once)
{
	struct expansion e = {.text = (char *)(uintptr_t)text, .len = len}; /* read only here */

	if (!op->view->links || text[0] != '/' || len >= PATH_MAX || !find_link(op->view->links, &e))
		return -EAGAIN;
	return walk_expanded(op, walk, text, len, flags, at_once);
}
