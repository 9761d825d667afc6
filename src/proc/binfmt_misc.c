/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/binfmt_misc.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"

#define BINFMT_MISC_MAGIC 0x42494e4d
#define HEADER_BYTES 256 /* BINPRM_BUF_SIZE: magic is looked for no further */
/* A whole entry: the register line is at most 1920 bytes, its magic and mask are shown in hex. */
#define ENTRY_BYTES 8192

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

bool binfmt_misc_entry_matches(const char *entry, const char *name, const void *head, size_t len)
{
	size_t value_len = 0;

	if (!entry_value(entry, "enabled", &value_len))
		return false;
	const char *value = entry_value(entry, "magic ", &value_len);
	if (value)
		return magic_matches(entry, value, value_len, head, len);
	value = entry_value(entry, "extension .", &value_len);
	return value && extension_matches(value, value_len, name);
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

static void cleanup_closedir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

bool binfmt_misc_claims(int proc_fd, const char *name, const void *head, size_t len)
{
	_cleanup_close_ int fd = openat(proc_fd, "sys/fs/binfmt_misc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct statfs fs;
	char entry[ENTRY_BYTES];

	if (fd < 0 || fstatfs(fd, &fs) < 0 || fs.f_type != BINFMT_MISC_MAGIC)
		return false;
	if (!read_entry(fd, "status", entry) || strncmp(entry, "enabled", 7) != 0)
		return false;
	_cleanup_(cleanup_closedir) DIR *dir = fdopendir(fd);
	if (!dir)
		return false;
	int dir_fd = steal_fd(&fd); /* the stream owns it now */
	for (struct dirent *d = readdir(dir); d; d = readdir(dir)) {
		if (d->d_name[0] == '.' || !strcmp(d->d_name, "status") || !strcmp(d->d_name, "register"))
			continue;
		if (read_entry(dir_fd, d->d_name, entry) && binfmt_misc_entry_matches(entry, name, head, len))
			return true;
	}
	return false;
}
