/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 85 calls that may tell whether the path P exists, one line each. Inside a view the driver has made P; natively it is
 * made anew (or removed) before each call, since the calls change it.
 *
 *	oracle view|private|native SCRATCH P KIND PROGRAM
 *
 * private: in a view where P can be made (hide ... create=private); what was made is removed before each call.
 * SCRATCH: a directory above P that is ours; KIND: what P natively is made (absent, file, dir, script, elf, link,
 * socket); PROGRAM: what is copied for elf.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "escape.h"

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif
#define NR_GETXATTRAT 464
#define NR_FILE_GETATTR 468
#define MOUNT_ATTR_SIZE 32

static struct {
	bool native, private;
	const char *kind, *program;
	const char *dir, *p; /* the scratch directory; the path in question */
	const char *rel;     /* p from dir */
	const char *mine, *exist, *minedir, *absent, *newname, *ownlink, *script, *script_arg;
	int dirfd;
	char buffer[4096];
} at;

/* --- the calls, in groups of which each has a table of its own --- */

struct row {
	const char *name;
	void (*run)(long argument, const char *text);
	long argument;
	const char *text;
};

static void do_open(long flags, const char *text)
{
	(void)text;
	say_fd(syscall(SYS_open, at.p, flags, 0600));
}

static void do_openat2(long resolve, const char *text)
{
	struct open_how how = {.flags = O_RDONLY, .resolve = (uint64_t)resolve};
	char path[PATH_MAX];

	if (resolve == RESOLVE_CACHED) /* a name that was just looked up is known to be there or not */
		close((int)syscall(SYS_open, at.p, O_PATH));
	/* "rel": from the scratch directory; "/rel": the same with a slash in front. */
	snprintf(path, sizeof(path), "%s%s", text && *text == '/' ? "/" : "", text ? at.rel : at.p);
	say_fd(syscall(SYS_openat2, at.dirfd, path, &how, sizeof(how)));
}

static void say_stat(long value, const struct stat *st)
{
	say_value(value);
	if (value == 0)
		say("%o %lu %ld", st->st_mode, (unsigned long)st->st_nlink, (long)st->st_size);
}

/* SUFFIX is added to the path. */
static void do_stat(long nr, const char *suffix)
{
	char path[PATH_MAX];
	struct stat st;

	snprintf(path, sizeof(path), "%s%s", at.p, suffix ? suffix : "");
	say_stat(syscall(nr, path, &st), &st);
}

static void do_stat_link(long nr, const char *text)
{
	struct stat st;

	(void)text;
	say_stat(syscall(nr, at.ownlink, &st), &st);
}

static void do_fstatat(long flags, const char *text)
{
	struct stat st;

	(void)text;
	say_stat(syscall(SYS_newfstatat, at.dirfd, at.rel, &st, flags), &st);
}

static void do_statx(long flags, const char *text)
{
	struct statx sx;

	(void)text;
	say_value(syscall(SYS_statx, AT_FDCWD, at.p, flags, STATX_BASIC_STATS, &sx));
}

static void do_stat_badbuf(long nr, const char *text)
{
	(void)text;
	say_value(syscall(nr, at.p, (void *)8));
}

static void do_access(long mode, const char *text)
{
	(void)text;
	say_value(syscall(SYS_access, at.p, mode));
}

static void do_faccessat2(long mode, const char *text)
{
	(void)text;
	say_value(syscall(SYS_faccessat2, AT_FDCWD, at.p, mode, AT_EACCESS));
}

static void do_statfs(long argument, const char *text)
{
	struct statfs fs;

	(void)argument, (void)text;
	say_value(syscall(SYS_statfs, at.p, &fs));
}

static void do_readlink(long size, const char *text)
{
	(void)text;
	say_value(syscall(SYS_readlink, at.p, at.buffer, size));
}

static void do_xattr(long nr, const char *text)
{
	switch (nr) {
	case SYS_listxattr:
		say_value(syscall(nr, at.p, at.buffer, sizeof(at.buffer)));
		break;
	case SYS_removexattr:
		say_value(syscall(nr, at.p, text));
		break;
	case SYS_setxattr:
		say_value(syscall(nr, at.p, text, "v", 1, 2 /* XATTR_REPLACE */));
		break;
	case NR_GETXATTRAT: {
		struct {
			uint64_t value;
			uint32_t size, flags;
		} args = {(uintptr_t)at.buffer, sizeof(at.buffer), 0};
		say_value(syscall(nr, AT_FDCWD, at.p, 0, text, &args, sizeof(args)));
		break;
	}
	case NR_FILE_GETATTR: {
		char attr[24] = "";
		say_value(syscall(nr, AT_FDCWD, at.p, attr, sizeof(attr), 0));
		break;
	}
	default:
		say_value(syscall(nr, at.p, text, at.buffer, sizeof(at.buffer)));
	}
}

