/* SPDX-License-Identifier: Apache-2.0 */
/* What a call returned, without what is different in every run. */
#include "differential.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/stat.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#define OBJECTS 4096
#define UNTOUCHED 0x5a
#define SHOWN 4200

static struct object {
	uint64_t device, inode;
} objects[OBJECTS];
static unsigned object_count;

unsigned object_number(uint64_t device, uint64_t inode)
{
	for (unsigned i = 0; i < object_count; i++)
		if (objects[i].device == device && objects[i].inode == inode)
			return i;
	if (object_count == OBJECTS)
		return OBJECTS;
	objects[object_count] = (struct object){device, inode};
	return object_count++;
}

/* Of the file system the tree is on. */
static uint64_t tree_device(void)
{
	static uint64_t device;
	struct stat st;

	if (!device && stat(scene.tree, &st) == 0)
		device = st.st_dev;
	return device;
}

void describe_time(FILE *out, int64_t seconds, int64_t nanoseconds)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (seconds > now.tv_sec + 3600 || seconds < scene.begin.tv_sec - 600)
		fprintf(out, " %" PRId64 ".%09" PRId64, seconds, nanoseconds);
	else if (seconds < scene.begin.tv_sec || (seconds == scene.begin.tv_sec && nanoseconds < scene.begin.tv_nsec))
		fputs(" before", out);
	else
		fputs(" now", out);
}

static bool replace(FILE *out, const char **at, const char *end, const char *from, const char *to)
{
	size_t length = strlen(from);

	if (length == 0 || (size_t)(end - *at) < length || memcmp(*at, from, length) != 0)
		return false;
	fputs(to, out);
	*at += length;
	return true;
}

static bool is_number(const char *at, const char *end)
{
	return at < end && *at >= '0' && *at <= '9';
}

void describe_text(FILE *out, const char *text, size_t length)
{
	const char *begin = text, *end = text + length;
	putc('"', out);
	while (text < end) {
		bool number = replace(out, &text, end, ":[", ":[") || replace(out, &text, end, "/#", "/NUMBER") ||
			      (text == begin && replace(out, &text, end, "#", "NUMBER")) ||
			      (is_number(text + 6, end) && replace(out, &text, end, "/proc/", "/proc/PID")) ||
			      (is_number(text + 6, end) && replace(out, &text, end, "/task/", "/task/TID"));

		/* Of pipes and sockets, of files without a name, of processes. */
		while (number && text < end && *text >= '0' && *text <= '9')
			text++;
		if (number)
			continue;
		if (replace(out, &text, end, scene.tree, "@"))
			continue;
		if ((unsigned char)*text < ' ' || (unsigned char)*text >= 0x7f || *text == '#')
			fprintf(out, "\\x%02x", (unsigned char)*text++);
		else
			putc(*text++, out);
	}
	putc('"', out);
}

