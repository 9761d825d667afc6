/* SPDX-License-Identifier: Apache-2.0 */
#include "base/open_files.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/directories.h"

/* All of a small file, as far as it fits. */
static void read_text(int dir, const char *path, char *ret_text, size_t size)
{
	_cleanup_close_ int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n;

	while (fd >= 0 && len < size - 1 && (n = read(fd, ret_text + len, size - 1 - len)) > 0)
		len += (size_t)n;
	ret_text[len] = '\0';
}

struct process_name process_name(pid_t pid)
{
	struct process_name name = {.pid = pid};
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	read_text(AT_FDCWD, path, name.command, sizeof(name.command));
	name.command[strcspn(name.command, "\n")] = '\0';
	return name;
}

void open_files_info(int process, const char *descriptor, char *ret_text, size_t size)
{
	char path[32];

	snprintf(path, sizeof(path), "fdinfo/%.16s", descriptor);
	read_text(process, path, ret_text, size);
}

/* The next name in LIST that is a number, or NULL. */
static const char *next_number(DIR *list)
{
	const struct dirent *d;

	while ((d = readdir(list)))
		if (isdigit((unsigned char)d->d_name[0]))
			return d->d_name;
	return NULL;
}

static bool process_has(int process, bool (*is)(void *data, int process, const char *descriptor), void *data)
{
	_cleanup_(cleanup_closedir) DIR *list = open_directory(process, "fdinfo");
	const char *name;

	while (list && (name = next_number(list)))
		if (is(data, process, name))
			return true;
	return false;
}

bool open_files_find(bool (*is)(void *data, int process, const char *descriptor), void *data,
		     struct process_name *ret_process)
{
	_cleanup_(cleanup_closedir) DIR *list = open_directory(AT_FDCWD, "/proc");
	const char *pid;

	while (list && (pid = next_number(list))) {
		_cleanup_close_ int process = openat(dirfd(list), pid, O_PATH | O_DIRECTORY | O_CLOEXEC);

		if (process < 0 || !process_has(process, is, data))
			continue;
		*ret_process = process_name((pid_t)strtol(pid, NULL, 10));
		return true;
	}
	return false;
}