static void do_one_path(long nr, const char *text)
{
	(void)text;
	say_value(syscall(nr, at.p));
}

static void do_inotify(long argument, const char *text)
{
	int fd = inotify_init1(IN_CLOEXEC);

	(void)argument, (void)text;
	say_value(syscall(SYS_inotify_add_watch, fd, at.p, IN_MODIFY));
}

static void do_fanotify(long argument, const char *text)
{
	long fd = syscall(SYS_fanotify_init, FAN_CLASS_NOTIF | FAN_REPORT_FID, O_RDONLY);

	(void)argument, (void)text;
	say_value(syscall(SYS_fanotify_mark, fd, FAN_MARK_ADD, (uint64_t)FAN_MODIFY, AT_FDCWD, at.p));
}

static void do_handle(long bytes, const char *text)
{
	struct {
		unsigned bytes;
		int type;
		char handle[128];
	} handle = {.bytes = (unsigned)bytes};
	int mount;

	(void)text;
	say_value(syscall(SYS_name_to_handle_at, AT_FDCWD, at.p, &handle, &mount, 0));
}

static void do_mount_family(long nr, const char *text)
{
	char attr[MOUNT_ATTR_SIZE] = "";

	switch (nr) {
	case SYS_open_tree:
		say_fd(syscall(nr, AT_FDCWD, at.p, O_CLOEXEC | (text ? OPEN_TREE_CLONE : 0)));
		break;
	case SYS_fspick:
		say_fd(syscall(nr, AT_FDCWD, at.p, 0));
		break;
	case SYS_mount_setattr:
		say_value(syscall(nr, AT_FDCWD, at.p, 0, attr, sizeof(attr)));
		break;
	case SYS_umount2:
		say_value(syscall(nr, at.p, UMOUNT_NOFOLLOW));
		break;
	case SYS_mount:
		say_value(syscall(nr, "none", at.p, "no-such-type", 0, NULL));
		break;
	case SYS_pivot_root:
		say_value(syscall(nr, at.p, at.p));
		break;
	case SYS_quotactl:
		say_value(syscall(nr, 0x80000500 /* Q_GETINFO, user */, at.p, 0, at.buffer));
		break;
	default:
		broken("mount family %ld", nr);
	}
}

/* Natively acct(2) would start accounting to a file: a directory's name in it is asked for instead. */
static void do_acct(long argument, const char *text)
{
	(void)argument, (void)text;
	say_value(syscall(SYS_acct, at.native ? in_dir(at.p, ".") : at.p));
}

static void do_utime(long argument, const char *text)
{
	struct timespec bad[2] = {{0, -5}, {0, -5}};

	(void)argument, (void)text;
	say_value(syscall(SYS_utimensat, AT_FDCWD, at.p, bad, 0));
}

static void do_chmod(long argument, const char *text)
{
	(void)argument, (void)text;
	say_value(syscall(SYS_chmod, at.p, 0755));
	say_value(syscall(SYS_fchmodat2, AT_FDCWD, at.p, 0755, 0x8000));
}

static void do_lchown(long argument, const char *text)
{
	(void)argument, (void)text;
	say_value(syscall(SYS_lchown, at.p, -1, -1));
}

static void do_make(long nr, const char *text)
{
	switch (nr) {
	case SYS_mkdir:
		say_value(syscall(nr, at.p, 0700));
		break;
	case SYS_mknod:
		say_value(syscall(nr, at.p, (text ? S_IFIFO : S_IFREG) | 0600, 0));
		break;
	case SYS_symlink:
		say_value(syscall(nr, "x", at.p));
		break;
	case SYS_link:
		say_value(syscall(nr, at.mine, at.p));
		break;
	default:
		broken("make %ld", nr);
	}
}

static void do_rename_onto(long flags, const char *text)
{
	const char *from = strcmp(text, "mine") == 0 ? at.mine : strcmp(text, "dir") == 0 ? at.minedir : at.absent;

	if (flags)
		say_value(syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, at.p, flags));
	else
		say_value(syscall(SYS_rename, from, at.p));
}

