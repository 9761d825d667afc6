/* SPDX-License-Identifier: Apache-2.0 */
/* What stands at a name, or at one on the way to it, changes while a call is made; most of it by a process outside. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "escape.h"
#include "races.h"

static void place_mid(void)
{
	judge_content(open(in_dir(at.top, "mid/secret"), O_RDONLY));
}

static void place_last(void)
{
	judge_content(open(in_dir(at.top, "last"), O_RDONLY));
}

static void place_root(void)
{
	static char path[8192];

	if (!path[0])
		snprintf(path, sizeof(path), "%s/r%s/vault/secret", at.top, at.top);
	judge_content(open(path, O_RDONLY));
}

/* In a directory that is moved up and down: what lies above it changes. */
static void place_dotdot(void)
{
	judge_content(open("../../vault/secret", O_RDONLY));
}

/* One of the directories above is. */
static void place_ancestor(void)
{
	judge_content(open("../../../../vault/secret", O_RDONLY));
}

/* A sibling of ours, in the view too, leads the link elsewhere. */
static void *retarget(void *userdata)
{
	const char *link = strdup(in_dir(at.top, "retargeted")), *next = strdup(in_dir(at.top, "next"));

	(void)userdata;
	for (unsigned i = 0; !at.stop; i++)
		if (symlink(i % 2 ? "vault/public" : "vault/secret", next) < 0 || rename(next, link) < 0)
			broken("retarget: %s", strerror(errno));
	return NULL;
}

static void place_retargeted(void)
{
	judge_content(open(in_dir(at.top, "retargeted"), O_RDONLY));
}

/* A link to nothing, where a file is to be made: to nothing in a hidden directory at times. */
static void place_dangling(void)
{
	int fd = open(in_dir(at.top, "dangling"), O_WRONLY | O_CREAT, 0644);

	if (fd < 0)
		return;
	at.given++;
	close(fd);
	unlink(in_dir(at.top, "openly/new"));
}

/* The last name of a link(2) is not what was looked at. */
static void place_link(void)
{
	const char *mine = in_dir(at.top, "mine");

	if (linkat(AT_FDCWD, in_dir(at.top, "last"), AT_FDCWD, mine, AT_SYMLINK_FOLLOW) < 0)
		return;
	judge_content(open(mine, O_RDONLY));
	unlink(mine);
}

static void place_link_mid(void)
{
	const char *mine = in_dir(at.top, "mine");

	if (link(in_dir(at.top, "mid/secret"), mine) < 0)
		return;
	judge_content(open(mine, O_RDONLY));
	unlink(mine);
}

static void place_stat(void)
{
	struct stat st;

	if (stat(in_dir(at.top, "mid/secret"), &st) < 0)
		return;
	at.wins += st.st_size == (off_t)strlen(SECRET);
	at.given += st.st_size != (off_t)strlen(SECRET);
}

static void place_unlink(void)
{
	const char *path = in_dir(at.top, "mid/secret");
	int fd = open(path, O_WRONLY | O_CREAT, 0644);

	if (fd >= 0)
		close(fd);
	at.given += unlink(path) == 0;
}

static void place_rename(void)
{
	const char *path = in_dir(at.top, "mid/secret");
	int fd = open(path, O_WRONLY | O_CREAT, 0644);

	if (fd >= 0)
		close(fd);
	at.given += rename(path, in_dir(at.top, "away")) == 0;
}

static void place_truncate(void)
{
	at.given += truncate(in_dir(at.top, "last"), 3) == 0;
}

/* What is made beneath a name that leads to the hidden directory at times; the prize is looked for afterwards. */

static void made_in_the_open(long value)
{
	static const char *const names[] = {"ch/new", "ch-link/new"};

	at.given += value >= 0;
	/* One of them is where the other leads at this moment. */
	for (int i = 0; i < 2; i++)
		if (unlink(in_dir(at.top, names[i])) < 0 && errno == EISDIR)
			rmdir(in_dir(at.top, names[i]));
}

static void place_creat(void)
{
	int fd = open(in_dir(at.top, "ch/new"), O_WRONLY | O_CREAT | O_EXCL, 0644);

	made_in_the_open(fd);
	if (fd >= 0)
		close(fd);
}

static void place_mkdir(void)
{
	made_in_the_open(mkdir(in_dir(at.top, "ch/new"), 0755));
}

static void place_symlink(void)
{
	made_in_the_open(symlink("x", in_dir(at.top, "ch/new")));
}

static void place_rename_onto(void)
{
	const char *mine = in_dir(at.top, "mine");
	int fd = open(mine, O_WRONLY | O_CREAT, 0644);

	if (fd >= 0)
		close(fd);
	made_in_the_open(rename(mine, in_dir(at.top, "ch/new")));
}

static void place_chdir(void)
{
	judge_chdir(in_dir(at.top, "ch"));
}

/* A masked file and a FIFO: what kind of thing it is may not be taken from one and the content from the other. */
static void place_type(void)
{
	int fd = open(in_dir(at.top, at.attempts % 2 ? "masked" : "fifo"), O_RDONLY | O_NONBLOCK);
	char content[64] = "";

	if (fd < 0)
		return;
	at.given++;
	if (read(fd, content, sizeof(content) - 1) > 0)
		at.wins += strcmp(content, SECRET) == 0;
	close(fd);
}

#define EXCHANGED(from_name, to_name) .flip = FLIP_EXCHANGE, .from = from_name, .to = to_name
#define MID EXCHANGED("mid", "mid-link")
#define OPENLY EXCHANGED("ch", "ch-link")
#define LAST EXCHANGED("last", "last-link")

const struct attack place_attacks[] = {
	{"mid", place_mid, MID},
	{"last", place_last, LAST},
	{"root", place_root, EXCHANGED("r", "r-link")},
	{"holder", place_mid, EXCHANGED("mid", "holder")},
	{"rotation", place_last, .flip = FLIP_ROTATE, .from = "last", .to = "last-link"},
	{"retargeted", place_retargeted, .rival = retarget},
	{"dotdot", place_dotdot, .flip = FLIP_MOVE, .from = "p/q/cwd", .to = "q/cwd", .start = "p/q/cwd"},
	{"ancestor", place_ancestor, .flip = FLIP_MOVE, .from = "p/a", .to = "a", .start = "p/a/b/c/cwd"},
	{"dangling", place_dangling, EXCHANGED("dangling", "dangling2")},
	{"link-last", place_link, LAST},
	{"link-mid", place_link_mid, MID},
	{"stat-mid", place_stat, MID},
	{"unlink-mid", place_unlink, MID},
	{"rename-mid", place_rename, MID},
	{"truncate-last", place_truncate, LAST},
	{"chdir-last", place_chdir, OPENLY},
	{"creat-mid", place_creat, OPENLY},
	{"mkdir-mid", place_mkdir, OPENLY},
	{"symlink-mid", place_symlink, OPENLY},
	{"rename-onto-mid", place_rename_onto, OPENLY},
	{"type", place_type, EXCHANGED("masked", "fifo")},
	{},
};
