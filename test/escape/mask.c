/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A masked file by every way of reading, measuring and changing it. A line for each:
 *
 *	read WAY ok|what was wrong          stat WAY dev ino mode nlink uid gid size mtime
 *	change WAY result                   write WAY result (write=discard)
 *
 *	mask FILE EXPECTED SCRATCH: EXPECTED holds what FILE must show.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/stat.h>
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
#include <sys/xattr.h>
#include <unistd.h>

#include "escape.h"

#define BYTES_MAX (1 << 20)

static struct {
	const char *file, *dir, *base;
	char *wanted, *got;
	size_t wanted_len;
	int parent;
} at;

static const char *scratch(const char *name)
{
	return in_dir(at.dir, name);
}

static const char *link_of(int fd)
{
	static char text[2][64];
	static unsigned turn;
	char *at_text = text[turn++ % 2];

	snprintf(at_text, sizeof(text[0]), "/proc/self/fd/%d", fd);
	return at_text;
}

static void compare(ssize_t len)
{
	if (len < 0)
		say_value(-1);
	else if ((size_t)len != at.wanted_len)
		say("%zd bytes, not %zu: %.60s", len, at.wanted_len, at.got);
	else if (memcmp(at.got, at.wanted, at.wanted_len) != 0)
		say("other bytes: %.60s", at.got);
	else
		say("ok");
}

/* Everything from FD by read(2). */
static ssize_t all_of(int fd)
{
	size_t len = 0;
	ssize_t n;

	if (fd < 0)
		return -1;
	while ((n = read(fd, at.got + len, BYTES_MAX - len)) > 0)
		len += (size_t)n;
	return n < 0 ? n : (ssize_t)len;
}

static void by_open(long flags, const char *text)
{
	(void)text;
	compare(all_of((int)syscall(SYS_open, at.file, flags)));
}

static void by_openat(long flags, const char *text)
{
	(void)text;
	compare(all_of(openat(at.parent, at.base, (int)flags)));
}

static void by_pread(long argument, const char *text)
{
	int fd = open(at.file, O_RDONLY);
	size_t len = 0;
	ssize_t n;

	(void)argument, (void)text;
	while ((n = pread(fd, at.got + len, 7, (off_t)len)) > 0)
		len += (size_t)n;
	compare(n < 0 ? n : (ssize_t)len);
}

static void by_preadv2(long argument, const char *text)
{
	struct iovec parts[2] = {{at.got, 5}, {at.got + 5, BYTES_MAX - 5}};

	(void)argument, (void)text;
	compare(preadv2(open(at.file, O_RDONLY), parts, 2, 0, 0));
}

static void by_mmap(long flags, const char *text)
{
	int fd = open(at.file, O_RDONLY);
	struct stat st;
	char *map;

	(void)text;
	if (fstat(fd, &st) < 0)
		broken("fstat");
	map = mmap(NULL, st.st_size ? (size_t)st.st_size : 1, PROT_READ, (int)flags, fd, 0);
	if (map == MAP_FAILED) {
		say_value(-1);
		return;
	}
	memcpy(at.got, map, (size_t)st.st_size);
	compare(st.st_size);
}

/* Through another file or a pipe. */
static void by_copy(long nr, const char *text)
{
	int in = open(at.file, O_RDONLY), out = open(scratch("copy"), O_RDWR | O_CREAT | O_TRUNC, 0600);
	int ends[2];
	ssize_t n = 0;
	bool once = true;

	(void)text;
	if (nr == SYS_splice) {
		if (pipe(ends) < 0)
			broken("pipe");
		while ((n = splice(in, NULL, ends[1], NULL, 4096, 0)) > 0)
			if (splice(ends[0], NULL, out, NULL, (size_t)n, 0) != n)
				broken("splice");
	} else if (nr == SYS_sendfile) {
		while ((n = sendfile(out, in, NULL, 4096)) > 0)
			;
	} else {
		while ((n = copy_file_range(in, NULL, out, NULL, 4096, 0)) > 0)
			once = false;
		/* Between two kinds of file system: the kernel says so, and programs fall back. */
		if (n < 0 && errno == EXDEV && once) {
			say("ok");
			return;
		}
	}
	if (n < 0) {
		say_value(-1);
		return;
	}
	lseek(out, 0, SEEK_SET);
	compare(all_of(out));
}