static socklen_t address(struct sockaddr_un *name, char path[PATH_MAX])
{
	/* Of a path that is too long for an address the end, from the scratch directory. */
	snprintf(path, PATH_MAX, "%s", at.p);
	if (strlen(path) >= sizeof(name->sun_path)) {
		snprintf(path, PATH_MAX, "%s", at.rel);
		if (fchdir(at.dirfd) < 0)
			broken("fchdir");
	}
	memset(name, 0, sizeof(*name));
	name->sun_family = AF_UNIX;
	memcpy(name->sun_path, path, strlen(path));
	return sizeof(*name);
}

static void do_socket(long nr, const char *text)
{
	int fd = socket(AF_UNIX, strcmp(text, "stream") == 0 ? SOCK_STREAM : SOCK_DGRAM, 0);
	struct sockaddr_un name;
	char path[PATH_MAX];
	socklen_t len = address(&name, path);

	if (nr == SYS_sendto)
		say_value(syscall(nr, fd, "x", 1, 0, &name, len));
	else
		say_value(syscall(nr, fd, &name, len));
}

static void do_unlink_slash(long argument, const char *text)
{
	(void)argument, (void)text;
	say_value(syscall(SYS_unlink, in_dir(at.p, "")));
}

static void do_from(long nr, const char *text)
{
	if (nr == SYS_link)
		say_value(syscall(nr, at.p, text ? at.newname : at.exist));
	else
		say_value(syscall(nr, at.p, in_dir(at.absent, "x")));
}

static void do_open_link(long flags, const char *text)
{
	(void)text;
	say_fd(syscall(SYS_open, at.ownlink, flags, 0600));
}

static void do_open_beneath(long flags, const char *text)
{
	(void)text;
	say_fd(syscall(SYS_open, in_dir(at.p, "x"), flags, 0600));
}

