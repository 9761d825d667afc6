/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/proctexts.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "vfs/op.h"
#include "vfs/overlay/memfd.h"
#include "vfs/overlay/pins.h"
#include "vfs/proclink.h"
#include "vfs/walk.h"

/* A hundred thousand sockets with names. */
#define TEXT_MAX ((size_t)32 << 20)

struct line {
	const char *text;
	size_t len; /* without the newline */
};

/* Where in a line the name stands. False: the line has none. */
static bool nth_word(const struct line *line, unsigned nth, struct line *ret)
{
	const char *at = line->text, *end = line->text + line->len;

	for (;; nth--) {
		while (at < end && *at == ' ')
			at++;
		const char *stop = memchr(at, ' ', (size_t)(end - at));
		if (!stop)
			stop = end;
		if (nth == 0) {
			*ret = (struct line){at, (size_t)(stop - at)};
			return stop > at;
		}
		at = stop;
	}
}

/* fs/proc_namespace.c: show_mountinfo(), show_vfsmnt(), show_vfsstat(); mm/swapfile.c: swap_show(). */
static bool name_of_mountinfo(const struct line *line, struct line *ret)
{
	return nth_word(line, 4, ret);
}

static bool name_of_mount(const struct line *line, struct line *ret)
{
	return nth_word(line, 1, ret);
}

static bool name_of_swap(const struct line *line, struct line *ret)
{
	return nth_word(line, 0, ret);
}

static bool name_of_mountstat(const struct line *line, struct line *ret)
{
	static const char before[] = " mounted on ";
	const char *at = memmem(line->text, line->len, before, sizeof(before) - 1);

	if (!at)
		return false;
	at += sizeof(before) - 1;
	const struct line rest = {at, (size_t)(line->text + line->len - at)};
	return nth_word(&rest, 0, ret);
}

/* net/unix/af_unix.c: unix_seq_show(); as it was bound, all that is left of the line. */
static bool name_of_socket(const struct line *line, struct line *ret)
{
	if (!nth_word(line, 7, ret))
		return false;
	ret->len = (size_t)(line->text + line->len - ret->text);
	return true;
}

static const struct kind {
	const char *base;
	bool of_process; /* below /proc/PID, else in /proc itself */
	bool escaped;	 /* seq_path(): blanks and the like as octal numbers */
	bool goes_on;	 /* lines without a name belong to the one before */
	bool (*name)(const struct line *line, struct line *ret);
} kinds[] = {
	{"mountinfo", true, true, false, name_of_mountinfo},
	{"mounts", true, true, false, name_of_mount},
	{"mountstats", true, true, true, name_of_mountstat},
	{"net/unix", true, false, false, name_of_socket},
	{"swaps", false, true, false, name_of_swap},
	{"locks", false, false, false, NULL},
};

static const struct kind *kind_of(const struct walk *walk)
{
	bool of_process = proclink_pid(walk->path, walk->path_len) != 0;

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		size_t len = strlen(kinds[i].base);

		if (kinds[i].of_process != of_process || walk->path_len <= len)
			continue;
		const char *at = walk->path + walk->path_len - len;
		if (at[-1] == '/' && memcmp(at, kinds[i].base, len) == 0)
			return &kinds[i];
	}
	return NULL;
}

/* Octal numbers of seq_path() undone, repeated slashes and "." taken out. 0: not an absolute name, or too long. */
static size_t plain_name(const struct kind *kind, const struct line *name, char to[PATH_MAX])
{
	size_t len = 0;

	if (name->len == 0 || name->text[0] != '/' || name->len >= PATH_MAX)
		return 0;
	for (size_t i = 0; i < name->len; i++) {
		unsigned char byte = (unsigned char)name->text[i];

		if (kind->escaped && byte == '\\' && i + 3 < name->len) {
			byte = 0;
			for (int digit = 0; digit < 3; digit++)
				byte = (unsigned char)(byte << 3 | ((name->text[++i] - '0') & 7));
		}
		bool dot = byte == '.' && len && to[len - 1] == '/' && (i + 1 == name->len || name->text[i + 1] == '/');
		if (!dot && !(byte == '/' && len && to[len - 1] == '/'))
			to[len++] = (char)byte;
	}
	while (len > 1 && to[len - 1] == '/')
		len--;
	return len;
}