static void by_reopen(long flags, const char *text)
{
	int fd = open(at.file, (int)flags);

	if (fd < 0) {
		say_value(-1);
		return;
	}
	if (strcmp(text, "self") == 0) {
		compare(all_of(open(link_of(fd), O_RDONLY)));
	} else if (strcmp(text, "dev") == 0) {
		char name[64];

		snprintf(name, sizeof(name), "/dev/fd/%d", fd);
		compare(all_of(open(name, O_RDONLY)));
	} else if (strcmp(text, "pid") == 0) {
		char name[64];

		snprintf(name, sizeof(name), "/proc/%d/task/%d/fd/%d", getpid(), (int)syscall(SYS_gettid), fd);
		compare(all_of(open(name, O_RDONLY)));
	} else if (strcmp(text, "dup") == 0) {
		compare(all_of(dup(fd)));
	} else { /* the path that the link names */
		char name[4096];
		ssize_t n = readlink(link_of(fd), name, sizeof(name) - 1);

		name[n < 0 ? 0 : n] = '\0';
		if (strcmp(name, at.file) != 0)
			say("readlink says %s", name);
		else
			compare(all_of(open(name, O_RDONLY)));
	}
}

static void by_symlink(long argument, const char *text)
{
	(void)argument, (void)text;
	unlink(scratch("alias"));
	if (symlink(at.file, scratch("alias")) < 0)
		broken("symlink");
	compare(all_of(open(scratch("alias"), O_RDONLY)));
}

static void by_child(long argument, const char *text)
{
	int ends[2], fd = open(at.file, O_RDONLY), child;

	(void)argument, (void)text;
	if (pipe(ends) < 0)
		broken("pipe");
	child = fork();
	if (child == 0) {
		dup2(fd, 0);
		dup2(ends[1], 1);
		execl("/bin/cat", "cat", NULL);
		_exit(1);
	}
	close(ends[1]);
	compare(all_of(ends[0]));
	wait_for(child);
}

static void by_socket(long argument, const char *text)
{
	char control[CMSG_SPACE(sizeof(int))] = "", byte = 'x';
	struct iovec part = {&byte, 1};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	int pair[2], fd = open(at.file, O_RDONLY);

	(void)argument, (void)text;
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(int));
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0 || sendmsg(pair[0], &message, 0) != 1 ||
	    recvmsg(pair[1], &message, 0) != 1)
		broken("SCM_RIGHTS");
	memcpy(&fd, CMSG_DATA(header), sizeof(int));
	compare(all_of(fd));
}

/* The end, and what is said to be left to read. */
static void by_end(long argument, const char *text)
{
	int fd = open(at.file, O_RDONLY), left = -1;
	off_t end = lseek(fd, 0, SEEK_END);

	(void)argument, (void)text;
	lseek(fd, 0, SEEK_SET);
	if (ioctl(fd, FIONREAD, &left) < 0 || (size_t)left != at.wanted_len || (size_t)end != at.wanted_len)
		say("end %ld, left %d", (long)end, left);
	else
		say("ok");
}

struct way {
	const char *name;
	void (*run)(long argument, const char *text);
	long argument;
	const char *text;
};