static void do_exec(long nr, const char *path)
{
	const char *file = !path ? at.p : strcmp(path, "script") == 0 ? at.script : at.script_arg;
	char *argv[] = {(char *)(uintptr_t)file, NULL}, *envp[] = {NULL};
	int null = open("/dev/null", O_RDWR);

	dup2(null, 0);
	dup2(null, 1);
	dup2(null, 2);
	if (nr == SYS_execveat)
		syscall(nr, at.dirfd, at.rel, argv, envp, 0);
	else
		syscall(nr, file, argv, envp);
	say_value(-1);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void say_listing(const char *dir)
{
	static char raw[64 * 1024];
	char *names[64];
	unsigned count = 0;
	long got, bytes = 0, fd = syscall(SYS_open, dir, O_RDONLY | O_DIRECTORY);

	if (fd < 0) {
		say_value(-1);
		return;
	}
	while ((got = syscall(SYS_getdents64, fd, raw, sizeof(raw))) > 0) {
		bytes += got;
		for (long i = 0; i < got && count < 64;) {
			struct dirent64 *entry = (void *)(raw + i);

			names[count++] = strdup(entry->d_name);
			i += entry->d_reclen;
		}
	}
	close((int)fd);
	qsort(names, count, sizeof(names[0]), by_name);
	for (unsigned i = 0; i < count; i++)
		say("%s", names[i]);
	say("%ld bytes end %ld", bytes, got);
}

static void do_listing(long argument, const char *text)
{
	char parent[PATH_MAX];

	(void)argument, (void)text;
	say_listing(at.dir);
	snprintf(parent, sizeof(parent), "%s", at.p);
	*strrchr(parent, '/') = '\0';
	if (strcmp(parent, at.dir) != 0)
		say_listing(parent);
}

static const struct row rows[] = {
	{"open O_RDONLY", do_open, O_RDONLY, NULL},
	{"open O_WRONLY", do_open, O_WRONLY, NULL},
	{"open O_RDWR", do_open, O_RDWR, NULL},
	{"open O_PATH", do_open, O_PATH, NULL},
	{"open O_PATH|O_NOFOLLOW", do_open, O_PATH | O_NOFOLLOW, NULL},
	{"open O_DIRECTORY", do_open, O_DIRECTORY, NULL},
	{"open O_NOATIME", do_open, O_NOATIME, NULL},
	{"open O_TMPFILE", do_open, O_TMPFILE | O_RDWR, NULL},
	{"openat2 CACHED", do_openat2, RESOLVE_CACHED, NULL},
	{"openat2 BENEATH absolute", do_openat2, RESOLVE_BENEATH, NULL},
	{"openat2 IN_ROOT", do_openat2, RESOLVE_IN_ROOT, "/rel"},
	{"openat2 NO_SYMLINKS", do_openat2, RESOLVE_NO_SYMLINKS, "rel"},
	{"openat2 NO_XDEV", do_openat2, RESOLVE_NO_XDEV, "rel"},
	{"stat", do_stat, SYS_stat, NULL},
	{"lstat", do_stat, SYS_lstat, NULL},
	{"newfstatat", do_fstatat, 0, NULL},
	{"newfstatat NO_AUTOMOUNT", do_fstatat, AT_NO_AUTOMOUNT, NULL},
	{"statx", do_statx, 0, NULL},
	{"stat bad buffer", do_stat_badbuf, SYS_stat, NULL},
	{"statx bad flags", do_statx, 0x40000000, NULL},
	{"access F_OK", do_access, F_OK, NULL},
	{"access X_OK", do_access, X_OK, NULL},
	{"faccessat2 EACCESS", do_faccessat2, R_OK, NULL},
	{"faccessat2 bad mode", do_faccessat2, 0x80, NULL},
	{"statfs", do_statfs, 0, NULL},
	{"readlink", do_readlink, 4096, NULL},
	{"readlink size 0", do_readlink, 0, NULL},
	{"getxattr", do_xattr, SYS_getxattr, "user.none"},
	{"lgetxattr", do_xattr, SYS_lgetxattr, "user.none"},
	{"listxattr", do_xattr, SYS_listxattr, NULL},
	{"removexattr", do_xattr, SYS_removexattr, "user.none"},
	{"setxattr XATTR_REPLACE", do_xattr, SYS_setxattr, "user.none"},
	{"getxattrat", do_xattr, NR_GETXATTRAT, "user.none"},
	{"file_getattr", do_xattr, NR_FILE_GETATTR, NULL},
	{"chdir", do_one_path, SYS_chdir, NULL},
	{"chroot", do_one_path, SYS_chroot, NULL},
	{"inotify_add_watch", do_inotify, 0, NULL},
	{"fanotify_mark", do_fanotify, 0, NULL},
	{"name_to_handle_at", do_handle, 128, NULL},
	{"name_to_handle_at bytes=0", do_handle, 0, NULL},
	{"open_tree", do_mount_family, SYS_open_tree, NULL},
	{"open_tree CLONE", do_mount_family, SYS_open_tree, "clone"},
	{"fspick", do_mount_family, SYS_fspick, NULL},
	{"mount_setattr", do_mount_family, SYS_mount_setattr, NULL},
	{"umount2", do_mount_family, SYS_umount2, NULL},
	{"mount bad type", do_mount_family, SYS_mount, NULL},
	{"pivot_root", do_mount_family, SYS_pivot_root, NULL},
	{"swapon", do_one_path, SYS_swapon, NULL},
	{"swapoff", do_one_path, SYS_swapoff, NULL},
	{"acct", do_acct, 0, NULL},
	{"quotactl", do_mount_family, SYS_quotactl, NULL},
	{"uselib", do_one_path, SYS_uselib, NULL},
	{"utimensat invalid", do_utime, 0, NULL},
	{"chmod, fchmodat2 bad flag", do_chmod, 0, NULL},
	{"lchown(-1, -1)", do_lchown, 0, NULL},
	{"mkdir", do_make, SYS_mkdir, NULL},
	{"mknod", do_make, SYS_mknod, NULL},
	{"mkfifo", do_make, SYS_mknod, "fifo"},
	{"symlink(x, P)", do_make, SYS_symlink, NULL},
	{"link(mine, P)", do_make, SYS_link, NULL},
	{"open O_CREAT|O_EXCL", do_open, O_CREAT | O_EXCL | O_WRONLY, NULL},
	{"rename(absent, P)", do_rename_onto, 0, "absent"},
	{"renameat2 NOREPLACE(mine, P)", do_rename_onto, 1, "mine"},
	{"rename(dir, P)", do_rename_onto, 0, "dir"},
	{"bind", do_socket, SYS_bind, "stream"},
	{"connect stream", do_socket, SYS_connect, "stream"},
	{"connect dgram", do_socket, SYS_connect, "dgram"},
	{"sendto", do_socket, SYS_sendto, "dgram"},
	{"rmdir", do_one_path, SYS_rmdir, NULL},
	{"unlink P/", do_unlink_slash, 0, NULL},
	{"link(P, exist)", do_from, SYS_link, NULL},
	{"rename(P, absent/x)", do_from, SYS_rename, NULL},
	{"stat by own link", do_stat_link, SYS_stat, NULL},
	{"open by own link", do_open_link, O_RDONLY, NULL},
	{"open O_CREAT by own link", do_open_link, O_CREAT | O_WRONLY, NULL},
	{"stat P/", do_stat, SYS_stat, "/"},
	{"stat P/.", do_stat, SYS_stat, "/."},
	{"stat P/..", do_stat, SYS_stat, "/.."},
	{"stat P/x", do_stat, SYS_stat, "/x"},
	{"open P/x O_CREAT", do_open_beneath, O_CREAT | O_WRONLY, NULL},
	{"execve", do_exec, SYS_execve, NULL},
	{"execveat", do_exec, SYS_execveat, NULL},
	{"#! interpreter", do_exec, SYS_execve, "script"},
	{"#! argument", do_exec, SYS_execve, "script_arg"},
	{"listing of the parent", do_listing, 0, NULL},
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))
_Static_assert(ROWS == 85, "the calls have numbers");

