/* SPDX-License-Identifier: Apache-2.0 */
#include "intercept/wards/creds.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

/* With NGROUPS_MAX groups of ten digits and a blank, and all the rest. */
#define STATUS_MAX ((size_t)NGROUPS_MAX * 11 + 16384)
#define STATUS_USUAL 4096

static const char *field(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at ? at + strlen(name) : NULL;
}

static bool four_ids(const char *text, const char *name, uint32_t ret[4])
{
	const char *at = field(text, name);

	return at && sscanf(at, "%" SCNu32 " %" SCNu32 " %" SCNu32 " %" SCNu32, &ret[0], &ret[1], &ret[2], &ret[3]) == 4;
}

static bool capabilities(const char *text, const char *name, uint64_t *ret)
{
	const char *at = field(text, name);

	return at && sscanf(at, "%" SCNx64, ret) == 1;
}

/* The numbers up to the end of the line, into GROUPS if there is such. Returns how many. */
static size_t read_groups(const char *at, gid_t *groups)
{
	size_t count = 0;

	for (;;) {
		char *end;

		at += strspn(at, " \t");
		if (*at < '0' || *at > '9' || count == NGROUPS_MAX)
			return count;
		unsigned long group = strtoul(at, &end, 10);
		if (groups)
			groups[count] = (gid_t)group;
		count++;
		at = end;
	}
}

int creds_parse(const char *text, struct creds **ret)
{
	const char *groups = field(text, "\nGroups:");
	uint32_t uids[4], gids[4];
	struct creds found = {0};

	if (!groups || !four_ids(text, "\nUid:", uids) || !four_ids(text, "\nGid:", gids) ||
	    !capabilities(text, "\nCapInh:", &found.inheritable) || !capabilities(text, "\nCapPrm:", &found.permitted) ||
	    !capabilities(text, "\nCapEff:", &found.effective) || !capabilities(text, "\nCapBnd:", &found.bounding))
		return -EIO;
	found.group_count = read_groups(groups, NULL);
	struct creds *creds = malloc(sizeof(*creds) + found.group_count * sizeof(gid_t));
	if (!creds)
		return -ENOMEM;
	memcpy(creds, &found, sizeof(found));
	read_groups(groups, creds->groups);
	creds->ruid = uids[0];
	creds->euid = uids[1];
	creds->suid = uids[2];
	creds->fsuid = uids[3];
	creds->rgid = gids[0];
	creds->egid = gids[1];
	creds->sgid = gids[2];
	creds->fsgid = gids[3];
	atomic_store(&creds->references, 1);
	*ret = creds;
	return 0;
}

/* All of it, into STORAGE or, if it is long, into *RET_LONG. Returns the length or a negative errno. */
static ssize_t read_all(int fd, char storage[STATUS_USUAL], char **ret_long)
{
	size_t room = STATUS_USUAL, len = 0;
	_cleanup_free_ char *more = NULL;
	char *text = storage;

	for (;;) {
		ssize_t got = read(fd, text + len, room - 1 - len);
		if (got < 0)
			return -errno;
		len += (size_t)got;
		if (got == 0)
			break;
		if (len < room - 1)
			continue;
		if (room >= STATUS_MAX)
			return -E2BIG;
		room *= 4;
		char *bigger = realloc(more, room);
		if (!bigger)
			return -ENOMEM;
		if (!more)
			memcpy(bigger, storage, len);
		text = more = bigger;
	}
	text[len] = '\0';
	*ret_long = TAKE_PTR(more);
	return (ssize_t)len;
}

int creds_read(int proc_fd, pid_t tid, struct creds **ret)
{
	_cleanup_free_ char *long_text = NULL;
	char path[32] = "thread-self/status", usual[STATUS_USUAL];

	if (tid)
		snprintf(path, sizeof(path), "%d/status", (int)tid);
	_cleanup_close_ int fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	ssize_t len = read_all(fd, usual, &long_text);
	if (len < 0)
		return (int)len;
	return creds_parse(long_text ? long_text : usual, ret);
}

struct creds *creds_ref(struct creds *creds)
{
	atomic_fetch_add_explicit(&creds->references, 1, memory_order_relaxed);
	return creds;
}

struct creds *creds_unref(struct creds *creds)
{
	if (creds && atomic_fetch_sub(&creds->references, 1) == 1)
		free(creds);
	return NULL;
}

bool creds_same_groups(const struct creds *a, const struct creds *b)
{
	return a == b || (a->group_count == b->group_count &&
			  memcmp(a->groups, b->groups, a->group_count * sizeof(gid_t)) == 0);
}

bool creds_equal(const struct creds *a, const struct creds *b)
{
	return a == b || (a->ruid == b->ruid && a->euid == b->euid && a->suid == b->suid && a->fsuid == b->fsuid &&
			  a->rgid == b->rgid && a->egid == b->egid && a->sgid == b->sgid && a->fsgid == b->fsgid &&
			  a->inheritable == b->inheritable && a->permitted == b->permitted &&
			  a->effective == b->effective && a->bounding == b->bounding && creds_same_groups(a, b));
}