static const struct way reads[] = {
	{"open", by_open, O_RDONLY, NULL},
	{"open O_NOFOLLOW|O_NONBLOCK", by_open, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, NULL},
	{"open O_APPEND", by_open, O_RDONLY | O_APPEND, NULL},
	{"open O_CREAT", by_open, O_RDONLY | O_CREAT, NULL},
	{"openat", by_openat, O_RDONLY, NULL},
	{"pread", by_pread, 0, NULL},
	{"preadv2", by_preadv2, 0, NULL},
	{"mmap private", by_mmap, MAP_PRIVATE, NULL},
	{"mmap shared", by_mmap, MAP_SHARED, NULL},
	{"sendfile", by_copy, SYS_sendfile, NULL},
	{"splice", by_copy, SYS_splice, NULL},
	{"copy_file_range", by_copy, SYS_copy_file_range, NULL},
	{"/proc/self/fd", by_reopen, O_RDONLY, "self"},
	{"/dev/fd", by_reopen, O_RDONLY, "dev"},
	{"/proc/PID/task/TID/fd", by_reopen, O_RDONLY, "pid"},
	{"O_PATH, /proc/self/fd", by_reopen, O_PATH, "self"},
	{"O_PATH, /dev/fd", by_reopen, O_PATH, "dev"},
	{"O_PATH|O_NOFOLLOW, /proc/self/fd", by_reopen, O_PATH | O_NOFOLLOW, "self"},
	{"dup", by_reopen, O_RDONLY, "dup"},
	{"readlink of the descriptor", by_reopen, O_RDONLY, "link"},
	{"readlink of O_PATH", by_reopen, O_PATH, "link"},
	{"symlink", by_symlink, 0, NULL},
	{"a child's standard input", by_child, 0, NULL},
	{"SCM_RIGHTS", by_socket, 0, NULL},
	{"SEEK_END, FIONREAD", by_end, 0, NULL},
};

static void say_stat(long value, const struct stat *st)
{
	if (value < 0)
		say_value(value);
	else
		say("%lu %lu %o %lu %u %u %ld %ld", (unsigned long)st->st_dev, (unsigned long)st->st_ino, st->st_mode,
		    (unsigned long)st->st_nlink, st->st_uid, st->st_gid, (long)st->st_size, (long)st->st_mtim.tv_sec);
}

/* The descriptor that a stat is asked of: opened with FLAGS, or -1. */
static void stat_descriptor(long flags, const char *text)
{
	int fd = open(at.file, (int)flags);
	struct stat st;

	if (strcmp(text, "fstat") == 0)
		say_stat(syscall(SYS_fstat, fd, &st), &st);
	else if (strcmp(text, "empty") == 0)
		say_stat(syscall(SYS_newfstatat, fd, "", &st, AT_EMPTY_PATH), &st);
	else
		say_stat(syscall(SYS_stat, link_of(fd), &st), &st);
}

static void stat_path(long nr, const char *text)
{
	struct stat st;

	if (nr == SYS_newfstatat)
		say_stat(syscall(nr, at.parent, at.base, &st, text ? AT_SYMLINK_NOFOLLOW : 0), &st);
	else
		say_stat(syscall(nr, at.file, &st), &st);
}

static void stat_statx(long flags, const char *text)
{
	int fd = text ? open(at.file, O_RDONLY) : AT_FDCWD;
	struct statx sx;
	struct stat st = {0};
	long value = syscall(SYS_statx, fd, text ? text : at.file, flags, STATX_BASIC_STATS, &sx);

	st.st_dev = (dev_t)(sx.stx_dev_major << 8 | (sx.stx_dev_minor & 0xff));
	st.st_ino = sx.stx_ino;
	st.st_mode = sx.stx_mode;
	st.st_nlink = sx.stx_nlink;
	st.st_uid = sx.stx_uid;
	st.st_gid = sx.stx_gid;
	st.st_size = (off_t)sx.stx_size;
	st.st_mtim.tv_sec = sx.stx_mtime.tv_sec;
	say_stat(value, &st);
}

static const struct way stats[] = {
	{"stat", stat_path, SYS_stat, NULL},
	{"lstat", stat_path, SYS_lstat, NULL},
	{"newfstatat", stat_path, SYS_newfstatat, NULL},
	{"newfstatat NOFOLLOW", stat_path, SYS_newfstatat, "nofollow"},
	{"statx", stat_statx, 0, NULL},
	{"statx of a descriptor", stat_statx, AT_EMPTY_PATH, ""},
	{"fstat", stat_descriptor, O_RDONLY, "fstat"},
	{"fstat of O_PATH", stat_descriptor, O_PATH, "fstat"},
	{"newfstatat of a descriptor", stat_descriptor, O_RDONLY, "empty"},
	{"newfstatat of O_PATH", stat_descriptor, O_PATH, "empty"},
	{"stat of /proc/self/fd", stat_descriptor, O_RDONLY, "link"},
	{"stat of /proc/self/fd of O_PATH", stat_descriptor, O_PATH, "link"},
};