static void trial(void *userdata)
{
	const struct row *row = userdata;

	row->run(row->argument, row->text);
}

static void remove_p(void)
{
	unlink(in_dir(at.p, "x"));
	if (unlink(at.p) < 0)
		rmdir(at.p);
}

static void copy_program(void)
{
	static char bytes[4 << 20];
	int fd = open(at.program, O_RDONLY);
	ssize_t len = read(fd, bytes, sizeof(bytes));

	if (len <= 0)
		broken("cannot read %s", at.program);
	close(fd);
	put_file(at.p, bytes, (size_t)len, 0755);
}

/* Natively P is what it was before each call. */
static void make_p(void)
{
	static const char script[] = "#!/bin/sh\nexit 7\n";
	struct sockaddr_un name;
	char path[PATH_MAX];

	remove_p();
	if (strcmp(at.kind, "file") == 0) {
		put_file(at.p, "content\n", 8, 0644);
	} else if (strcmp(at.kind, "dir") == 0) {
		if (mkdir(at.p, 0755) < 0)
			broken("mkdir %s", at.p);
		put_file(in_dir(at.p, "x"), "inner\n", 6, 0644);
	} else if (strcmp(at.kind, "script") == 0) {
		put_file(at.p, script, sizeof(script) - 1, 0755);
	} else if (strcmp(at.kind, "elf") == 0) {
		copy_program();
	} else if (strcmp(at.kind, "link") == 0) {
		if (symlink(at.exist, at.p) < 0)
			broken("symlink %s", at.p);
	} else if (strcmp(at.kind, "socket") == 0) {
		int fd = socket(AF_UNIX, SOCK_STREAM, 0);

		if (bind(fd, (void *)&name, address(&name, path)) < 0)
			broken("bind %s", at.p);
		close(fd);
	} else if (strcmp(at.kind, "absent") != 0) {
		broken("no such kind: %s", at.kind);
	}
}

/* What calls may have used up. */
static void make_scratch(void)
{
	put_file(at.mine, "mine\n", 5, 0644);
	put_file(at.exist, "exist\n", 6, 0644);
	mkdir(at.minedir, 0755);
	unlink(at.newname);
	rename(in_dir(at.absent, "x"), at.newname);
	unlink(at.newname);
}

static void make_links(void)
{
	char script[2 * PATH_MAX];
	int len;

	unlink(at.ownlink);
	if (symlink(at.p, at.ownlink) < 0)
		broken("symlink %s", at.ownlink);
	len = snprintf(script, sizeof(script), "#!%s\n", at.p);
	put_file(at.script, script, (size_t)len, 0755);
	len = snprintf(script, sizeof(script), "#!/bin/cat %s\n", at.p);
	put_file(at.script_arg, script, (size_t)len, 0755);
}

static char *keep(const char *name)
{
	return strdup(in_dir(at.dir, name));
}

int main(int argc, char **argv)
{
	check_identity();
	if (argc != 6)
		broken("usage: oracle view|private|native SCRATCH P KIND PROGRAM");
	at.native = strcmp(argv[1], "native") == 0;
	at.private = strcmp(argv[1], "private") == 0;
	at.dir = argv[2];
	at.p = argv[3];
	at.kind = argv[4];
	at.program = argv[5];
	at.rel = at.p + strlen(at.dir) + 1;
	at.mine = keep("mine");
	at.exist = keep("exist");
	at.minedir = keep("dir");
	at.absent = keep("absent");
	at.newname = keep("new");
	at.ownlink = keep("ownlink");
	at.script = keep("script");
	at.script_arg = keep("script_arg");
	at.dirfd = open(at.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (at.dirfd < 0)
		broken("cannot open %s", at.dir);
	make_scratch();
	make_links();
	for (unsigned i = 0; i < ROWS; i++) {
		if (at.native)
			make_p();
		else if (at.private)
			remove_p();
		make_scratch();
		printf("%u\t%s\t%s\n", i + 1, rows[i].name, run_trial(trial, (void *)(uintptr_t)&rows[i]));
	}
	return 0;
}
