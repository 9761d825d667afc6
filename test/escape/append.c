/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 41 operations against an append-only file, each through descriptors opened O_WRONLY|O_APPEND and O_RDWR|O_APPEND
 * where they go through a descriptor. A line for each:
 *
 *	NUMBER[rw] NAME RESULT WHAT
 *
 * WHAT became of the file: same, appended (exactly what the operation wrote), zeros (it only grew), changed (old bytes
 * are not what they were, or the file is not the same one), other.
 *
 *	append view|native DIR FILE OLD [WAY]: OLD holds the bytes that FILE begins with.
 *
 * WAY: how the descriptor comes to where it is used (see ways); with one only the operations that have a descriptor.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "escape.h"

#ifndef RWF_NOAPPEND
#define RWF_NOAPPEND 0x20
#endif
#ifndef FS_IOC_UNRESVSP64
#define FS_IOC_UNRESVSP64 _IOW('X', 43, struct space_range)
#define FS_IOC_ZERO_RANGE _IOW('X', 57, struct space_range)
struct space_range {
	int16_t type, whence;
	int64_t start, len;
	int32_t sysid;
	uint32_t pid;
	int32_t pad[4];
};
#endif
#define EXT4_IOC_MOVE_EXT _IOWR('f', 15, struct move_extent)
struct move_extent {
	uint32_t reserved, donor;
	uint64_t orig_start, donor_start, len, moved;
};

#define PAYLOAD 8
#define BLOCK 4096
#define FILE_MAX_BYTES (1 << 20)

static struct {
	bool native;
	const char *dir, *file;
	char *old;
	size_t old_len;
	mode_t old_mode;
	const char *payload; /* of this trial */
} at;

struct row {
	const char *name;
	void (*run)(int fd, long argument);
	long argument;
	bool by_descriptor;
};

static const char *scratch(const char *name)
{
	return in_dir(at.dir, name);
}

static const char *link_of(int fd)
{
	static char text[64];

	snprintf(text, sizeof(text), "/proc/self/fd/%d", fd);
	return text;
}

/* A file of ours that holds the payload (and no more). */
static int payload_fd(int flags)
{
	put_file(scratch("payload"), at.payload, PAYLOAD, 0644);
	return open(scratch("payload"), flags);
}

static void write_to(int fd)
{
	if (fd < 0) {
		say_value(-1);
		return;
	}
	lseek(fd, 0, SEEK_SET);
	say_value(write(fd, at.payload, PAYLOAD));
}

static void op_write(int fd, long argument)
{
	(void)argument;
	write_to(fd);
}

static void op_pwrite(int fd, long argument)
{
	(void)argument;
	say_value(pwrite(fd, at.payload, PAYLOAD, 0));
}

static void op_pwritev2(int fd, long flags)
{
	struct iovec part = {(void *)(uintptr_t)at.payload, PAYLOAD};

	say_value(syscall(SYS_pwritev2, fd, &part, 1, 0, 0, flags));
}

static void op_aio(int fd, long flags)
{
	aio_context_t context = 0;
	struct iocb cb = {.aio_lio_opcode = IOCB_CMD_PWRITE, .aio_fildes = (uint32_t)fd, .aio_buf = (uintptr_t)at.payload,
			  .aio_nbytes = PAYLOAD, .aio_rw_flags = (int)flags}, *list = &cb;
	struct io_event event;

	if (say_value(syscall(SYS_io_setup, 1, &context)) < 0)
		return;
	if (say_value(syscall(SYS_io_submit, context, 1, &list)) == 1)
		syscall(SYS_io_getevents, context, 1, 1, &event, NULL);
}

enum { SETFL_PLAIN, SETFL_JUNK, SETFL_DUP, SETFL_CHILD };

static void op_setfl(int fd, long how)
{
	long flags = syscall(SYS_fcntl, fd, F_GETFL) & ~O_APPEND;

	if (how == SETFL_CHILD) {
		int child = fork();

		if (child == 0)
			_exit(fcntl(fd, F_SETFL, flags) < 0);
		say("child %d", WEXITSTATUS(wait_for(child)));
	} else {
		say_value(syscall(SYS_fcntl, how == SETFL_DUP ? dup(fd) : fd,
				  how == SETFL_JUNK ? 0x100000000 | F_SETFL : F_SETFL, flags));
	}
	write_to(fd);
}

