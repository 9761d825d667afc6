/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/swap.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"

#define DEPTH_MAX 8 /* device mapper targets on one another */

static void cleanup_fclose(FILE **file)
{
	if (*file)
		fclose(*file);
}

static void cleanup_closedir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

/* The first line of DEVICE/NAME starts with PREFIX. */
static bool attribute_starts(int device, const char *name, const char *prefix)
{
	_cleanup_close_ int fd = openat(device, name, O_RDONLY | O_CLOEXEC);
	char text[128];
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (n < 0)
		return false;
	text[n] = '\0';
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool is_memory(int device, const char *name)
{
	/* Without CONFIG_ZRAM_WRITEBACK the attribute is not there. */
	return strncmp(name, "zram", 4) == 0 &&
	       (faccessat(device, "backing_dev", F_OK, 0) < 0 || attribute_starts(device, "backing_dev", "none"));
}

/* DEVICE, a directory of sysfs, is dm-crypt, or a device mapper target on nothing else. */
static bool is_encrypted(int device, unsigned depth)
{
	_cleanup_(cleanup_closedir) DIR *slaves = NULL;
	unsigned count = 0;

	if (attribute_starts(device, "dm/uuid", "CRYPT-"))
		return true;
	if (depth == DEPTH_MAX)
		return false;
	int fd = openat(device, "slaves", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	slaves = fd < 0 ? NULL : fdopendir(fd);
	if (!slaves) {
		safe_close(fd);
		return false;
	}
	for (const struct dirent *d; (d = readdir(slaves));) {
		if (d->d_name[0] == '.')
			continue;
		_cleanup_close_ int below = openat(fd, d->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (below < 0 || !is_encrypted(below, depth + 1))
			return false;
		count++;
	}
	return count > 0;
}

/* The directory of sysfs for the device that the swap area is, or on which the swap file lies. */
static int open_device(const char *sys, const char *area, bool file)
{
	const char *slash = strrchr(area, '/');
	char path[PATH_MAX];
	struct stat stat_of;
	int n;

	if (!file)
		n = snprintf(path, sizeof(path), "%s/class/block/%s", sys, slash ? slash + 1 : area);
	else if (stat(area, &stat_of) == 0)
		n = snprintf(path, sizeof(path), "%s/dev/block/%u:%u", sys, major(stat_of.st_dev), minor(stat_of.st_dev));
	else
		return -errno;
	if (n < 0 || (size_t)n >= sizeof(path))
		return -ENAMETOOLONG;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* The kernel writes blanks and the like as \ooo. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from; to++) {
		if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] && from[3]) {
			*to = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0'));
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = '\0';
}

static bool is_safe(const char *sys, const char *area, const char *type)
{
	const char *slash = strrchr(area, '/');
	bool file = strcmp(type, "file") == 0;
	_cleanup_close_ int device = open_device(sys, area, file);

	/* What cannot be looked at is taken for a plain disk: btrfs, say, names none. */
	if (device < 0)
		return false;
	return (!file && is_memory(device, slash ? slash + 1 : area)) || is_encrypted(device, 0);
}

int swap_find_plain(const struct swap_places *places, char *name, size_t size)
{
	static const struct swap_places real = {"/proc/swaps", "/sys"};
	char line[PATH_MAX + 128], area[PATH_MAX], type[32];

	if (!places)
		places = &real;
	_cleanup_(cleanup_fclose) FILE *swaps = fopen(places->swaps, "re");
	if (!swaps)
		return errno == ENOENT ? 0 : -errno; /* a kernel without swap */
	if (!fgets(line, sizeof(line), swaps)) /* the headings */
		return 0;
	while (fgets(line, sizeof(line), swaps)) {
		if (sscanf(line, "%4095s %31s", area, type) != 2)
			return -EIO;
		unescape(area);
		if (is_safe(places->sys, area, type))
			continue;
		snprintf(name, size, "%s", area);
		return 1;
	}
	return 0;
}
