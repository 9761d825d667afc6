/* SPDX-License-Identifier: Apache-2.0 */
#include "crypt/freshness.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/directories.h"
#include "base/whole.h"

#define MAX_LINES    256 /* in a file: those not written for longest go */
#define MAX_PER_PATH 8   /* files that stood at one path */
#define HASH         16
#define LINE         (2 * HASH + 1 + 2 * FORMAT_ID + 1 + 20 + 1 + 2 * AEAD_TAG_SIZE + 1)
#define MAX_BYTES    (MAX_LINES * LINE)

struct line {
	uint8_t path[HASH];
	struct freshness_version version;
};

/* One file of the record. The last lines are the newest. */
struct bucket {
	char name[8];
	unsigned count;
	struct line lines[MAX_LINES + 1];
};

static void hash_path(const char *path, uint8_t hash[HASH])
{
	uint8_t all[crypto_hash_sha256_BYTES];

	crypto_hash_sha256(all, (const uint8_t *)path, strlen(path));
	memcpy(hash, all, HASH);
}

/* LEN bytes from 2 * LEN digits and the character END behind them; NULL: they are not there. */
static const char *from_hex(const char *text, size_t len, char end, uint8_t *bytes)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < 2 * len; i++, text++) {
		const char *digit = *text ? strchr(digits, *text) : NULL;

		if (!digit)
			return NULL;
		bytes[i / 2] = (uint8_t)(bytes[i / 2] << 4 | (digit - digits));
	}
	return *text == end ? text + 1 : NULL;
}

static bool parse_line(const char *text, struct line *ret_line)
{
	struct line l = {0};
	char *end;

	text = from_hex(text, HASH, ' ', l.path);
	text = text ? from_hex(text, FORMAT_ID, ' ', l.version.file_id) : NULL;
	if (!text || *text < '0' || *text > '9')
		return false;
	errno = 0;
	l.version.sequence = strtoull(text, &end, 10);
	if (errno || *end != ' ' || !from_hex(end + 1, AEAD_TAG_SIZE, '\0', l.version.tag))
		return false;
	*ret_line = l;
	return true;
}

/* All of it, MAX_BYTES at most, with a zero behind it; empty where there is none. */
static int read_text(int dir, const char *name, char *text)
{
	_cleanup_close_ int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	size_t len = 0;
	ssize_t n = 1;

	text[0] = '\0';
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	while (len < MAX_BYTES && n != 0) {
		size_t room = MAX_BYTES - len;

		n = read(fd, text + len, room);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		len += (size_t)n;
		if ((size_t)n < room)
			break; /* a file's end: it is replaced as a whole, never written to */
	}
	text[len] = '\0';
	return 0;
}

/*
 * Lines of TEXT into B, of the path with the hash ONLY alone if that is not NULL. What cannot be parsed (a file that a power
 * loss cut, say) is as if it were not there.
 */