static void op_ftruncate(int fd, long length)
{
	say_value(ftruncate(fd, length));
}

static void op_fallocate(int fd, long mode)
{
	struct stat st;

	if (mode == 0 && fstat(fd, &st) == 0)
		say_value(fallocate(fd, 0, st.st_size, PAYLOAD));
	else
		say_value(fallocate(fd, (int)mode, 0, BLOCK));
}

enum { MAP_WRITABLE, MAP_THEN_PROTECT, MAP_THEN_REMOVE };

static void op_mmap(int fd, long how)
{
	int prot = PROT_READ | (how == MAP_THEN_PROTECT ? 0 : PROT_WRITE);
	char *map = mmap(NULL, BLOCK, prot, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED) {
		say_value(-1);
		return;
	}
	if (how == MAP_THEN_PROTECT && say_value(mprotect(map, BLOCK, PROT_READ | PROT_WRITE)) < 0)
		return;
	if (how == MAP_THEN_REMOVE)
		say_value(madvise(map, BLOCK, MADV_REMOVE));
	else
		memcpy(map, at.payload, PAYLOAD);
}

static void op_splice(int fd, long with_offset)
{
	int64_t offset = 0;
	int ends[2];

	if (pipe(ends) < 0 || write(ends[1], at.payload, PAYLOAD) != PAYLOAD)
		broken("pipe");
	say_value(syscall(SYS_splice, ends[0], NULL, fd, with_offset ? &offset : NULL, PAYLOAD, 0));
}

static void op_copy_file_range(int fd, long argument)
{
	int64_t in = 0, out = 0;

	(void)argument;
	say_value(syscall(SYS_copy_file_range, payload_fd(O_RDONLY), &in, fd, &out, PAYLOAD, 0));
}

static void op_sendfile(int fd, long argument)
{
	(void)argument;
	lseek(fd, 0, SEEK_SET);
	say_value(sendfile(fd, payload_fd(O_RDONLY), NULL, PAYLOAD));
}

static void op_clone(int fd, long range)
{
	struct file_clone_range part = {.src_fd = payload_fd(O_RDONLY), .src_length = 0};

	say_value(range ? ioctl(fd, FICLONERANGE, &part) : ioctl(fd, FICLONE, payload_fd(O_RDONLY)));
}

static void op_space(int fd, long request)
{
	struct space_range range = {.whence = SEEK_SET, .start = 0, .len = BLOCK};

	say_value(syscall(SYS_ioctl, fd, request, &range));
}

static void op_move_extent(int fd, long argument)
{
	struct move_extent move = {.len = 1};
	char zeros[BLOCK] = "";

	(void)argument;
	put_file(scratch("donor"), zeros, sizeof(zeros), 0644);
	move.donor = (uint32_t)open(scratch("donor"), O_RDWR);
	say_value(ioctl(fd, EXT4_IOC_MOVE_EXT, &move));
}

static void op_reopen(int fd, long flags)
{
	write_to(open(link_of(fd), (int)flags));
}

static void op_link_descriptor(int fd, long argument)
{
	(void)argument;
	say_value(linkat(AT_FDCWD, link_of(fd), AT_FDCWD, scratch("other"), AT_SYMLINK_FOLLOW));
	write_to(open(scratch("other"), O_WRONLY));
}

/* --- by name --- */

static void op_link(int fd, long argument)
{
	(void)fd, (void)argument;
	say_value(link(at.file, scratch("other")));
	write_to(open(scratch("other"), O_WRONLY));
}

static void op_truncate(int fd, long length)
{
	(void)fd;
	say_value(truncate(at.file, length));
}

static void op_open(int fd, long flags)
{
	int opened = open(at.file, (int)flags, 0644);

	(void)fd;
	say_value(opened);
	if (opened >= 0 && (flags & O_ACCMODE) != O_RDONLY)
		write_to(opened);
}

