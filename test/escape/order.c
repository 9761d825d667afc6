/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls on a path P with arguments that are wrong: which of two errors comes first may tell whether P is there. One
 * line each; natively P is made anew before each.
 *
 *	order view|native SCRATCH P KIND       KIND: absent, file, dir, script (what P natively is made)
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "escape.h"

#define NR_FCHMODAT2 452
#define NR_FILE_GETATTR 468
/* Words that stand for what is known only at run time; no call takes such numbers. */
enum {
	P = 0x5ca10000, /* the path */
	REL,		/* it from the scratch directory */
	DIRFD,		/* the scratch directory */
	FILEFD,		/* a file */
	CLOSED,		/* no descriptor */
	BUFFER,		/* memory that may be written */
	RO,		/* memory that may only be read, zeros */
	NONE,		/* PROT_NONE */
	UNMAPPED,	/* an address where nothing is */
	KERNEL,		/* an address of the kernel's */
	EDGE,		/* eight bytes before memory that is not there */
	OTHER,		/* the path of a file of ours */
	NEW,		/* a path where nothing is */
	NAME,		/* "user.x" */
	LONGNAME,	/* an attribute's name that is too long */
	NOSPACE,	/* "nonamespace" */
	HUGE_ARGV,	/* more than an exec takes */
	HOW,		/* struct open_how: O_RDONLY; the next ones each with one fault */
	HOW_FLAGS, HOW_MODE, HOW_RESOLVE, HOW_BOTH, HOW_TAIL,
	TIMES_BAD,	/* nanoseconds out of range */
	TIMES_OMIT,	/* UTIME_OMIT, twice */
	UNIX,		/* sockets */
	INET,
	ADDRESS,	/* sockaddr_un with P */
	ADDRESS_INET,	/* the same with AF_INET */
	QUEUE,		/* inotify */
	EMPTY,		/* "" */
	WORDS_END
};

struct row {
	const char *name;
	long nr, args[6];
};

#define ROW(nr, ...) {#nr "(" #__VA_ARGS__ ")", nr, {__VA_ARGS__}}