enum { BY_LINK, BY_TRUNCATE, BY_CHMOD, BY_CHOWN, BY_UTIMES, BY_TOUCH, BY_XATTR, BY_RENAME, BY_UNLINK, BY_ONTO, BY_EXCHANGE, BY_EXEC };

static void change(long how, const char *text)
{
	struct timespec times[2] = {{1, 0}, {1, 0}};
	char *argv[] = {(char *)(uintptr_t)at.file, NULL};

	(void)text;
	switch (how) {
	case BY_LINK:
		say_value(link(at.file, scratch("linked")));
		break;
	case BY_TRUNCATE:
		say_value(truncate(at.file, 1));
		break;
	case BY_CHMOD:
		say_value(chmod(at.file, 0777));
		break;
	case BY_CHOWN:
		say_value(chown(at.file, getuid(), getgid()));
		break;
	case BY_UTIMES:
		say_value(utimensat(AT_FDCWD, at.file, times, 0));
		break;
	case BY_TOUCH:
		say_value(utimensat(AT_FDCWD, at.file, NULL, 0));
		break;
	case BY_XATTR:
		say_value(setxattr(at.file, "user.mark", "v", 1, 0));
		break;
	case BY_RENAME:
		say_value(rename(at.file, scratch("moved")));
		break;
	case BY_UNLINK:
		say_value(unlink(at.file));
		break;
	case BY_ONTO:
	case BY_EXCHANGE:
		put_file(scratch("mine"), "mine", 4, 0644);
		say_value(renameat2(AT_FDCWD, scratch("mine"), AT_FDCWD, at.file, how == BY_ONTO ? 0 : RENAME_EXCHANGE));
		break;
	case BY_EXEC:
		execv(at.file, argv);
		say_value(-1);
		break;
	}
}

static void change_open(long flags, const char *text)
{
	(void)text;
	say_fd(open(at.file, (int)flags, 0644));
}

static void change_reopen(long flags, const char *text)
{
	(void)text;
	say_fd(open(link_of(open(at.file, O_RDONLY)), (int)flags));
}

/* A descriptor for reading: the content behind it cannot be changed either. */
static void change_descriptor(long how, const char *text)
{
	int fd = open(at.file, O_RDONLY);

	(void)text;
	switch (how) {
	case BY_CHMOD:
		say_value(fchmod(fd, 0777));
		break;
	case BY_CHOWN:
		say_value(fchown(fd, getuid(), getgid()));
		break;
	case BY_UTIMES:
		say_value(futimens(fd, (struct timespec[2]){{1, 0}, {1, 0}}));
		break;
	case BY_XATTR:
		say_value(fsetxattr(fd, "user.mark", "v", 1, 0));
		break;
	case BY_LINK:
		say_value(linkat(AT_FDCWD, link_of(fd), AT_FDCWD, scratch("linked"), AT_SYMLINK_FOLLOW));
		break;
	}
}