static void op_rename_away(int fd, long argument)
{
	(void)fd, (void)argument;
	say_value(rename(at.file, scratch("other")));
}

static void op_unlink(int fd, long argument)
{
	(void)fd, (void)argument;
	say_value(unlink(at.file));
}

static void op_rename_over(int fd, long argument)
{
	(void)fd, (void)argument;
	close(payload_fd(O_RDONLY));
	say_value(rename(scratch("payload"), at.file));
}

static void op_symlink(int fd, long argument)
{
	(void)fd, (void)argument;
	if (symlink(at.file, scratch("alias")) < 0)
		broken("symlink");
	write_to(open(scratch("alias"), O_WRONLY));
}

static void op_rdwr_pwrite(int fd, long argument)
{
	int opened = open(at.file, O_RDWR);

	(void)fd, (void)argument;
	say_value(opened < 0 ? -1 : pwrite(opened, at.payload, PAYLOAD, 0));
}

static void op_creat(int fd, long argument)
{
	(void)fd, (void)argument;
	write_to(creat(at.file, 0644));
}

/* --- beyond the 41 --- */

static void op_exchange(int fd, long argument)
{
	(void)fd, (void)argument;
	close(payload_fd(O_RDONLY));
	say_value(renameat2(AT_FDCWD, scratch("payload"), AT_FDCWD, at.file, RENAME_EXCHANGE));
}

static void op_metadata(int fd, long which)
{
	struct timespec times[2] = {{1, 0}, {1, 0}};

	(void)fd;
	switch (which) {
	case 0:
		say_value(chmod(at.file, 0600));
		break;
	case 1:
		say_value(chown(at.file, getuid(), getgid()));
		break;
	case 2:
		say_value(utimensat(AT_FDCWD, at.file, times, 0));
		break;
	case 3:
		say_value(setxattr(at.file, "user.mark", "v", 1, 0));
		break;
	}
}

static void op_metadata_descriptor(int fd, long which)
{
	struct timespec times[2] = {{1, 0}, {1, 0}};

	switch (which) {
	case 0:
		say_value(fchmod(fd, 0600));
		break;
	case 1:
		say_value(fchown(fd, getuid(), getgid()));
		break;
	case 2:
		say_value(futimens(fd, times));
		break;
	case 3:
		say_value(fsetxattr(fd, "user.mark", "v", 1, 0));
		break;
	}
}

