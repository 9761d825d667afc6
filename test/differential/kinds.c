/* SPDX-License-Identifier: Apache-2.0 */
#include "differential.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

/* Newer than the headers of Debian 12. */
#define NR_FCHMODAT2 452
#define NR_SETXATTRAT 463
#define NR_GETXATTRAT 464
#define NR_LISTXATTRAT 465
#define NR_REMOVEXATTRAT 466

#define EMPTY AT_EMPTY_PATH
#define NOFOLLOW AT_SYMLINK_NOFOLLOW

/* clang-format off */
const struct kind kinds[] = {
	{.name = "open", .nr = SYS_open, .args = "pom", .show = SHOW_FD, .frees = true, .weight = 8},
	{.name = "openat", .nr = SYS_openat, .args = "dpom", .show = SHOW_FD, .frees = true, .weight = 16},
	{.name = "openat2", .nr = SYS_openat2, .args = "dphH", .show = SHOW_FD, .frees = true, .weight = 8},
	{.name = "creat", .nr = SYS_creat, .args = "pm", .show = SHOW_FD, .frees = true},
	{.name = "openat.tmpfile", .nr = SYS_openat, .args = "dD*m", .show = SHOW_FD, .frees = true, .choices = {O_TMPFILE | O_RDWR, O_TMPFILE | O_WRONLY, O_TMPFILE | O_RDWR | O_EXCL, O_TMPFILE | O_RDWR | O_CLOEXEC}},
	{.name = "openat.directory", .nr = SYS_openat, .args = "dD*0", .show = SHOW_FD, .frees = true, .weight = 8, .choices = {O_RDONLY, O_DIRECTORY, O_DIRECTORY | O_CLOEXEC, O_PATH, O_PATH | O_DIRECTORY}},
	{.name = "openat.attributed", .nr = SYS_openat, .args = "dw*0", .show = SHOW_FD, .frees = true, .choices = {O_RDONLY, O_RDONLY | O_NONBLOCK}},
	{.name = "openat.writable", .nr = SYS_openat, .args = "dr*0", .show = SHOW_FD, .frees = true, .choices = {O_RDWR, O_WRONLY, O_RDWR | O_APPEND}},
	{.name = "openat.fifo", .nr = SYS_openat, .args = "dF*0", .show = SHOW_FD, .frees = true, .choices = {O_RDONLY | O_NONBLOCK, O_RDWR, O_WRONLY | O_NONBLOCK, O_PATH}},
	{.name = "openat.device", .nr = SYS_openat, .args = "dQ*0", .show = SHOW_FD, .frees = true, .choices = {O_RDONLY, O_RDWR, O_WRONLY, O_PATH}},

	{.name = "stat", .nr = SYS_stat, .args = "eb", .show = SHOW_STAT},
	{.name = "lstat", .nr = SYS_lstat, .args = "eb", .show = SHOW_STAT},
	{.name = "newfstatat", .nr = SYS_newfstatat, .args = "debf", .show = SHOW_STAT, .weight = 8, .choices = {0, NOFOLLOW, EMPTY, AT_NO_AUTOMOUNT, EMPTY | NOFOLLOW}},
	{.name = "fstat", .nr = SYS_fstat, .args = "sb", .show = SHOW_STAT},
	{.name = "statx", .nr = SYS_statx, .args = "defib", .show = SHOW_STATX, .choices = {0, NOFOLLOW, EMPTY, AT_STATX_FORCE_SYNC, AT_STATX_DONT_SYNC | NOFOLLOW}},
	{.name = "access", .nr = SYS_access, .args = "ea"},
	{.name = "faccessat", .nr = SYS_faccessat, .args = "dea"},
	{.name = "faccessat2", .nr = SYS_faccessat2, .args = "deaf", .choices = {0, NOFOLLOW, EMPTY, AT_EACCESS, AT_EACCESS | NOFOLLOW}},
	{.name = "readlink", .nr = SYS_readlink, .args = "Lbz", .show = SHOW_BYTES},
	{.name = "readlinkat", .nr = SYS_readlinkat, .args = "dLbz", .show = SHOW_BYTES},

	{.name = "mkdir", .nr = SYS_mkdir, .args = "nm", .weight = 6},
	{.name = "mkdirat", .nr = SYS_mkdirat, .args = "dnm"},
	{.name = "rmdir", .nr = SYS_rmdir, .args = "E", .frees = true},
	{.name = "unlink", .nr = SYS_unlink, .args = "k", .frees = true},
	{.name = "unlinkat", .nr = SYS_unlinkat, .args = "dkf", .frees = true, .choices = {0}},
	{.name = "unlinkat.directory", .nr = SYS_unlinkat, .args = "dEf", .frees = true, .choices = {AT_REMOVEDIR}},
	{.name = "rename", .nr = SYS_rename, .args = "cn", .frees = true},
	{.name = "renameat", .nr = SYS_renameat, .args = "dcdn", .frees = true},
	{.name = "renameat2", .nr = SYS_renameat2, .args = "dcdnf", .frees = true, .choices = {0, RENAME_NOREPLACE}},
	{.name = "rename.over", .nr = SYS_rename, .args = "kk", .frees = true},
	{.name = "renameat2.exchange", .nr = SYS_renameat2, .args = "dcdcf", .frees = true, .choices = {RENAME_EXCHANGE}},
	{.name = "renameat2.whiteout", .nr = SYS_renameat2, .args = "dcdnf", .frees = true, .choices = {RENAME_WHITEOUT, RENAME_WHITEOUT | RENAME_NOREPLACE}},
	{.name = "link", .nr = SYS_link, .args = "kn"},
	{.name = "linkat", .nr = SYS_linkat, .args = "dkdnf", .choices = {0, AT_SYMLINK_FOLLOW, EMPTY}},
	{.name = "linkat.descriptor", .nr = SYS_linkat, .args = "sPdnf", .choices = {EMPTY}, .floor = 10},
	{.name = "symlink", .nr = SYS_symlink, .args = "Tn", .weight = 6},
	{.name = "symlinkat", .nr = SYS_symlinkat, .args = "Tdn"},
	{.name = "mknod", .nr = SYS_mknod, .args = "nMV"},
	{.name = "mknodat", .nr = SYS_mknodat, .args = "dnMV"},

	{.name = "chmod", .nr = SYS_chmod, .args = "em"},
	{.name = "fchmodat", .nr = SYS_fchmodat, .args = "dem"},
	{.name = "fchmodat2", .nr = NR_FCHMODAT2, .args = "demf", .choices = {0, NOFOLLOW, EMPTY, EMPTY | NOFOLLOW}},
	{.name = "fchmod", .nr = SYS_fchmod, .args = "sm"},
	{.name = "chown", .nr = SYS_chown, .args = "eug"},
	{.name = "lchown", .nr = SYS_lchown, .args = "eug"},
	{.name = "fchownat", .nr = SYS_fchownat, .args = "deugf", .choices = {0, NOFOLLOW, EMPTY, EMPTY | NOFOLLOW}},
	{.name = "fchown", .nr = SYS_fchown, .args = "sug"},
	{.name = "utime", .nr = SYS_utime, .args = "eq"},
	{.name = "utimes", .nr = SYS_utimes, .args = "ey"},
	{.name = "futimesat", .nr = SYS_futimesat, .args = "dey"},
	{.name = "utimensat", .nr = SYS_utimensat, .args = "detf", .weight = 6, .choices = {0, NOFOLLOW, EMPTY}},
	{.name = "utimensat.descriptor", .nr = SYS_utimensat, .args = "s0tf", .choices = {0}},
	{.name = "truncate", .nr = SYS_truncate, .args = "rl"},
	{.name = "ftruncate", .nr = SYS_ftruncate, .args = "&l"},
	{.name = "fallocate", .nr = SYS_fallocate, .args = "&fjl", .choices = {0, 0, 1 /* KEEP_SIZE */, 3 /* PUNCH_HOLE */, 0x10 /* ZERO_RANGE */}},
	{.name = "statfs", .nr = SYS_statfs, .args = "eb", .show = SHOW_STATFS},
	{.name = "fstatfs", .nr = SYS_fstatfs, .args = "sb", .show = SHOW_STATFS},

	{.name = "setxattr", .nr = SYS_setxattr, .args = "wXBYf", .choices = {0, 0, XATTR_CREATE, XATTR_REPLACE}},
	{.name = "lsetxattr", .nr = SYS_lsetxattr, .args = "wXBYf", .choices = {0}},
	{.name = "fsetxattr", .nr = SYS_fsetxattr, .args = "SXBYf", .choices = {0}},
	{.name = "getxattr", .nr = SYS_getxattr, .args = "wXbz", .show = SHOW_BYTES},
	{.name = "lgetxattr", .nr = SYS_lgetxattr, .args = "wXbz", .show = SHOW_BYTES},
	{.name = "fgetxattr", .nr = SYS_fgetxattr, .args = "%Xbz", .show = SHOW_BYTES},
	{.name = "listxattr", .nr = SYS_listxattr, .args = "wbz", .show = SHOW_BYTES},
	{.name = "llistxattr", .nr = SYS_llistxattr, .args = "wbz", .show = SHOW_BYTES},
	{.name = "flistxattr", .nr = SYS_flistxattr, .args = "sbz", .show = SHOW_BYTES},
	{.name = "removexattr", .nr = SYS_removexattr, .args = "wX"},
	{.name = "lremovexattr", .nr = SYS_lremovexattr, .args = "wX"},
	{.name = "fremovexattr", .nr = SYS_fremovexattr, .args = "%X"},
	{.name = "setxattrat", .nr = NR_SETXATTRAT, .args = "dwfXZ9", .choices = {0, NOFOLLOW, EMPTY}},
	{.name = "getxattrat", .nr = NR_GETXATTRAT, .args = "dwfXW9", .choices = {0, NOFOLLOW, EMPTY}},
	{.name = "listxattrat", .nr = NR_LISTXATTRAT, .args = "dwfbz", .show = SHOW_BYTES, .choices = {0, NOFOLLOW, EMPTY}},
	{.name = "removexattrat", .nr = NR_REMOVEXATTRAT, .args = "dwfX", .choices = {0, NOFOLLOW, EMPTY}},

	{.name = "chdir", .nr = SYS_chdir, .args = "D", .show = SHOW_CWD},
	{.name = "fchdir", .nr = SYS_fchdir, .args = "C", .show = SHOW_CWD},
	{.name = "getcwd", .nr = SYS_getcwd, .args = "bz", .show = SHOW_BYTES},
	{.name = "getdents64", .nr = SYS_getdents64, .args = "Cbz", .composite = COMPOSITE_LIST},
	{.name = "getdents", .nr = SYS_getdents, .args = "Cbz", .composite = COMPOSITE_LIST},
	{.name = "getdents64.seek", .nr = SYS_getdents64, .args = "Cbz", .composite = COMPOSITE_LIST_SEEKING},
	{.name = "umask", .nr = SYS_umask, .args = "m", .floor = -1, .weight = 1},
	{.name = "child.chdir", .nr = SYS_chdir, .args = "D", .show = SHOW_CWD, .composite = COMPOSITE_CHILD_CHDIR, .weight = 1},
	{.name = "child.umask", .nr = SYS_umask, .args = "m", .show = SHOW_NOTHING, .composite = COMPOSITE_CHILD_UMASK, .weight = 1},
	{.name = "execve", .nr = SYS_execve, .args = "xvv", .show = SHOW_PROGRAM, .composite = COMPOSITE_EXECVE},
	{.name = "execveat", .nr = SYS_execveat, .args = "dxvvf", .show = SHOW_PROGRAM, .composite = COMPOSITE_EXECVEAT, .choices = {0, 0, NOFOLLOW, EMPTY}},

	{.name = "socket", .nr = SYS_socket, .args = "1*0", .show = SHOW_FD, .frees = true, .choices = {SOCK_STREAM | SOCK_NONBLOCK, SOCK_DGRAM | SOCK_NONBLOCK, SOCK_STREAM | SOCK_NONBLOCK, SOCK_DGRAM | SOCK_NONBLOCK, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC}},
	{.name = "bind", .nr = SYS_bind, .args = "UNA"},
	{.name = "connect", .nr = SYS_connect, .args = "=OA"},
	{.name = "listen", .nr = SYS_listen, .args = "Kf", .choices = {8, 0}, .floor = -1},
	{.name = "sendto", .nr = SYS_sendto, .args = "KBYfOA", .choices = {MSG_DONTWAIT, MSG_DONTWAIT | MSG_NOSIGNAL}, .floor = 10},
	{.name = "recvfrom", .nr = SYS_recvfrom, .args = "KbzR", .floor = -1},
	{.name = "getsockname", .nr = SYS_getsockname, .args = "KbJ", .show = SHOW_ADDRESS, .weight = 2},
	{.name = "getpeername", .nr = SYS_getpeername, .args = "KbJ", .show = SHOW_ADDRESS, .floor = -1, .weight = 2},
	{.name = "inotify_init1", .nr = SYS_inotify_init1, .args = "*", .show = SHOW_FD, .frees = true, .choices = {0x800}, .weight = 2},
	{.name = "inotify_add_watch", .nr = SYS_inotify_add_watch, .args = "IeG"},
	{.name = "read.inotify", .nr = SYS_read, .args = "Ibz", .show = SHOW_EVENTS, .floor = -1},

	{.name = "read", .nr = SYS_read, .args = "Sbz", .show = SHOW_BYTES},
	{.name = "write", .nr = SYS_write, .args = "&BY"},
	{.name = "lseek", .nr = SYS_lseek, .args = "Cjf", .choices = {0, 1, 2}},
	{.name = "dup", .nr = SYS_dup, .args = "s", .show = SHOW_FD, .frees = true, .weight = 2},
	{.name = "close", .nr = SYS_close, .args = "s", .frees = true, .weight = 2},
	{.name = "pread64", .nr = SYS_pread64, .args = "Sbzj", .show = SHOW_BYTES, .data = true},
	{.name = "pwrite64", .nr = SYS_pwrite64, .args = "&BYj", .data = true},
	{.name = "write.large", .nr = SYS_write, .args = "&8Y", .data = true},
	{.name = "pwrite64.large", .nr = SYS_pwrite64, .args = "&8Yj", .data = true},
	{.name = "readv", .nr = SYS_readv, .args = "Sbz", .show = SHOW_BYTES, .composite = COMPOSITE_VECTOR, .data = true},
	{.name = "preadv", .nr = SYS_preadv, .args = "Sbzj", .show = SHOW_BYTES, .composite = COMPOSITE_VECTOR, .data = true},
	{.name = "writev", .nr = SYS_writev, .args = "&BY", .composite = COMPOSITE_VECTOR, .data = true},
	{.name = "pwritev", .nr = SYS_pwritev, .args = "&BYj", .composite = COMPOSITE_VECTOR, .data = true},
	{.name = "pwritev2", .nr = SYS_pwritev2, .args = "&BYj*", .composite = COMPOSITE_VECTOR, .data = true, .choices = {0, 16 /* RWF_APPEND */}},
	{.name = "mmap.read", .nr = SYS_mmap, .args = "S*jl", .show = SHOW_BYTES, .composite = COMPOSITE_MAP, .data = true, .floor = 10, .choices = {0}},
	{.name = "mmap.write", .nr = SYS_mmap, .args = "&*jl", .show = SHOW_BYTES, .composite = COMPOSITE_MAP, .data = true, .floor = 5, .weight = 8, .choices = {1, 1, 3, 4}},
	{.name = "lseek.file", .nr = SYS_lseek, .args = "Sjf", .data = true, .choices = {0, 1, 2}},
	{.name = "lseek.hole", .nr = SYS_lseek, .args = "Sjf", .composite = COMPOSITE_HOLE, .data = true, .floor = 10, .weight = 2, .choices = {3 /* SEEK_DATA */, 4 /* SEEK_HOLE */}},
	{.name = "fsync", .nr = SYS_fsync, .args = "s", .data = true, .weight = 1},
	{.name = "fdatasync", .nr = SYS_fdatasync, .args = "S", .data = true, .weight = 1},
	{.name = "syncfs", .nr = SYS_syncfs, .args = "s", .data = true, .weight = 1},
	{.name = "sync_file_range", .nr = SYS_sync_file_range, .args = "Sjlf", .data = true, .weight = 1, .choices = {0, 7, 2, 5}},
	{.name = "fadvise64", .nr = SYS_fadvise64, .args = "Sjlf", .data = true, .weight = 1, .choices = {0, 1, 2, 3, 4, 5}},
	{.name = "copy_file_range", .nr = SYS_copy_file_range, .args = "S&l", .composite = COMPOSITE_COPY, .data = true, .floor = 15},
	{.name = "sendfile", .nr = SYS_sendfile, .args = "&S0l", .data = true, .floor = 15},
	{.name = "splice", .nr = SYS_splice, .args = "S&l", .composite = COMPOSITE_SPLICE, .data = true, .floor = 15},
	{.name = "flock", .nr = SYS_flock, .args = "Sf", .data = true, .weight = 2, .choices = {5 /* SH */, 6 /* EX */, 8 /* UN */, 6}},
	{.name = "fcntl.lock", .nr = SYS_fcntl, .args = "S*3", .data = true, .weight = 2, .floor = 20, .choices = {F_SETLK, 37 /* F_OFD_SETLK */, F_GETLK, 36}},
	{.name = "child.lock", .nr = SYS_fcntl, .args = "S*3", .composite = COMPOSITE_IN_CHILD, .data = true, .weight = 2, .floor = 10, .choices = {F_SETLK, 37}},
	{.name = "fcntl.setfl", .nr = SYS_fcntl, .args = "S2*", .data = true, .choices = {0, O_APPEND, O_NONBLOCK, O_APPEND | O_NONBLOCK, O_NOATIME}},
	{.name = "child.write", .nr = SYS_write, .args = "&BY", .composite = COMPOSITE_SHARED, .data = true},
	{.name = "fstat.data", .nr = SYS_fstat, .args = "Sb", .show = SHOW_STAT, .data = true},
	{.name = "newfstatat.data", .nr = SYS_newfstatat, .args = "drbf", .show = SHOW_STAT, .data = true, .choices = {0}},
	{.name = "openat.data", .nr = SYS_openat, .args = "dr*0", .show = SHOW_FD, .frees = true, .data = true, .weight = 8, .choices = {O_RDWR, O_WRONLY | O_APPEND, O_RDWR | O_TRUNC, O_RDONLY, O_RDWR | O_APPEND, O_WRONLY}},
	{.name = "fcntl.getfl", .nr = SYS_fcntl, .args = "s*", .show = SHOW_STATUS, .choices = {F_GETFL}, .weight = 2},
	{.name = "memfd_create", .nr = SYS_memfd_create, .args = "n0", .show = SHOW_FD, .frees = true, .weight = 1, .floor = -1},
	{.name = "unshare", .nr = SYS_unshare, .args = "*", .choices = {CLONE_FS, CLONE_FS | CLONE_SYSVSEM}, .weight = 1},
};
/* clang-format on */
const size_t kind_count = sizeof(kinds) / sizeof(kinds[0]);

const struct kind *kind_find(const char *name, size_t length)
{
	for (size_t i = 0; i < kind_count; i++)
		if (strlen(kinds[i].name) == length && memcmp(kinds[i].name, name, length) == 0)
			return &kinds[i];
	return NULL;
}