static const struct way changes[] = {
	{"open O_WRONLY", change_open, O_WRONLY, NULL},
	{"open O_RDWR", change_open, O_RDWR, NULL},
	{"open O_TRUNC", change_open, O_RDONLY | O_TRUNC, NULL},
	{"open O_APPEND", change_open, O_WRONLY | O_APPEND, NULL},
	{"open O_CREAT", change_open, O_WRONLY | O_CREAT, NULL},
	{"creat", change_open, O_WRONLY | O_CREAT | O_TRUNC, NULL},
	{"reopen O_RDWR", change_reopen, O_RDWR, NULL},
	{"reopen O_WRONLY", change_reopen, O_WRONLY, NULL},
	{"link", change, BY_LINK, NULL},
	{"truncate", change, BY_TRUNCATE, NULL},
	{"chmod", change, BY_CHMOD, NULL},
	{"chown", change, BY_CHOWN, NULL},
	{"utimensat", change, BY_UTIMES, NULL},
	{"touch", change, BY_TOUCH, NULL},
	{"setxattr", change, BY_XATTR, NULL},
	{"rename away", change, BY_RENAME, NULL},
	{"unlink", change, BY_UNLINK, NULL},
	{"rename onto", change, BY_ONTO, NULL},
	{"exchange", change, BY_EXCHANGE, NULL},
	{"exec", change, BY_EXEC, NULL},
	{"fchmod", change_descriptor, BY_CHMOD, NULL},
	{"fchown", change_descriptor, BY_CHOWN, NULL},
	{"futimens", change_descriptor, BY_UTIMES, NULL},
	{"fsetxattr", change_descriptor, BY_XATTR, NULL},
	{"linkat of a descriptor", change_descriptor, BY_LINK, NULL},
};

/* write=discard: what is written is seen by that open alone, and gone with it. */
static void discard(long flags, const char *text)
{
	int fd = open(at.file, (int)flags, 0644), other;
	struct stat st;

	(void)text;
	if (fd < 0) {
		say_value(-1);
		return;
	}
	if (pwrite(fd, "WRITTEN", 7, 0) != 7 || fstat(fd, &st) < 0)
		say("not written: %s", strerrorname_np(errno));
	if ((flags & O_TRUNC) && st.st_size != 7)
		say("%ld bytes after O_TRUNC", (long)st.st_size);
	if ((flags & O_ACCMODE) == O_RDWR && !(flags & O_APPEND)) {
		if (pread(fd, at.got, 7, 0) != 7 || memcmp(at.got, "WRITTEN", 7) != 0)
			say("the writer does not see what it wrote");
		if (ftruncate(fd, 3) < 0 || fstat(fd, &st) < 0 || st.st_size != 3)
			say("not cut");
	}
	other = open(at.file, O_RDONLY);
	compare(all_of(other));
	close(fd);
	compare(all_of(open(at.file, O_RDONLY)));
}

static const struct way discards[] = {
	{"open O_WRONLY", discard, O_WRONLY, NULL},
	{"open O_RDWR", discard, O_RDWR, NULL},
	{"open O_TRUNC", discard, O_RDWR | O_TRUNC, NULL},
	{"creat", discard, O_WRONLY | O_CREAT | O_TRUNC, NULL},
	{"open O_APPEND", discard, O_WRONLY | O_APPEND, NULL},
};

static void trial(void *userdata)
{
	const struct way *way = userdata;

	way->run(way->argument, way->text);
}

static void run_all(const char *group, const struct way *ways, size_t count)
{
	for (size_t i = 0; i < count; i++)
		printf("%s\t%s\t%s\n", group, ways[i].name, run_trial(trial, (void *)(uintptr_t)&ways[i]));
}

#define RUN_ALL(group, ways) run_all(group, ways, sizeof(ways) / sizeof(ways[0]))

int main(int argc, char **argv)
{
	int fd;

	check_identity();
	if (argc != 4)
		broken("usage: mask FILE EXPECTED SCRATCH");
	at.file = argv[1];
	at.dir = argv[3];
	at.base = strrchr(at.file, '/') + 1;
	at.wanted = malloc(BYTES_MAX);
	at.got = malloc(BYTES_MAX);
	fd = open(argv[2], O_RDONLY);
	at.wanted_len = (size_t)read(fd, at.wanted, BYTES_MAX);
	close(fd);
	at.parent = open(strndup(at.file, (size_t)(at.base - at.file)), O_PATH | O_DIRECTORY);
	if (at.parent < 0)
		broken("cannot open %s", at.file);
	RUN_ALL("read", reads);
	RUN_ALL("stat", stats);
	RUN_ALL("change", changes);
	RUN_ALL("discard", discards);
	return 0;
}
