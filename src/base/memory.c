/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/cleanup.h"

/* The calls are not to be had at all, not even for our own memory: known once one has failed. */
static _Atomic bool by_file;

static bool calls_are_absent(void)
{
	char one = 0, other;
	struct iovec local = {&other, 1}, remote = {&one, 1};

	return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) < 0;
}

static int open_of(pid_t pid, const char *name, int flags)
{
	char path[48] = "/proc/", digits[12];
	size_t at = 6, count = 0;
	unsigned value = (unsigned)pid;

	do {
		digits[count++] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	while (count)
		path[at++] = digits[--count];
	for (; *name; name++)
		path[at++] = *name;
	path[at] = '\0';
	int fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* A line of /proc/PID/maps as it comes: "START-END rwxp ...". */
struct mapping {
	uint64_t start, end;
	bool right; /* the wanted one */
	enum { IN_START, IN_END, IN_RIGHTS, IN_REST } part;
	unsigned column; /* of the rights */
};

static void take(struct mapping *line, char c, char wanted)
{
	uint64_t *number = line->part == IN_START ? &line->start : &line->end;

	switch (line->part) {
	case IN_START:
	case IN_END:
		if (c == '-')
			line->part = IN_END;
		else if (c == ' ')
			line->part = IN_RIGHTS;
		else
			*number = *number << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
		break;
	case IN_RIGHTS:
		if (line->column++ < 3)
			line->right = line->right || c == wanted;
		else
			line->part = IN_REST;
		break;
	case IN_REST:
		break;
	}
}

/* How many of LEN bytes at ADDRESS lie in mappings with the right WANTED ('r' or 'w'), one after the other. */
static ssize_t accessible(pid_t pid, uint64_t address, size_t len, char wanted)
{
	_cleanup_close_ int fd = open_of(pid, "/maps", O_RDONLY);
	uint64_t at = address, end = address + len;
	struct mapping line = {0};
	char text[4096];
	ssize_t got;

	if (fd < 0)
		return fd;
	/* They come in order. */
	while (at < end && (got = read(fd, text, sizeof(text))) > 0) {
		for (ssize_t i = 0; i < got && at < end; i++) {
			if (text[i] != '\n') {
				take(&line, text[i], wanted);
				continue;
			}
			if (line.start > at)
				return (ssize_t)(at - address);
			if (line.end > at) {
				if (!line.right)
					return (ssize_t)(at - address);
				at = line.end;
			}
			line = (struct mapping){0};
		}
	}
	return (ssize_t)((at < end ? at : end) - address);
}

static ssize_t copy_by_file(pid_t pid, uint64_t address, void *bytes, size_t len, bool write_it)
{
	_cleanup_close_ int fd = open_of(pid, "/mem", write_it ? O_RDWR : O_RDONLY);
	ssize_t n;

	if (fd < 0)
		return fd == -EACCES ? -EPERM : fd == -ENOENT ? -ESRCH : fd;
	/* The kernel has no address up there, and an offset has no sign. */
	if (address > INT64_MAX || len > (size_t)INT64_MAX - address)
		return -EFAULT;
	n = accessible(pid, address, len, write_it ? 'w' : 'r');
	if (n <= 0)
		return n < 0 ? n : -EFAULT;
	n = write_it ? pwrite(fd, bytes, (size_t)n, (off_t)address) : pread(fd, bytes, (size_t)n, (off_t)address);
	if (n > 0)
		return n;
	/* Of a process that has ended there is nothing to be had. */
	return n == 0 ? -ESRCH : errno == EIO ? -EFAULT : -errno;
}

static ssize_t copy(pid_t pid, uint64_t address, void *bytes, size_t len, bool write_it)
{
	struct iovec local = {bytes, len};
	/* NOLINTNEXTLINE(performance-no-int-to-ptr): an address of the other process's */
	struct iovec remote = {(void *)(uintptr_t)address, len};

	if (!atomic_load_explicit(&by_file, memory_order_relaxed)) {
		ssize_t n = write_it ? process_vm_writev(pid, &local, 1, &remote, 1, 0)
				     : process_vm_readv(pid, &local, 1, &remote, 1, 0);

		if (n >= 0)
			return n;
		int error = -errno;
		if ((error != -EPERM && error != -ENOSYS) || !calls_are_absent())
			return error;
		atomic_store_explicit(&by_file, true, memory_order_relaxed);
	}
	return copy_by_file(pid, address, bytes, len, write_it);
}

ssize_t memory_read(pid_t pid, uint64_t address, void *ret, size_t len)
{
	return copy(pid, address, ret, len, false);
}

ssize_t memory_write(pid_t pid, uint64_t address, const void *bytes, size_t len)
{
	return copy(pid, address, (void *)(uintptr_t)bytes, len, true);
}