/* clang-format off */
static const struct row rows[] = {
	ROW(SYS_stat, P, UNMAPPED), ROW(SYS_stat, P, KERNEL), ROW(SYS_stat, P, RO), ROW(SYS_stat, P, NONE),
	ROW(SYS_stat, P, EDGE), ROW(SYS_lstat, P, UNMAPPED), ROW(SYS_lstat, P, RO),
	ROW(SYS_newfstatat, DIRFD, REL, UNMAPPED, 0), ROW(SYS_newfstatat, DIRFD, REL, BUFFER, 0x40000000),
	ROW(SYS_newfstatat, CLOSED, REL, BUFFER, 0), ROW(SYS_newfstatat, FILEFD, REL, BUFFER, 0),
	ROW(SYS_newfstatat, CLOSED, P, BUFFER, 0), ROW(SYS_statx, AT_FDCWD, P, 0x40000000, 0x7ff, BUFFER),
	ROW(SYS_statx, AT_FDCWD, P, 0, 0x80000000, BUFFER), ROW(SYS_statx, AT_FDCWD, P, 0x6000, 0x7ff, BUFFER),
	ROW(SYS_statx, AT_FDCWD, P, 0, 0x7ff, UNMAPPED), ROW(SYS_statx, AT_FDCWD, P, 0, 0x7ff, EDGE),
	ROW(SYS_statx, DIRFD, REL, 0, 0x7ff, RO), ROW(SYS_open, P, O_CREAT | O_DIRECTORY | O_RDWR, 0600),
	ROW(SYS_open, P, O_TMPFILE, 0600), ROW(SYS_open, P, 020000000 | O_RDWR, 0600),
	ROW(SYS_open, P, O_RDONLY | 0x40000000), ROW(SYS_open, P, O_ACCMODE),
	ROW(SYS_open, P, O_PATH | O_CREAT | O_WRONLY, 0600), ROW(SYS_open, P, O_RDONLY | O_DIRECTORY | O_NOFOLLOW),
	ROW(SYS_open, P, O_RDONLY | O_TRUNC), ROW(SYS_open, P, O_RDONLY | O_DIRECT),
	ROW(SYS_openat, CLOSED, REL, O_RDONLY), ROW(SYS_openat, FILEFD, REL, O_RDONLY),
	ROW(SYS_openat, CLOSED, P, O_RDONLY), ROW(SYS_openat2, DIRFD, REL, HOW, 8),
	ROW(SYS_openat2, DIRFD, REL, HOW, 5000), ROW(SYS_openat2, DIRFD, REL, UNMAPPED, 24),
	ROW(SYS_openat2, DIRFD, REL, HOW_FLAGS, 24), ROW(SYS_openat2, DIRFD, REL, HOW_MODE, 24),
	ROW(SYS_openat2, DIRFD, REL, HOW_RESOLVE, 24), ROW(SYS_openat2, DIRFD, REL, HOW_BOTH, 24),
	ROW(SYS_openat2, DIRFD, REL, HOW_TAIL, 32), ROW(SYS_openat2, CLOSED, REL, HOW, 24),
	ROW(SYS_readlink, P, UNMAPPED, 100), ROW(SYS_readlink, P, BUFFER, -1), ROW(SYS_readlink, P, RO, 100),
	ROW(SYS_readlinkat, DIRFD, REL, KERNEL, 100), ROW(SYS_readlinkat, DIRFD, REL, BUFFER, 0),
	ROW(SYS_getxattr, P, UNMAPPED, BUFFER, 100), ROW(SYS_getxattr, P, LONGNAME, BUFFER, 100),
	ROW(SYS_getxattr, P, EMPTY, BUFFER, 100), ROW(SYS_getxattr, P, NOSPACE, BUFFER, 100),
	ROW(SYS_getxattr, P, NAME, UNMAPPED, 100), ROW(SYS_lgetxattr, P, NAME, RO, 100),
	ROW(SYS_listxattr, P, UNMAPPED, 100), ROW(SYS_llistxattr, P, RO, 100),
	ROW(SYS_setxattr, P, NAME, UNMAPPED, 4, 0), ROW(SYS_setxattr, P, NAME, BUFFER, 4, 0x40),
	ROW(SYS_setxattr, P, NAME, BUFFER, 70000, 0), ROW(SYS_setxattr, P, LONGNAME, BUFFER, 4, 0),
	ROW(SYS_setxattr, P, UNMAPPED, BUFFER, 4, 0), ROW(SYS_setxattr, P, NAME, BUFFER, 4, 3),
	ROW(SYS_setxattr, P, NOSPACE, BUFFER, 4, 0), ROW(SYS_removexattr, P, UNMAPPED),
	ROW(SYS_removexattr, P, LONGNAME), ROW(SYS_removexattr, P, NOSPACE), ROW(SYS_access, P, 0x80),
	ROW(SYS_access, P, -1), ROW(SYS_faccessat, CLOSED, REL, R_OK),
	ROW(SYS_faccessat2, DIRFD, REL, R_OK, 0x40000000), ROW(SYS_chmod, P, 0xffffffff),
	ROW(SYS_fchmodat, CLOSED, REL, 0755), ROW(NR_FCHMODAT2, DIRFD, REL, 0755, 0x8000),
	ROW(SYS_chown, P, -1, -1), ROW(SYS_fchownat, DIRFD, REL, -1, -1, 0x8000),
	ROW(SYS_fchownat, FILEFD, REL, -1, -1, 0), ROW(SYS_utimensat, DIRFD, REL, UNMAPPED, 0),
	ROW(SYS_utimensat, DIRFD, REL, TIMES_BAD, 0), ROW(SYS_utimensat, DIRFD, REL, TIMES_OMIT, 0),
	ROW(SYS_utimensat, DIRFD, REL, TIMES_BAD, 0x8000), ROW(SYS_utimensat, DIRFD, REL, 0, 0x8000),
	ROW(SYS_utimensat, CLOSED, REL, TIMES_OMIT, 0), ROW(SYS_utime, P, UNMAPPED), ROW(SYS_utimes, P, UNMAPPED),
	ROW(SYS_utimes, P, TIMES_BAD), ROW(SYS_futimesat, DIRFD, REL, UNMAPPED), ROW(SYS_truncate, P, -1),
	ROW(SYS_truncate, P, LONG_MAX), ROW(SYS_rename, P, UNMAPPED), ROW(SYS_rename, P, EMPTY),
	ROW(SYS_rename, UNMAPPED, P), ROW(SYS_renameat2, DIRFD, REL, DIRFD, REL, 0x40),
	ROW(SYS_renameat2, AT_FDCWD, P, AT_FDCWD, NEW, 3), ROW(SYS_renameat2, AT_FDCWD, P, CLOSED, REL, 0),
	ROW(SYS_renameat2, AT_FDCWD, NEW, AT_FDCWD, P, 2), ROW(SYS_rename, P, P),
	ROW(SYS_renameat2, AT_FDCWD, OTHER, AT_FDCWD, P, 6), ROW(SYS_renameat2, AT_FDCWD, P, AT_FDCWD, OTHER, 4),
	ROW(SYS_link, P, UNMAPPED), ROW(SYS_link, UNMAPPED, P), ROW(SYS_link, P, OTHER),
	ROW(SYS_linkat, AT_FDCWD, P, AT_FDCWD, NEW, 0x8000), ROW(SYS_linkat, AT_FDCWD, P, CLOSED, REL, 0),
	ROW(SYS_linkat, CLOSED, REL, AT_FDCWD, NEW, 0), ROW(SYS_link, NEW, P), ROW(SYS_link, P, P),
	ROW(SYS_symlink, UNMAPPED, P), ROW(SYS_symlink, EMPTY, P), ROW(SYS_symlinkat, OTHER, CLOSED, REL),
	ROW(SYS_mkdirat, CLOSED, REL, 0700), ROW(SYS_mknod, P, S_IFDIR | 0600, 0), ROW(SYS_mknod, P, 0170000, 0),
	ROW(SYS_mknod, P, S_IFBLK | 0600, 0x101), ROW(SYS_mknodat, FILEFD, REL, S_IFREG | 0600, 0),
	ROW(SYS_unlinkat, DIRFD, REL, 0x8000), ROW(SYS_unlinkat, CLOSED, REL, 0),
	ROW(SYS_unlinkat, FILEFD, REL, AT_REMOVEDIR), ROW(SYS_rmdir, P), ROW(SYS_chdir, P),
	ROW(SYS_statfs, P, UNMAPPED), ROW(SYS_statfs, P, RO), ROW(SYS_statfs, P, EDGE),
	ROW(SYS_execve, P, UNMAPPED, 0), ROW(SYS_execve, P, 0, UNMAPPED), ROW(SYS_execve, P, HUGE_ARGV, 0),
	ROW(SYS_execveat, DIRFD, REL, 0, 0, 0x40000000), ROW(SYS_execveat, CLOSED, REL, 0, 0, 0),
	ROW(SYS_execveat, FILEFD, REL, 0, 0, 0), ROW(SYS_execveat, CLOSED, P, UNMAPPED, 0, 0),
	ROW(SYS_inotify_add_watch, QUEUE, P, 0), ROW(SYS_inotify_add_watch, FILEFD, P, IN_OPEN),
	ROW(SYS_inotify_add_watch, CLOSED, P, IN_OPEN),
	ROW(SYS_inotify_add_watch, QUEUE, P, IN_OPEN | IN_MASK_ADD | IN_MASK_CREATE),
	ROW(SYS_inotify_add_watch, QUEUE, P, IN_OPEN | IN_ONLYDIR | IN_DONT_FOLLOW),
	ROW(SYS_connect, UNIX, ADDRESS, 2), ROW(SYS_connect, UNIX, ADDRESS, 200),
	ROW(SYS_connect, UNIX, ADDRESS, -1), ROW(SYS_connect, UNIX, ADDRESS_INET, 110),
	ROW(SYS_connect, UNIX, UNMAPPED, 110), ROW(SYS_connect, INET, ADDRESS, 110),
	ROW(SYS_connect, FILEFD, ADDRESS, 110), ROW(SYS_connect, CLOSED, ADDRESS, 110),
	ROW(SYS_bind, UNIX, ADDRESS, 2), ROW(SYS_bind, UNIX, ADDRESS, 200), ROW(SYS_bind, INET, ADDRESS, 110),
	ROW(SYS_bind, FILEFD, ADDRESS, 110), ROW(SYS_bind, UNIX, ADDRESS_INET, 110),
	ROW(SYS_sendto, UNIX, UNMAPPED, 10, 0, ADDRESS, 110),
	ROW(SYS_sendto, UNIX, BUFFER, 10, MSG_OOB, ADDRESS, 110),
	ROW(SYS_sendto, UNIX, BUFFER, 10, 0, ADDRESS, 200), ROW(SYS_sendto, CLOSED, BUFFER, 10, 0, ADDRESS, 110),
	ROW(SYS_sendto, UNIX, BUFFER, 1 << 28, 0, ADDRESS, 110),
	ROW(SYS_name_to_handle_at, DIRFD, REL, UNMAPPED, UNMAPPED, 0),
	ROW(SYS_name_to_handle_at, DIRFD, REL, BUFFER, BUFFER, 0x8000),
	ROW(NR_FILE_GETATTR, AT_FDCWD, P, BUFFER, 4, 0), ROW(NR_FILE_GETATTR, AT_FDCWD, P, UNMAPPED, 24, 0),
	ROW(NR_FILE_GETATTR, AT_FDCWD, P, BUFFER, 24, 0x8000), ROW(SYS_creat, P, 0xffffffff),
};
/* clang-format on */
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static struct {
	bool native;
	const char *dir, *p, *rel, *kind;
	long words[WORDS_END - P];
} at;

