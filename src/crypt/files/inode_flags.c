/* SPDX-License-Identifier: Apache-2.0 */
/* The flags of an inode, as chattr(1) and ioctl_iflags(2) have them, and its project. */
#include <errno.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include "crypt/files/internal.h"

/* What a new file does not have by itself: of the others some belong to the file system (extents), some to
 * directories. */
static const struct {
	unsigned bit;
	const char *text;
} kept[] = {
	{FS_NOCOW_FL, "that it is not copied on write (chattr C)"},
	{FS_COMPR_FL, "that it is compressed (chattr c)"},
	{FS_NOCOMP_FL, "that it is not compressed (chattr m)"},
	{FS_DAX_FL, "direct access (chattr x)"},
	{FS_JOURNAL_DATA_FL, "journaling of its content (chattr j)"},
	{FS_SYNC_FL, "synchronous writing (chattr S)"},
	{FS_NODUMP_FL, "that it is not dumped (chattr d)"},
	{FS_NOATIME_FL, "that its access time stays (chattr A)"},
	{FS_SECRM_FL, "secure deletion (chattr s)"},
	{FS_UNRM_FL, "undeletability (chattr u)"},
	{FS_NOTAIL_FL, "that its tail is not merged (chattr t)"},
};

static int flags_of(int fd, unsigned *ret_flags)
{
	int flags; /* whatever the request's number says, it is an int */

	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
		return -errno;
	*ret_flags = (unsigned)flags;
	return 0;
}

/* One flag as the old file has it. */
static int keep_flag(int to, unsigned bit, unsigned flags)
{
	unsigned now;
	int r = flags_of(to, &now), set;

	if (r < 0 || ((now ^ flags) & bit) == 0)
		return r;
	set = (int)((now & ~bit) | (flags & bit));
	return ioctl(to, FS_IOC_SETFLAGS, &set) < 0 ? -errno : 0;
}

static int keep_project(int from, int to)
{
	struct fsxattr old, new;

	if (ioctl(from, FS_IOC_FSGETXATTR, &old) < 0 || ioctl(to, FS_IOC_FSGETXATTR, &new) < 0 ||
	    old.fsx_projid == new.fsx_projid)
		return 0;
	new.fsx_projid = old.fsx_projid;
	return ioctl(to, FS_IOC_FSSETXATTR, &new) < 0 ? -errno : 0;
}

int inode_flags_copy(const struct files *files, bool must, int from, int to, const char *path, struct errmsg *msg)
{
	unsigned flags;
	int r = flags_of(from, &flags);

	if (r < 0)
		return 0; /* a file system without */
	if (flags & (FS_IMMUTABLE_FL | FS_APPEND_FL))
		return errmsg_set(msg, -EPERM, "%s: is %s: nothing may take its place (chattr -%c)", path,
				  flags & FS_IMMUTABLE_FL ? "immutable" : "append-only",
				  flags & FS_IMMUTABLE_FL ? 'i' : 'a');
	r = flags & FS_VERITY_FL ? attribute_lost(files, must, path, -EOPNOTSUPP, "fs-verity", msg) : 0;
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(kept); i++) {
		r = keep_flag(to, kept[i].bit, flags);
		if (r < 0)
			r = attribute_lost(files, must, path, r, kept[i].text, msg);
	}
	if (r == 0) {
		r = keep_project(from, to);
		if (r < 0)
			r = attribute_lost(files, must, path, r, "its project", msg);
	}
	return r;
}
