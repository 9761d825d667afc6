/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mounts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"

static void close_file(FILE **file)
{
	if (*file)
		fclose(*file);
}

/* Space, tab, newline and backslash stand as \ooo. */
static void unescape(char *text)
{
	char *to = text;

	for (; *text; text++) {
		if (text[0] == '\\' && text[1] >= '0' && text[1] <= '3' && text[2] >= '0' && text[2] <= '7' && text[3] >= '0' &&
		    text[3] <= '7') {
			*to++ = (char)((text[1] - '0') * 64 + (text[2] - '0') * 8 + text[3] - '0');
			text += 3;
		} else {
			*to++ = *text;
		}
	}
	*to = '\0';
}

/* "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw": false: not one. */
static bool parse(char *line, struct mount *ret)
{
	char *end = strstr(line, " - "), *save = NULL, *type;
	unsigned numbers[2];
	char *field[5];

	if (!end)
		return false;
	*end = '\0';
	type = end + 3;
	type[strcspn(type, " \n")] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(field); i++) {
		field[i] = strtok_r(i ? NULL : line, " ", &save);
		if (!field[i])
			return false;
	}
	if (sscanf(field[2], "%u:%u", &numbers[0], &numbers[1]) != 2)
		return false;
	unescape(field[4]);
	*ret = (struct mount){.device = makedev(numbers[0], numbers[1]), .path = field[4], .type = type};
	return true;
}

int mounts_each(int (*each)(const struct mount *mount, void *data), void *data)
{
	_cleanup_(close_file) FILE *file = fopen("/proc/self/mountinfo", "re");
	_cleanup_free_ char *line = NULL;
	size_t size = 0;

	if (!file)
		return -errno;
	while (getline(&line, &size, file) > 0) {
		struct mount mount;
		int r = parse(line, &mount) ? each(&mount, data) : 0;

		if (r)
			return r;
	}
	return ferror(file) ? -EIO : 0;
}

bool mount_type_is(const char *type, const char *name)
{
	size_t len = strlen(name);

	return strncmp(type, name, len) == 0 && (type[len] == '\0' || type[len] == '.');
}