static void set(int word, long value)
{
	at.words[word - P] = value;
}

static long resolve(long value)
{
	return value >= P && value < WORDS_END ? at.words[value - P] : value;
}

static void *pages(int prot)
{
	void *memory = mmap(NULL, 1 << 17, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		broken("mmap");
	return memory;
}

static void *how_with(uint64_t flags, uint64_t mode, uint64_t resolved, uint64_t tail)
{
	uint64_t *how = calloc(4, sizeof(*how));

	how[0] = flags;
	how[1] = mode;
	how[2] = resolved;
	how[3] = tail;
	return how;
}

static struct sockaddr_un *address(sa_family_t family)
{
	struct sockaddr_un *name = calloc(2, sizeof(*name));

	/* From the scratch directory, in which we stand: the whole path may be too long. */
	name->sun_family = family;
	snprintf(name->sun_path, sizeof(name->sun_path), "%s", at.rel);
	return name;
}

static void *huge_argv(void)
{
	char *text = malloc(1 << 20), **argv = calloc(66, sizeof(*argv));

	memset(text, 'a', (1 << 20) - 1);
	text[(1 << 20) - 1] = '\0';
	for (int i = 0; i < 64; i++)
		argv[i] = text;
	return argv;
}

static void set_words(void)
{
	char *edge = pages(PROT_READ | PROT_WRITE), *longname = malloc(400), *gap = pages(PROT_NONE);
	static const struct timespec bad[2] = {{1, -5}, {1, -5}}, omit[2] = {{0, UTIME_OMIT}, {0, UTIME_OMIT}};

	memset(longname, 'x', 399);
	memcpy(longname, "user.", 5);
	longname[399] = '\0';
	munmap(edge + 4096, 4096);
	munmap(gap, 1 << 17);
	set(P, (long)at.p);
	set(REL, (long)at.rel);
	set(DIRFD, open(at.dir, O_RDONLY | O_DIRECTORY));
	set(FILEFD, open(in_dir(at.dir, "other"), O_RDWR));
	set(CLOSED, 999);
	set(BUFFER, (long)pages(PROT_READ | PROT_WRITE));
	set(RO, (long)pages(PROT_READ));
	set(NONE, (long)pages(PROT_NONE));
	set(UNMAPPED, 8);
	set(KERNEL, (long)0xffff888000000000);
	set(EDGE, (long)(edge + 4096 - 8));
	set(OTHER, (long)strdup(in_dir(at.dir, "other")));
	set(NEW, (long)strdup(in_dir(at.dir, "new")));
	set(NAME, (long)"user.x");
	set(LONGNAME, (long)longname);
	set(NOSPACE, (long)"nonamespace");
	set(HUGE_ARGV, (long)huge_argv());
	set(HOW, (long)how_with(O_RDONLY, 0, 0, 0));
	set(HOW_FLAGS, (long)how_with(1ULL << 40, 0, 0, 0));
	set(HOW_MODE, (long)how_with(O_RDONLY, 0600, 0, 0));
	set(HOW_RESOLVE, (long)how_with(O_RDONLY, 0, 1ULL << 40, 0));
	set(HOW_BOTH, (long)how_with(O_RDONLY, 0, RESOLVE_BENEATH | RESOLVE_IN_ROOT, 0));
	set(HOW_TAIL, (long)how_with(O_RDONLY, 0, 0, 1));
	set(TIMES_BAD, (long)bad);
	set(TIMES_OMIT, (long)omit);
	set(UNIX, socket(AF_UNIX, SOCK_DGRAM, 0));
	set(INET, socket(AF_INET, SOCK_DGRAM, 0));
	set(ADDRESS, (long)address(AF_UNIX));
	set(ADDRESS_INET, (long)address(AF_INET));
	set(QUEUE, inotify_init1(IN_CLOEXEC));
	set(EMPTY, (long)"");
}

static void trial(void *userdata)
{
	const struct row *row = userdata;
	long a[6];

	for (int i = 0; i < 6; i++)
		a[i] = resolve(row->args[i]);
	say_value(syscall(row->nr, a[0], a[1], a[2], a[3], a[4], a[5]));
}

/* Natively P is what it was before each call. */
static void make_p(void)
{
	unlink(at.p);
	rmdir(at.p);
	if (strcmp(at.kind, "file") == 0)
		put_file(at.p, "content\n", 8, 0644);
	else if (strcmp(at.kind, "script") == 0)
		put_file(at.p, "#!/bin/true\n", 12, 0755);
	else if (strcmp(at.kind, "dir") == 0 && mkdir(at.p, 0755) < 0)
		broken("mkdir %s", at.p);
}

int main(int argc, char **argv)
{
	check_identity();
	if (argc != 5)
		broken("usage: order view|native SCRATCH P KIND");
	at.native = strcmp(argv[1], "native") == 0;
	at.dir = argv[2];
	at.p = argv[3];
	at.rel = at.p + strlen(at.dir) + 1;
	at.kind = argv[4];
	if (chdir(at.dir) < 0)
		broken("chdir");
	put_file(in_dir(at.dir, "other"), "other\n", 6, 0644);
	set_words();
	for (unsigned i = 0; i < ROWS; i++) {
		if (at.native)
			make_p();
		put_file(in_dir(at.dir, "other"), "other\n", 6, 0644);
		unlink(in_dir(at.dir, "new"));
		printf("%u\t%s\t%s\n", i + 1, rows[i].name, run_trial(trial, (void *)(uintptr_t)&rows[i]));
	}
	return 0;
}