static void parse(char *text, const uint8_t *only, struct bucket *b)
{
	char path[2 * HASH + 1] = "";

	if (only)
		sodium_bin2hex(path, sizeof(path), only, HASH);
	b->count = 0;
	for (char *line = text, *end; b->count < MAX_LINES && (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		if (!only || strncmp(line, path, 2 * HASH) == 0)
			b->count += parse_line(line, &b->lines[b->count]);
	}
}

static int load(int dir, struct bucket *b)
{
	_cleanup_free_ char *text = malloc(MAX_BYTES + 1);
	int r;

	if (!text)
		return -ENOMEM;
	r = read_text(dir, b->name, text);
	if (r == 0)
		parse(text, NULL, b);
	return r;
}

static int save(int dir, const struct bucket *b)
{
	_cleanup_free_ char *text = malloc(MAX_BYTES + 1);
	_cleanup_close_ int fd = -EBADF;
	char name[32];
	size_t len = 0;
	int r;

	if (!text)
		return -ENOMEM;
	for (unsigned i = 0; i < b->count; i++) {
		const struct line *l = &b->lines[i];
		char path[2 * HASH + 1], id[2 * FORMAT_ID + 1], tag[2 * AEAD_TAG_SIZE + 1];

		sodium_bin2hex(path, sizeof(path), l->path, HASH);
		sodium_bin2hex(id, sizeof(id), l->version.file_id, FORMAT_ID);
		sodium_bin2hex(tag, sizeof(tag), l->version.tag, AEAD_TAG_SIZE);
		len += (size_t)snprintf(text + len, MAX_BYTES + 1 - len, "%s %s %" PRIu64 " %s\n", path, id, l->version.sequence, tag);
	}
	/* Only who holds the lock writes it: one that is there was left by somebody who was killed. */
	snprintf(name, sizeof(name), ".%s.new", b->name);
	unlinkat(dir, name, 0);
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = write_whole(fd, text, len);
	if (r == 0 && renameat(dir, name, dir, b->name) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(dir, name, 0);
	return r;
}

static bool same_file(const struct line *a, const struct line *b)
{
	return memcmp(a->path, b->path, HASH) == 0 && memcmp(a->version.file_id, b->version.file_id, FORMAT_ID) == 0;
}

static void remove_line(struct bucket *b, unsigned i)
{
	memmove(&b->lines[i], &b->lines[i + 1], (b->count - i - 1) * sizeof(b->lines[0]));
	b->count--;
}

/* Put L last. False: a newer version of the file is there already. */
static bool put(struct bucket *b, const struct line *l, bool accept)
{
	unsigned others = 0;

	for (unsigned i = b->count; i-- > 0;) {
		const struct line *at = &b->lines[i];

		if (!accept && same_file(at, l) && at->version.sequence > l->version.sequence)
			return false;
		if (memcmp(at->path, l->path, HASH) == 0 && (accept || same_file(at, l) || ++others >= MAX_PER_PATH))
			remove_line(b, i);
	}
	if (b->count == MAX_LINES)
		remove_line(b, 0);
	b->lines[b->count++] = *l;
	return true;
}

/* The path's line, and the file of the record in which it stands. */
static void place(const char *path, const struct freshness_version *version, struct line *ret_line, struct bucket *b)
{
	hash_path(path, ret_line->path);
	if (version)
		ret_line->version = *version;
	snprintf(b->name, sizeof(b->name), "%02x", ret_line->path[0]);
}

int freshness_check(const char *directory, const char *path, const struct freshness_version *version,
		    enum freshness *ret_freshness, uint64_t *ret_recorded)
{
	_cleanup_free_ struct bucket *b = malloc(sizeof(*b));
	_cleanup_free_ char *text = malloc(MAX_BYTES + 1);
	enum freshness found = FRESH_UNKNOWN;
	char name[PATH_MAX];
	struct line l;
	int r;

	if (!b || !text)
		return -ENOMEM;
	place(path, version, &l, b);
	/* By one name: this is done each time that a file is opened. */
	if ((size_t)snprintf(name, sizeof(name), "%s/%s", directory, b->name) >= sizeof(name))
		return -ENAMETOOLONG;
	r = read_text(AT_FDCWD, name, text);
	if (r < 0)
		return r;
	parse(text, l.path, b);
	for (unsigned i = 0; i < b->count; i++) {
		const struct freshness_version *recorded = &b->lines[i].version;

		if (!same_file(&b->lines[i], &l)) {
			found = found == FRESH_UNKNOWN ? found : FRESH_EARLIER;
			continue;
		}
		if (ret_recorded)
			*ret_recorded = recorded->sequence;
		if (recorded->sequence > version->sequence)
			found = FRESH_OLDER;
		else if (recorded->sequence == version->sequence && memcmp(recorded->tag, version->tag, AEAD_TAG_SIZE) != 0)
			found = FRESH_OTHER;
		else
			found = FRESH_GOOD;
	}
	*ret_freshness = found;
	return 0;
}

int freshness_record(const char *directory, const char *path, const struct freshness_version *version, bool accept)
{
	_cleanup_close_ int dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_free_ struct bucket *b = malloc(sizeof(*b));
	struct line l;
	int r = 0;

	if (!b)
		return -ENOMEM;
	if (dir < 0)
		r = errno == ENOENT ? make_directories(directory, NULL) : -errno;
	if (r == 0 && dir < 0) {
		dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		r = dir < 0 ? -errno : 0;
	}
	place(path, version, &l, b);
	while (r == 0 && flock(dir, LOCK_EX) < 0)
		r = errno == EINTR ? 0 : -errno;
	if (r == 0)
		r = load(dir, b);
	if (r == 0 && put(b, &l, accept))
		r = save(dir, b);
	return r; /* closing unlocks */
}