static void show_stat(const struct stat *st)
{
	FILE *out = scene.trace;

	fprintf(out, " %o %u:%u dev %u:%u", st->st_mode, st->st_uid, st->st_gid, major(st->st_dev), minor(st->st_dev));
	if (st->st_dev != tree_device())
		return;
	fprintf(out, " #%u", object_number(st->st_dev, st->st_ino));
	/* Not of the tree. */
	if (st->st_ctim.tv_sec < scene.begin.tv_sec - 600)
		return;
	fprintf(out, " nlink %lu size %ld blocks %ld blksize %ld rdev %lx", (unsigned long)st->st_nlink, (long)st->st_size,
		(long)st->st_blocks, (long)st->st_blksize, (unsigned long)st->st_rdev);
	describe_time(out, st->st_atim.tv_sec, st->st_atim.tv_nsec);
	describe_time(out, st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
	describe_time(out, st->st_ctim.tv_sec, st->st_ctim.tv_nsec);
}

static void show_statx(const struct statx *stx)
{
	FILE *out = scene.trace;
	const struct statx_timestamp *times[] = {&stx->stx_atime, &stx->stx_mtime, &stx->stx_ctime, &stx->stx_btime};

	fprintf(out, " mask %#x attributes %#" PRIx64 "/%#" PRIx64 " %o %u:%u dev %u:%u", stx->stx_mask, (uint64_t)stx->stx_attributes,
		(uint64_t)stx->stx_attributes_mask, stx->stx_mode, stx->stx_uid, stx->stx_gid, stx->stx_dev_major, stx->stx_dev_minor);
	if (makedev(stx->stx_dev_major, stx->stx_dev_minor) != tree_device())
		return;
	fprintf(out, " #%u", object_number(tree_device(), stx->stx_ino));
	if (stx->stx_mask & STATX_CTIME && stx->stx_ctime.tv_sec < scene.begin.tv_sec - 600)
		return;
	fprintf(out, " nlink %u size %" PRIu64 " blocks %" PRIu64 " blksize %u rdev %x:%x", stx->stx_nlink, (uint64_t)stx->stx_size,
		(uint64_t)stx->stx_blocks, stx->stx_blksize, stx->stx_rdev_major, stx->stx_rdev_minor);
	for (size_t i = 0; i < 4; i++)
		describe_time(out, times[i]->tv_sec, times[i]->tv_nsec);
	fputs(" rest ", out);
	/* Of newer kernels too, by what they are: bytes that are the same for the same object. */
	for (size_t i = offsetof(struct statx, stx_mnt_id); i < sizeof(*stx); i++)
		fprintf(out, "%02x", ((const unsigned char *)stx)[i]);
}

static void show_statfs(const struct statfs *fs)
{
	fprintf(scene.trace, " type %lx bsize %ld frsize %ld namelen %ld flags %lx fsid %x:%x blocks %ld", (unsigned long)fs->f_type,
		(long)fs->f_bsize, (long)fs->f_frsize, (long)fs->f_namelen, (unsigned long)fs->f_flags, fs->f_fsid.__val[0],
		fs->f_fsid.__val[1], (long)fs->f_blocks);
}

/* Nothing that the kernel would not have written may be written. */
static void show_touched(const unsigned char *buffer, size_t from, size_t size)
{
	for (size_t i = from; i < size; i++) {
		if (buffer[i] == UNTOUCHED)
			continue;
		fprintf(scene.trace, " touched at %zu", i);
		return;
	}
}

static void show_bytes(const unsigned char *buffer, size_t length, size_t size)
{
	length = length < size ? length : size;
	putc(' ', scene.trace);
	describe_text(scene.trace, (const char *)buffer, length < SHOWN ? length : SHOWN);
	show_touched(buffer, length, size);
}

static void show_entry(uint64_t inode, uint64_t offset, unsigned length, unsigned type, const char *name)
{
	fprintf(scene.trace, " [#%u %" PRIx64 " %u %u ", object_number(tree_device(), inode), offset, length, type);
	describe_text(scene.trace, name, strnlen(name, 256));
	putc(']', scene.trace);
}

/* Of the tree? Of others nothing but the success is compared. */
bool describe_of_tree(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_dev == tree_device() && st.st_ctim.tv_sec >= scene.begin.tv_sec - 600;
}

int64_t describe_entries(const unsigned char *buffer, size_t length, bool old)
{
	size_t at = 0;
	int64_t last = 0;

	while (at + 19 < length) {
		const unsigned char *entry = buffer + at;
		uint64_t inode, offset;
		uint16_t reclen;

		memcpy(&inode, entry, 8);
		memcpy(&offset, entry + 8, 8);
		memcpy(&reclen, entry + 16, 2);
		if (reclen < 19 || at + reclen > length) {
			fputs(" broken", scene.trace);
			return -1;
		}
		show_entry(inode, offset, reclen, old ? entry[reclen - 1] : entry[18], (const char *)entry + (old ? 18 : 19));
		at += reclen;
		last = (int64_t)offset;
	}
	return last;
}

static void show_events(const unsigned char *buffer, size_t length)
{
	size_t at = 0;

	while (at + sizeof(struct inotify_event) <= length) {
		struct inotify_event event;

		memcpy(&event, buffer + at, sizeof(event));
		/* It may be a file that was read. */
		if (event.len > length - at - sizeof(event)) {
			fputs(" no events", scene.trace);
			return;
		}
		/* Cookies are numbered for the whole machine. */
		fprintf(scene.trace, " [%d %x %s %u ", event.wd, event.mask, event.cookie ? "cookie" : "-", event.len);
		describe_text(scene.trace, (const char *)buffer + at + sizeof(event),
			      strnlen((const char *)buffer + at + sizeof(event), event.len));
		putc(']', scene.trace);
		at += sizeof(event) + event.len;
	}
}

static void show_fd(int fd)
{
	char name[64], link[4200], bytes[17] = "";
	int flags = fcntl(fd, F_GETFL);
	struct stat st;
	long length;

	fprintf(scene.trace, " fl:%#x:%d pos %ld", flags, fcntl(fd, F_GETFD), (long)lseek(fd, 0, SEEK_CUR));
	if (syscall(SYS_fstat, fd, &st) == 0)
		show_stat(&st);
	else
		fprintf(scene.trace, " fstat %s", strerrorname_np(errno));
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	length = syscall(SYS_readlink, name, link, sizeof(link));
	fputs(" at ", scene.trace);
	if (length >= 0)
		describe_text(scene.trace, link, (size_t)length);
	if (S_ISREG(st.st_mode)) {
		length = pread(fd, bytes, 16, 0);
		fputs(length < 0 ? " unreadable " : " holds ", scene.trace);
		describe_text(scene.trace, bytes, length < 0 ? 0 : (size_t)length);
	}
}

static void show_cwd(void)
{
	char path[4200];
	long length = syscall(SYS_getcwd, path, sizeof(path));

	fputs(" cwd ", scene.trace);
	if (length < 0)
		fputs(strerrorname_np(errno), scene.trace);
	else
		describe_text(scene.trace, path, (size_t)length - 1);
}

static void show_address(const unsigned char *buffer, size_t size, const unsigned char *length_at)
{
	uint32_t length;

	memcpy(&length, length_at, sizeof(length));
	/* A name that the kernel chose: five digits behind a NUL. */
	if (length == 8 && size >= 3 && buffer[2] == '\0') {
		fputs(" autobound", scene.trace);
		return;
	}
	fprintf(scene.trace, " length %u", length);
	show_bytes(buffer, length < size ? length : size, size);
}

bool describe_is_own_number(const struct op *op, long result)
{
	char number[32];
	size_t size;
	const unsigned char *buffer = run_buffer(op->kind->args[0] == 'd' ? 2 : 1, &size);

	if (op->kind->show != SHOW_BYTES || op->args[op->kind->args[0] == 'd' ? 2 : 1].form != FORM_BUFFER)
		return false;
	return snprintf(number, sizeof(number), "%d", (int)getpid()) == result && result <= (long)size &&
	       memcmp(buffer, number, (size_t)result) == 0;
}

static int buffer_of(const struct op *op)
{
	for (int i = 0; i < KIND_ARGS && op->kind->args[i]; i++)
		if (op->args[i].form == FORM_BUFFER || op->args[i].form == FORM_XATTR)
			return i;
	return -1;
}

void describe(const struct op *op, long result)
{
	int at = buffer_of(op);
	size_t size = 0, length_size;
	const unsigned char *buffer = at >= 0 ? run_buffer(at, &size) : NULL;
	union {
		struct stat stat;
		struct statx statx;
		struct statfs statfs;
	} copy;

	if (result < 0) {
		if (buffer && op->args[at].form == FORM_BUFFER)
			show_touched(buffer, 0, size);
		return;
	}
	memset(&copy, 0, sizeof(copy));
	if (buffer)
		memcpy(&copy, buffer, size < sizeof(copy) ? size : sizeof(copy));
	switch (op->kind->show) {
	case SHOW_STATUS:
	case SHOW_NOTHING:
		if (at >= 0 && op->args[at].form == FORM_XATTR)
			show_bytes(buffer, (size_t)result, size);
		break;
	case SHOW_FD:
		show_fd((int)result);
		break;
	case SHOW_STAT:
		show_stat(&copy.stat);
		break;
	case SHOW_STATX:
		show_statx(&copy.statx);
		break;
	case SHOW_STATFS:
		show_statfs(&copy.statfs);
		break;
	case SHOW_BYTES:
		if (buffer && !describe_is_own_number(op, result))
			show_bytes(buffer, (size_t)result, size);
		break;
	case SHOW_EVENTS:
		if (buffer)
			show_events(buffer, (size_t)result);
		break;
	case SHOW_CWD:
		show_cwd();
		break;
	case SHOW_ADDRESS:
		if (buffer)
			show_address(buffer, size, run_buffer(2, &length_size));
		break;
	case SHOW_PROGRAM:
		putc(' ', scene.trace);
		describe_text(scene.trace, run_program_output(), strlen(run_program_output()));
		break;
	}
}
