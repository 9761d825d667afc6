/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel mapped for a new image: the approved files and no other. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"
#include "intercept/steer/image.h"
#include "proc/procmap_query.h"

struct mapped_file {
	uint64_t dev, ino;
};

/*
 * /proc/PID/maps shows the device of the superblock, stat() on btrfs and overlayfs one of their own; both are then
 * without a real device (major 0), and the inode number decides.
 */
static bool same_file(const struct mapped_file *wanted, uint64_t dev, uint64_t ino)
{
	if (wanted->ino == 0 || wanted->ino != ino)
		return false;
	return wanted->dev == dev || (major(wanted->dev) == 0 && major(dev) == 0);
}

struct maps_check {
	struct mapped_file exe, interp;
	bool exe_seen, interp_seen, stranger;
};

static void check_line(struct maps_check *check, const char *line)
{
	uint64_t start, end, offset, ino;
	unsigned dev_major, dev_minor;
	char rights[5];
	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %x:%x %" SCNu64, &start, &end, rights, &offset,
		   &dev_major, &dev_minor, &ino) != 7) {
		check->stranger = true;
		return;
	}
	uint64_t dev = makedev(dev_major, dev_minor);
	if (dev == 0 && ino == 0 && start >= GUARD_END)
		return;
	if (start < GUARD_END)
		check->stranger = true;
	else if (same_file(&check->exe, dev, ino))
		check->exe_seen = true;
	else if (same_file(&check->interp, dev, ino))
		check->interp_seen = true;
	else
		check->stranger = true;
}

/* Are exactly the approved files mapped? 0 or -EACCES. */
static int verify_all_maps(pid_t tid, struct maps_check *check)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/maps", tid);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -EACCES;
	char text[8192];
	size_t have = 0;
	for (;;) {
		ssize_t got = read(fd, text + have, sizeof(text) - 1 - have);
		if (got < 0)
			return -EACCES;
		if (got == 0)
			break;
		have += (size_t)got;
		text[have] = 0;
		char *line = text;
		for (char *end; (end = strchr(line, '\n')); line = end + 1) {
			*end = 0;
			check_line(check, line);
		}
		have -= (size_t)(line - text);
		if (have == sizeof(text) - 1)
			return -EACCES; /* no path is as long */
		memmove(text, line, have);
	}
	bool interp_right = check->interp.ino == 0 || check->interp_seen;
	/* An interpreter that is the program itself (ld.so run by name) counts as the program. */
	interp_right = interp_right || same_file(&check->exe, check->interp.dev, check->interp.ino);
	return have == 0 && !check->stranger && check->exe_seen && interp_right ? 0 : -EACCES;
}

/* The file that is mapped at ADDRESS. False when it cannot be asked, or when there is none. */
static bool file_at(pid_t tid, uint64_t address, uint64_t *ret_dev, uint64_t *ret_ino)
{
	struct procmap_query query = {.size = sizeof(query), .query_addr = address};
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/maps", tid);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, PROCMAP_QUERY_IOCTL, &query) < 0)
		return false;
	*ret_dev = makedev(query.dev_major, query.dev_minor);
	*ret_ino = query.inode;
	return true;
}

/* load_elf_binary() maps two files at most: the one that /proc/PID/exe tells, and the one in which the image starts. */
static bool usual_maps(pid_t tid, uint64_t rip, const struct maps_check *check)
{
	const struct mapped_file *starts = check->interp.ino ? &check->interp : &check->exe;
	uint64_t dev, ino;
	struct stat exe;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/exe", tid);
	if (stat(path, &exe) < 0 || exe.st_dev != check->exe.dev || exe.st_ino != check->exe.ino)
		return false;
	return file_at(tid, rip, &dev, &ino) && same_file(starts, dev, ino);
}

int image_verify(const struct image *image, const struct exec_plan *plan)
{
	const struct tracee *t = image->t;
	struct maps_check check = {
		.exe = {plan->exe_dev, plan->exe_ino},
		.interp = {plan->interp_dev, plan->interp_ino},
	};

	return usual_maps(t->tid, t->saved.rip, &check) ? 0 : verify_all_maps(t->tid, &check);
}
