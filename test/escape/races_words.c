/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of a path, or the structure around it, change while a call is made. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "escape.h"
#include "races.h"

static void words_open(void)
{
	judge_content(open(words.path, O_RDONLY));
}

static void words_opath(void)
{
	char name[64];
	int fd = open(words.path, O_PATH);

	if (fd < 0)
		return;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	judge_content(open(name, O_RDONLY));
	close(fd);
}

static void words_openat2(void)
{
	struct open_how how = {.flags = O_RDONLY};

	judge_content((int)syscall(SYS_openat2, AT_FDCWD, words.path, &how, sizeof(how)));
}

/* The structure itself: what it asks for alternates between reading and writing. */
static struct open_how *how;

static void *change_how(void *userdata)
{
	(void)userdata;
	while (!at.stop) {
		*(volatile __u64 *)&how->flags = O_RDWR;
		*(volatile __u64 *)&how->flags = O_RDONLY;
	}
	return NULL;
}

static void prepare_how(void)
{
	how = shared_memory(sizeof(*how));
}

static void how_openat2(void)
{
	int fd = (int)syscall(SYS_openat2, AT_FDCWD, in_dir(at.top, "ro"), how, sizeof(*how));

	if (fd < 0)
		return;
	at.given++;
	at.wins += pwrite(fd, "x", 1, 0) == 1;
	close(fd);
}

/* Files that may only grow, or only be read: the harmless one is ours. */

static void write_at_start(int fd)
{
	if (fd < 0)
		return;
	at.given += pwrite(fd, "xxx", 3, 0) == 3;
	close(fd);
}

static void words_log(void)
{
	write_at_start(open(words.path, O_WRONLY));
}

static void words_readonly(void)
{
	write_at_start(open(words.path, O_RDWR));
}

/* The prizes of these are not given away, but may be changed: whoever runs this looks at them. */