static const struct row rows[] = {
	{"write after lseek(0)", op_write, 0, true},
	{"pwrite at 0", op_pwrite, 0, true},
	{"pwritev2 RWF_NOAPPEND", op_pwritev2, RWF_NOAPPEND, true},
	{"pwritev2", op_pwritev2, 0, true},
	{"io_submit PWRITE", op_aio, 0, true},
	{"io_submit RWF_NOAPPEND", op_aio, RWF_NOAPPEND, true},
	{"F_SETFL", op_setfl, SETFL_PLAIN, true},
	{"F_SETFL with upper bits", op_setfl, SETFL_JUNK, true},
	{"F_SETFL by dup", op_setfl, SETFL_DUP, true},
	{"F_SETFL by a child", op_setfl, SETFL_CHILD, true},
	{"ftruncate 0", op_ftruncate, 0, true},
	{"ftruncate 100", op_ftruncate, 100, true},
	{"fallocate", op_fallocate, 0, true},
	{"fallocate PUNCH_HOLE", op_fallocate, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, true},
	{"fallocate ZERO_RANGE", op_fallocate, FALLOC_FL_ZERO_RANGE, true},
	{"fallocate COLLAPSE_RANGE", op_fallocate, FALLOC_FL_COLLAPSE_RANGE, true},
	{"fallocate INSERT_RANGE", op_fallocate, FALLOC_FL_INSERT_RANGE, true},
	{"mmap writable", op_mmap, MAP_WRITABLE, true},
	{"mmap, mprotect", op_mmap, MAP_THEN_PROTECT, true},
	{"madvise REMOVE", op_mmap, MAP_THEN_REMOVE, true},
	{"splice at 0", op_splice, 1, true},
	{"splice", op_splice, 0, true},
	{"copy_file_range", op_copy_file_range, 0, true},
	{"sendfile", op_sendfile, 0, true},
	{"FICLONE", op_clone, 0, true},
	{"FICLONERANGE", op_clone, 1, true},
	{"FS_IOC_ZERO_RANGE", op_space, (long)FS_IOC_ZERO_RANGE, true},
	{"FS_IOC_UNRESVSP64", op_space, (long)FS_IOC_UNRESVSP64, true},
	{"EXT4_IOC_MOVE_EXT", op_move_extent, 0, true},
	{"open /proc/self/fd/N", op_reopen, O_WRONLY, true},
	{"link", op_link, 0, false},
	{"linkat /proc/self/fd/N", op_link_descriptor, 0, true},
	{"truncate", op_truncate, 100, false},
	{"open O_TRUNC|O_RDONLY", op_open, O_TRUNC | O_RDONLY, false},
	{"rename away", op_rename_away, 0, false},
	{"unlink", op_unlink, 0, false},
	{"rename over", op_rename_over, 0, false},
	{"write by a symlink", op_symlink, 0, false},
	{"open O_WRONLY", op_open, O_WRONLY, false},
	{"open O_RDWR, pwrite", op_rdwr_pwrite, 0, false},
	{"creat", op_creat, 0, false},
	/* More than were counted. */
	{"exchange", op_exchange, 0, false},
	{"chmod", op_metadata, 0, false},
	{"chown", op_metadata, 1, false},
	{"utimensat", op_metadata, 2, false},
	{"setxattr", op_metadata, 3, false},
	{"fchmod", op_metadata_descriptor, 0, true},
	{"fchown", op_metadata_descriptor, 1, true},
	{"futimens", op_metadata_descriptor, 2, true},
	{"fsetxattr", op_metadata_descriptor, 3, true},
	{"open /proc/self/fd/N O_RDWR", op_reopen, O_RDWR, true},
	{"open /proc/self/fd/N O_TRUNC", op_reopen, O_RDONLY | O_TRUNC, true},
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

struct attempt {
	const struct row *row;
	int flags;
};

/* --- ways of a descriptor --- */

static int way_dup(int fd, int flags)
{
	int copy = fcntl(fd, F_DUPFD, 50);

	(void)flags;
	close(fd);
	return copy;
}

/* What follows is done by a child. */
static int in_child(int child)
{
	int status;

	if (child < 0)
		broken("no child");
	if (child == 0)
		return 0;
	status = wait_for(child);
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status));
}

static int way_fork(int fd, int flags)
{
	(void)flags;
	in_child(fork());
	return fd;
}

static int way_shared(int fd, int flags)
{
	(void)flags;
	in_child((int)syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL));
	return fd;
}

static int way_reopen(int fd, int flags)
{
	int again = open(link_of(fd), flags | O_APPEND);

	close(fd);
	return again;
}

/* A child opens it, passes it over a socket and ends. */
static int way_passed(int fd, int flags)
{
	char control[CMSG_SPACE(sizeof(int))] = "", byte = 'x';
	struct iovec part = {&byte, 1};
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	int pair[2], child;

	close(fd);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		broken("socketpair");
	child = fork();
	if (child == 0) {
		fd = open(at.file, flags | O_APPEND);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(header), &fd, sizeof(int));
		_exit(fd < 0 || sendmsg(pair[0], &message, 0) != 1);
	}
	wait_for(child);
	if (recvmsg(pair[1], &message, 0) != 1)
		broken("recvmsg");
	memcpy(&fd, CMSG_DATA(header), sizeof(int));
	close(pair[0]);
	close(pair[1]);
	return fd;
}

static const struct way {
	const char *name;
	int (*go)(int fd, int flags); /* takes over FD, returns where it is now */
} ways[] = {
	{"dup", way_dup},	{"fork", way_fork},	{"shared table", way_shared},
	{"reopen", way_reopen}, {"passed", way_passed},
};

static const struct way *the_way;