static bool is_hidden_name(struct op *op, const struct kind *kind, const struct line *name)
{
	char path[PATH_MAX];
	struct match_state state;
	size_t len = plain_name(kind, name, path);

	if (len <= 1)
		return false;
	match_root(op->view->policy, &state);
	return !match_on(op->view->policy, path, 1, len, &state);
}

/* fs/locks.c: lock_get_status(): "... fe:00:9978038 0 EOF". */
static bool is_hidden_lock(struct op *op, const struct line *line)
{
	struct verdict verdict = {.visibility_rule = RULE_NONE, .content_rule = RULE_NONE, .write_rule = RULE_NONE};
	unsigned major_number, minor_number;
	unsigned long inode;
	char text[64];
	struct line word;

	for (unsigned i = 4; i < 7 && nth_word(line, i, &word); i++) {
		snprintf(text, sizeof(text), "%.*s", (int)word.len, word.text);
		if (sscanf(text, "%x:%x:%lu", &major_number, &minor_number, &inode) != 3)
			continue;
		if (pins_any(op->view->pins))
			pins_apply(op->view->pins, op->view->policy, makedev(major_number, minor_number), (ino_t)inode,
				   &verdict);
		break;
	}
	return verdict.visibility == VIS_HIDE;
}

/* All that can be read of FD, malloc'ed. */
static int read_whole(int fd, char **ret, size_t *ret_len)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0, room = 0;
	ssize_t n;

	do {
		if (len == room) {
			room = room ? 2 * room : 16384;
			char *grown = room > TEXT_MAX ? NULL : realloc(text, room);
			if (!grown)
				return -ENOMEM;
			text = grown;
		}
		n = pread(fd, text + len, room - len, (off_t)len);
		len += n > 0 ? (size_t)n : 0;
	} while (n > 0 || (n < 0 && errno == EINTR));
	if (n < 0)
		return -errno;
	*ret = TAKE_PTR(text);
	*ret_len = len;
	return 0;
}

/* Leave hidden lines out of TEXT, in place. Returns its new length. */
static size_t leave_out(struct op *op, const struct kind *kind, char *text, size_t len)
{
	size_t kept = 0, step;
	bool hidden = false;

	for (size_t at = 0; at < len; at += step) {
		const char *end = memchr(text + at, '\n', len - at);
		const struct line line = {text + at, end ? (size_t)(end - text) - at : len - at};
		struct line name;

		step = line.len + (end ? 1 : 0);
		if (!kind->name)
			hidden = is_hidden_lock(op, &line);
		else if (kind->name(&line, &name))
			hidden = is_hidden_name(op, kind, &name);
		else if (!kind->goes_on)
			hidden = false;
		if (hidden)
			continue;
		memmove(text + kept, text + at, step);
		kept += step;
	}
	return kept;
}

int proctexts_show(struct op *op, const struct walk *walk, int *fd)
{
	_cleanup_free_ char *text = NULL;
	size_t len, kept;
	int copy, error;

	if ((!op->view->needs.hide && !op->view->needs.deny) || walk->stat.st_dev != op->view->proc_dev)
		return 0;
	const struct kind *kind = kind_of(walk);
	if (!kind)
		return 0;
	error = read_whole(*fd, &text, &len);
	if (error)
		return error;
	kept = leave_out(op, kind, text, len);
	if (kept == len)
		return 0;
	error = memfd_show("scrim-text", text, kept, &copy);
	if (error)
		return error;
	safe_close(*fd);
	*fd = copy;
	return 0;
}