static void words_creat(void)
{
	int fd = open(words.path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (fd < 0)
		return;
	at.given += write(fd, PUBLIC, strlen(PUBLIC)) > 0;
	close(fd);
}

/* Make the harmless one anew, for calls that use it up. */
static void make_harmless(void)
{
	int fd = open(in_dir(at.top, words.harmless), O_WRONLY | O_CREAT, 0644);

	if (fd >= 0)
		close(fd);
}

static void words_unlink(void)
{
	make_harmless();
	at.given += unlink(words.path) == 0;
}

static void words_rename(void)
{
	make_harmless();
	at.given += rename(words.path, in_dir(at.top, "away")) == 0;
}

static void words_rename_onto(void)
{
	int fd = open(in_dir(at.top, "mine"), O_WRONLY | O_CREAT, 0644);

	if (fd >= 0)
		close(fd);
	at.given += rename(in_dir(at.top, "mine"), words.path) == 0;
}

static void words_link(void)
{
	const char *mine = in_dir(at.top, "mine");

	if (link(words.path, mine) < 0)
		return;
	judge_content(open(mine, O_RDONLY));
	unlink(mine);
}

static void words_truncate(void)
{
	at.given += truncate(words.path, 3) == 0;
}

static void words_chmod(void)
{
	at.given += chmod(words.path, 0600) == 0;
}

static void words_utimensat(void)
{
	static const struct timespec times[2] = {{1, 0}, {1, 0}};

	at.given += utimensat(AT_FDCWD, words.path, times, 0) == 0;
}

static void words_utimes(void)
{
	static const struct timeval times[2] = {{1, 0}, {1, 0}};

	at.given += syscall(SYS_utimes, words.path, times) == 0;
}

static void words_setxattr(void)
{
	at.given += setxattr(words.path, "user.mark", "v", 1, 0) == 0;
}

/* Names that are made: the prize lies in a directory that is hidden. The harmless one is removed again. */

static void made(long value)
{
	if (value < 0)
		return;
	at.given++;
	if (unlink(in_dir(at.top, words.harmless)) < 0)
		rmdir(in_dir(at.top, words.harmless));
}

static void words_mkdir(void)
{
	made(mkdir(words.path, 0755));
}

static void words_mknod(void)
{
	made(mknod(words.path, S_IFREG | 0644, 0));
}

static void words_symlink(void)
{
	made(symlink("x", words.path));
}

static void words_tmpfile(void)
{
	int unnamed = open(at.top, O_TMPFILE | O_RDWR, 0644);
	char name[64];

	if (unnamed < 0)
		broken("O_TMPFILE: %s", strerror(errno));
	snprintf(name, sizeof(name), "/proc/self/fd/%d", unnamed);
	made(linkat(AT_FDCWD, name, AT_FDCWD, words.path, AT_SYMLINK_FOLLOW));
	close(unnamed);
}

/* What only tells that it is there. */

static void words_stat(void)
{
	struct stat st;

	if (stat(words.path, &st) < 0)
		return;
	at.wins += st.st_size == (off_t)strlen(SECRET);
	at.given += st.st_size != (off_t)strlen(SECRET);
}

static void words_access(void)
{
	/* The harmless one cannot be executed, the prize can. */
	if (access(words.path, X_OK) == 0)
		at.wins++;
	else if (errno == EACCES)
		at.given++;
}

static void words_readlink(void)
{
	char text[64];
	ssize_t n = readlink(words.path, text, sizeof(text));

	if (n < 0)
		return;
	at.wins += n == 6 && memcmp(text, "closed", 6) == 0;
	at.given += n == 6 && memcmp(text, "openly", 6) == 0;
}

static void words_watch(void)
{
	static int queue = -1;
	static int harmless_watch = -1;
	int watch;

	if (queue < 0) {
		queue = inotify_init1(IN_NONBLOCK);
		harmless_watch = inotify_add_watch(queue, in_dir(at.top, words.harmless), IN_DELETE_SELF);
	}
	watch = inotify_add_watch(queue, words.path, IN_DELETE_SELF);
	at.given += watch == harmless_watch;
	at.wins += watch >= 0 && watch != harmless_watch;
}

static void words_chdir(void)
{
	judge_chdir(words.path);
}

#define VAULT .harmless = "vault/public", .prize = "vault/secret"
#define NEW .harmless = "openly/new", .prize = "closed/new"

const struct attack words_attacks[] = {
	{"words-open", words_open, VAULT},
	{"words-opath", words_opath, VAULT},
	{"words-openat2", words_openat2, VAULT},
	{"how-openat2", how_openat2, prepare_how, change_how},
	{"words-log", words_log, .harmless = "own", .prize = "log"},
	{"words-readonly", words_readonly, .harmless = "rw", .prize = "ro"},
	{"words-creat", words_creat, VAULT},
	{"words-unlink", words_unlink, VAULT},
	{"words-rename", words_rename, VAULT},
	{"words-rename-onto", words_rename_onto, VAULT},
	{"words-link", words_link, VAULT},
	{"words-truncate", words_truncate, VAULT},
	{"words-chmod", words_chmod, VAULT},
	{"words-utimensat", words_utimensat, VAULT},
	{"words-utimes", words_utimes, VAULT},
	{"words-setxattr", words_setxattr, VAULT},
	{"words-stat", words_stat, VAULT},
	{"words-access", words_access, .harmless = "vault/public", .prize = "tools/evil.x"},
	{"words-readlink", words_readlink, .harmless = "links/public", .prize = "links/secret"},
	{"words-watch", words_watch, VAULT},
	{"words-chdir", words_chdir, .harmless = "openly", .prize = "closed"},
	{"words-mkdir", words_mkdir, NEW},
	{"words-mknod", words_mknod, NEW},
	{"words-symlink", words_symlink, NEW},
	{"words-tmpfile", words_tmpfile, NEW},
	{},
};