static void find_way(const char *name)
{
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (strcmp(ways[i].name, name) == 0)
			the_way = &ways[i];
	if (!the_way)
		broken("no such way: %s", name);
}

static void trial(void *userdata)
{
	const struct attempt *attempt = userdata;
	int fd = -1;

	if (attempt->row->by_descriptor) {
		fd = open(at.file, attempt->flags | O_APPEND);
		if (fd < 0) {
			say("none:");
			say_value(-1);
			return;
		}
		if (the_way)
			fd = the_way->go(fd, attempt->flags);
		if (fd < 0)
			broken("the descriptor is gone");
	}
	attempt->row->run(fd, attempt->row->argument);
}

/* The content of FILE, its identity and mode, as far as they can be seen. */
struct content {
	char *bytes;
	size_t len;
	struct stat st;
};

static void look(struct content *content)
{
	int fd = open(at.file, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	content->len = 0;
	memset(&content->st, 0, sizeof(content->st));
	if (fd < 0)
		return;
	fstat(fd, &content->st);
	while (content->len < FILE_MAX_BYTES &&
	       (n = read(fd, content->bytes + content->len, FILE_MAX_BYTES - content->len)) > 0)
		content->len += (size_t)n;
	close(fd);
}

static const char *what_became(const struct content *before, const struct content *after)
{
	static const char zeros[PAYLOAD];

	if (before->st.st_ino != after->st.st_ino || before->st.st_mode != after->st.st_mode || after->len < before->len ||
	    memcmp(before->bytes, after->bytes, before->len) != 0 || before->st.st_nlink != after->st.st_nlink ||
	    after->st.st_mtim.tv_sec < before->st.st_mtim.tv_sec)
		return "changed";
	if (before->len == after->len)
		return "same";
	if (after->len != before->len + PAYLOAD)
		return "other";
	if (memcmp(after->bytes + before->len, at.payload, PAYLOAD) == 0)
		return "appended";
	return memcmp(after->bytes + before->len, zeros, PAYLOAD) == 0 ? "zeros" : "other";
}

static void attempt_one(unsigned index, int flags)
{
	static struct content before, after;
	struct attempt attempt = {&rows[index], flags};
	char payload[PAYLOAD + 1], number[16];
	const char *result;

	if (!before.bytes) {
		before.bytes = malloc(FILE_MAX_BYTES);
		after.bytes = malloc(FILE_MAX_BYTES);
	}
	snprintf(number, sizeof(number), "%u%s", index + 1, flags == O_RDWR ? "rw" : "");
	snprintf(payload, sizeof(payload), "<%5.5s>\n", number);
	at.payload = payload;
	if (at.native)
		put_file(at.file, at.old, at.old_len, at.old_mode);
	look(&before);
	result = run_trial(trial, &attempt);
	look(&after);
	printf("%s\t%s\t%s\t%s\n", number, rows[index].name, result, what_became(&before, &after));
	/* What the operation left; refused ones leave nothing. */
	unlink(scratch("other"));
	unlink(scratch("alias"));
}

int main(int argc, char **argv)
{
	struct stat st;
	int fd;

	check_identity();
	if (argc != 5 && argc != 6)
		broken("usage: append view|native DIR FILE OLD [WAY]");
	if (argc == 6)
		find_way(argv[5]);
	at.native = strcmp(argv[1], "native") == 0;
	at.dir = argv[2];
	at.file = argv[3];
	fd = open(argv[4], O_RDONLY);
	if (fd < 0 || fstat(fd, &st) < 0 || stat(at.file, &st) < 0)
		broken("cannot open %s or %s", argv[3], argv[4]);
	at.old = malloc(FILE_MAX_BYTES);
	at.old_len = (size_t)read(fd, at.old, FILE_MAX_BYTES);
	at.old_mode = st.st_mode & 07777;
	close(fd);
	for (unsigned i = 0; i < ROWS; i++) {
		if (the_way && !rows[i].by_descriptor)
			continue;
		attempt_one(i, O_WRONLY);
		if (rows[i].by_descriptor)
			attempt_one(i, O_RDWR);
	}
	return 0;
}
