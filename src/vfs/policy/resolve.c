/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/policy/resolve.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/hash.h"
#include "vfs/policy/internal.h"

#define LINKS_MAX 40 /* as many as the kernel follows */

enum name_kind {
	NAME_ABSENT,
	NAME_PRESENT,
	NAME_LINK,
	NAME_BUSY, /* a link that is being followed */
};

/* What is known of one name in a resolved directory. */
struct entry {
	const char *path;
	const char *target; /* links: resolved */
	size_t len, target_len;
	uint64_t hash;
	enum name_kind kind;
	bool target_exists;
};

struct resolver {
	struct arena arena;
	struct entry **table;
	size_t mask, count;
	char path[PATH_MAX + 1]; /* what is being resolved */
};

int resolver_new(struct resolver **ret)
{
	_cleanup_free_ struct resolver *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->mask = 1023;
	r->table = calloc(r->mask + 1, sizeof(*r->table));
	if (!r->table || arena_new(&r->arena) < 0) {
		free(r->table);
		return -ENOMEM;
	}
	*ret = TAKE_PTR(r);
	return 0;
}

struct resolver *resolver_free(struct resolver *resolver)
{
	if (resolver) {
		arena_free(&resolver->arena);
		free(resolver->table);
		free(resolver);
	}
	return NULL;
}

static struct entry **find_slot(struct entry **table, size_t mask, uint64_t hash, const char *path, size_t len)
{
	size_t i = (hash ^ hash >> 32) & mask;

	while (table[i] &&
	       (table[i]->hash != hash || table[i]->len != len || memcmp(table[i]->path, path, len) != 0))
		i = (i + 1) & mask;
	return &table[i];
}

static int grow(struct resolver *r)
{
	if (r->count * 2 <= r->mask)
		return 0;
	size_t mask = r->mask * 2 + 1;
	struct entry **table = calloc(mask + 1, sizeof(*table));
	if (!table)
		return -ENOMEM;
	for (size_t i = 0; i <= r->mask; i++)
		if (r->table[i])
			*find_slot(table, mask, r->table[i]->hash, r->table[i]->path, r->table[i]->len) = r->table[i];
	free(r->table);
	r->table = table;
	r->mask = mask;
	return 0;
}

/* A path on the way: resolved so far. */
struct walk {
	struct buffer *path; /* "" is the root */
	uint64_t hash;	     /* of it */
	bool exists;
};

static int walk_path(struct resolver *r, struct walk *walk, const char *text, size_t len, unsigned depth,
		     const char **ret_name);

/* Follow the link ENTRY, a name in the directory of the first PARENT_LEN bytes of its path. */
static int follow(struct resolver *r, struct entry *entry, size_t parent_len, const char *link, size_t len,
		  unsigned depth)
{
	BUFFER_ON_STACK(path, PATH_MAX);
	struct walk inner = {.path = &path, .hash = HASH_START, .exists = true};

	entry->kind = NAME_BUSY;
	if (link[0] != '/') {
		buffer_append(&path, entry->path, parent_len);
		inner.hash = hash_more(HASH_START, entry->path, parent_len);
	}
	int error = walk_path(r, &inner, link, len, depth + 1, NULL);
	if (error < 0)
		return error;
	entry->kind = NAME_LINK;
	entry->target = arena_strndup(&r->arena, path.data, path.len);
	entry->target_len = path.len;
	entry->target_exists = inner.exists;
	return entry->target ? 0 : -ENOMEM;
}

/* Look PATH up once and for all: a name in the resolved directory of its first PARENT_LEN bytes. */
static int look_up(struct resolver *r, const char *path, size_t len, size_t parent_len, uint64_t hash, unsigned depth,
		   struct entry **ret)
{
	int error = grow(r);
	if (error < 0)
		return error;
	struct entry **slot = find_slot(r->table, r->mask, hash, path, len);
	if (*slot) {
		*ret = *slot;
		return 0;
	}
	struct entry *entry = arena_alloc(&r->arena, sizeof(*entry));
	const char *copy = arena_strndup(&r->arena, path, len);
	if (!entry || !copy)
		return -ENOMEM;
	*entry = (struct entry){.path = copy, .len = len, .hash = hash};
	*slot = entry;
	r->count++;
	*ret = entry;

	char link[PATH_MAX] _uninitialised_;
	ssize_t n = readlink(copy, link, sizeof(link));
	if (n > 0 && n < (ssize_t)sizeof(link) && depth < LINKS_MAX)
		return follow(r, entry, parent_len, link, (size_t)n, depth);
	entry->kind = n >= 0 || errno == EINVAL ? NAME_PRESENT : NAME_ABSENT;
	return 0;
}

/* One component. With RET_NAME its own path is wanted too, before a link is followed. */
static int walk_name(struct resolver *r, struct walk *walk, const char *name, size_t len, unsigned depth,
		     const char **ret_name)
{
	struct buffer *path = walk->path;
	size_t parent_len = path->len;
	struct entry *entry;

	if (buffer_append(path, "/", 1) < 0 || buffer_append(path, name, len) < 0)
		return -ENAMETOOLONG;
	walk->hash = hash_more(hash_more(walk->hash, "/", 1), name, len);
	if (!walk->exists)
		return 0;
	int error = look_up(r, path->data, path->len, parent_len, walk->hash, depth, &entry);
	if (error < 0)
		return error;
	if (entry->kind == NAME_LINK) {
		if (ret_name)
			*ret_name = entry->path;
		buffer_clear(path);
		walk->exists = entry->target_exists;
		walk->hash = hash_more(HASH_START, entry->target, entry->target_len);
		return buffer_append(path, entry->target, entry->target_len) < 0 ? -ENAMETOOLONG : 0;
	}
	/* A loop leads nowhere: its names stay text. */
	walk->exists = entry->kind == NAME_PRESENT;
	return 0;
}

static void walk_up(struct walk *walk)
{
	struct buffer *path = walk->path;
	const char *slash = memrchr(path->data, '/', path->len);

	buffer_truncate(path, slash ? (size_t)(slash - path->data) : 0);
	walk->hash = hash_more(HASH_START, path->data, path->len);
	/* Above what does not exist it may begin to again: the names that follow will tell. */
	walk->exists = true;
}

static int walk_path(struct resolver *r, struct walk *walk, const char *text, size_t len, unsigned depth,
		     const char **ret_name)
{
	for (size_t i = 0; i < len;) {
		const char *slash = memchr(text + i, '/', len - i);
		size_t n = slash ? (size_t)(slash - text) - i : len - i;
		int error = 0;

		if (n == 2 && memcmp(text + i, "..", 2) == 0)
			walk_up(walk);
		else if (n && !(n == 1 && text[i] == '.'))
			error = walk_name(r, walk, text + i, n, depth, i + n == len ? ret_name : NULL);
		if (error < 0)
			return error;
		i += n + 1;
	}
	return 0;
}

int resolver_resolve(struct resolver *resolver, const char *text, size_t len, struct resolved *ret)
{
	struct buffer path;
	struct walk walk = {.path = &path, .hash = HASH_START, .exists = true};
	const char *name = NULL;

	buffer_init(&path, resolver->path, sizeof(resolver->path));
	int error = walk_path(resolver, &walk, text, len, 0, &name);
	if (error < 0)
		return error;
	if (path.len == 0)
		buffer_append(&path, "/", 1);
	if (path.len > PATTERN_MAX)
		return -ENAMETOOLONG;
	const char *target = arena_strndup(&resolver->arena, path.data, path.len);
	if (!target)
		return -ENOMEM;
	*ret = (struct resolved){.name = name ? name : target, .target = target};
	return 0;
}
