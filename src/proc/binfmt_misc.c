/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/binfmt_misc.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/directories.h"

#define BINFMT_MISC_MAGIC 0x42494e4d
#define HEADER_BYTES 256 /* BINPRM_BUF_SIZE: magic is looked for no further */
/* A whole entry: the register line is at most 1920 bytes, its magic and mask are shown in hex. */
#define ENTRY_BYTES 8192
#define ENTRIES_MAX 4096
#define WATCHED (IN_CREATE | IN_DELETE | IN_MODIFY | IN_MOVE | IN_DELETE_SELF | IN_UNMOUNT)

/* The files of the entries that are switched on, the newest first, as the kernel asks them. */
struct entries {
	char **text;
	size_t count;
};

struct binfmt_misc {
	int proc_fd;
	pthread_mutex_t lock; /* of all below */
	/* What was at the place when ENTRIES was read. */
	bool known;
	dev_t dev;
	ino_t ino;
	bool formats; /* a binfmt_misc, then; else there are no entries */
	int watch;    /* inotify: tells of changes of ENTRIES; -EBADF: they have to be read each time */
	struct entries entries;
};

/* The rest of the line that starts with KEY, or NULL. */
static const char *entry_value(const char *entry, const char *key, size_t *ret_len)
{
	size_t key_len = strlen(key);

	while (*entry) {
		const char *end = strchrnul(entry, '\n');
		if (strncmp(entry, key, key_len) == 0) {
			*ret_len = (size_t)(end - entry) - key_len;
			return entry + key_len;
		}
		entry = *end ? end + 1 : end;
	}
	return NULL;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* Decode hex TEXT (LEN digits) into at most HEADER_BYTES bytes. Returns how many. */
static size_t decode_hex(const char *text, size_t len, unsigned char to[HEADER_BYTES])
{
	size_t count = 0;

	for (size_t i = 0; i + 1 < len && count < HEADER_BYTES; i += 2) {
		int high = hex_digit(text[i]);
		int low = hex_digit(text[i + 1]);
		if (high < 0 || low < 0)
			break;
		to[count++] = (unsigned char)(high << 4 | low);
	}
	return count;
}

static bool extension_matches(const char *extension, size_t len, const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot && strlen(dot + 1) == len && memcmp(dot + 1, extension, len) == 0;
}

static bool magic_matches(const char *entry, const char *magic_text, size_t magic_len, const void *head, size_t len)
{
	unsigned char buffer[HEADER_BYTES] = {0}, magic[HEADER_BYTES], mask[HEADER_BYTES];
	size_t text_len = 0;
	const char *offset_text = entry_value(entry, "offset ", &text_len);
	size_t offset = offset_text ? strtoul(offset_text, NULL, 10) : 0;
	size_t count = decode_hex(magic_text, magic_len, magic);
	const char *mask_text = entry_value(entry, "mask ", &text_len);

	memset(mask, 0xff, sizeof(mask));
	if (mask_text)
		decode_hex(mask_text, text_len, mask);
	memcpy(buffer, head, len < sizeof(buffer) ? len : sizeof(buffer));
	if (count == 0 || offset > sizeof(buffer) || count > sizeof(buffer) - offset)
		return false;
	for (size_t i = 0; i < count; i++) {
		if ((buffer[offset + i] ^ magic[i]) & mask[i])
			return false;
	}
	return true;
}

static void take_handler(const char *entry, struct binfmt_misc_handler *ret)
{
	size_t len = 0;
	const char *flags = entry_value(entry, "flags: ", &len);

	ret->preserve_argv0 = flags && memchr(flags, 'P', len);
	ret->open_binary = flags && memchr(flags, 'O', len);
	len = 0;
	const char *interpreter = entry_value(entry, "interpreter ", &len);
	if (len >= sizeof(ret->interpreter))
		len = sizeof(ret->interpreter) - 1;
	snprintf(ret->interpreter, sizeof(ret->interpreter), "%.*s", (int)len, interpreter ? interpreter : "");
}

bool binfmt_misc_entry_matches(const char *entry, const char *name, const void *head, size_t len,
			       struct binfmt_misc_handler *ret)
{
	size_t value_len = 0;
	bool matches;

	if (!entry_value(entry, "enabled", &value_len))
		return false;
	const char *value = entry_value(entry, "magic ", &value_len);
	if (value) {
		matches = magic_matches(entry, value, value_len, head, len);
	} else {
		value = entry_value(entry, "extension .", &value_len);
		matches = value && extension_matches(value, value_len, name);
	}
	if (matches)
		take_handler(entry, ret);
	return matches;
}

/* ---- reading ---- */

static void entries_release(struct entries *entries)
{
	for (size_t i = 0; i < entries->count; i++)
		free(entries->text[i]);
	free(entries->text);
	*entries = (struct entries){0};
}

static bool read_entry(int dirfd, const char *name, char entry[ENTRY_BYTES])
{
	_cleanup_close_ int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return false;
	ssize_t n = read(fd, entry, ENTRY_BYTES - 1);
	if (n < 0)
		return false;
	entry[n] = '\0';
	return true;
}

static void add_entry(struct entries *entries, const char *text)
{
	if (entries->count == ENTRIES_MAX)
		return;
	char **grown = realloc(entries->text, (entries->count + 1) * sizeof(*grown));
	if (!grown)
		return;
	entries->text = grown;
	grown[entries->count] = strdup(text);
	entries->count += grown[entries->count] != NULL;
}

/* All entries of the directory FD. A listing of it begins with the entry that was made last. */
static void entries_read(int fd, struct entries *entries)
{
	_cleanup_(cleanup_closedir) DIR *dir = open_directory(fd, ".");
	char text[ENTRY_BYTES];

	if (!dir || !read_entry(dirfd(dir), "status", text) || strncmp(text, "enabled", 7) != 0)
		return;
	for (struct dirent *d = readdir(dir); d; d = readdir(dir)) {
		if (d->d_name[0] == '.' && (!d->d_name[1] || (d->d_name[1] == '.' && !d->d_name[2])))
			continue;
		if (!strcmp(d->d_name, "status") || !strcmp(d->d_name, "register"))
			continue;
		if (read_entry(fd, d->d_name, text) && strncmp(text, "enabled", 7) == 0)
			add_entry(entries, text);
	}
}

static bool entries_find(const struct entries *entries, const char *name, const void *head, size_t len,
			 struct binfmt_misc_handler *ret)
{
	for (size_t i = 0; i < entries->count; i++) {
		if (binfmt_misc_entry_matches(entries->text[i], name, head, len, ret))
			return true;
	}
	return false;
}

bool binfmt_misc_find_in(int fd, const char *name, const void *head, size_t len, struct binfmt_misc_handler *ret)
{
	struct entries entries = {0};

	entries_read(fd, &entries);
	bool found = entries_find(&entries, name, head, len, ret);
	entries_release(&entries);
	return found;
}

/* ---- keeping ---- */

int binfmt_misc_new(int proc_fd, struct binfmt_misc **ret)
{
	struct binfmt_misc *formats = calloc(1, sizeof(*formats));

	if (!formats)
		return -ENOMEM;
	formats->proc_fd = proc_fd;
	formats->watch = -EBADF;
	pthread_mutex_init(&formats->lock, NULL);
	*ret = formats;
	return 0;
}

struct binfmt_misc *binfmt_misc_free(struct binfmt_misc *formats)
{
	if (!formats)
		return NULL;
	entries_release(&formats->entries);
	safe_close(formats->watch);
	pthread_mutex_destroy(&formats->lock);
	free(formats);
	return NULL;
}

static bool changed(const struct binfmt_misc *formats)
{
	char events[4096];

	return formats->watch < 0 || read(formats->watch, events, sizeof(events)) >= 0 || errno != EAGAIN;
}

/* Watch the directory FD from now on. */
static void watch(struct binfmt_misc *formats, int fd)
{
	char path[32];

	safe_close(formats->watch);
	formats->watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (formats->watch >= 0 && inotify_add_watch(formats->watch, path, WATCHED) < 0)
		formats->watch = safe_close(formats->watch);
}

/* With the lock held. Where an automount waits the open makes it happen. */
static void reread(struct binfmt_misc *formats, const struct stat *place)
{
	_cleanup_close_ int fd = openat(formats->proc_fd, "sys/fs/binfmt_misc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat stat = *place;
	struct statfs fs;

	entries_release(&formats->entries);
	formats->formats = fd >= 0 && fstatfs(fd, &fs) == 0 && fs.f_type == BINFMT_MISC_MAGIC && fstat(fd, &stat) == 0;
	formats->known = true;
	formats->dev = stat.st_dev;
	formats->ino = stat.st_ino;
	if (!formats->formats)
		return;
	watch(formats, fd); /* before it is read, so that no change is lost */
	entries_read(fd, &formats->entries);
}

bool binfmt_misc_find(struct binfmt_misc *formats, const char *name, const void *head, size_t len,
		      struct binfmt_misc_handler *ret)
{
	struct stat place;

	if (fstatat(formats->proc_fd, "sys/fs/binfmt_misc", &place, 0) < 0)
		return false;
	pthread_mutex_lock(&formats->lock);
	bool same = formats->known && place.st_dev == formats->dev && place.st_ino == formats->ino;
	if (!same || (formats->formats && changed(formats)))
		reread(formats, &place);
	bool found = entries_find(&formats->entries, name, head, len, ret);
	pthread_mutex_unlock(&formats->lock);
	return found;
}
