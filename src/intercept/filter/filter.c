/* SPDX-License-Identifier: Apache-2.0 */
#include "intercept/filter/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <asm/ioctls.h>

#include "base/cleanup.h"
#include "intercept/filter/numbers.h"
#include "intercept/filter/prologue.h"
#include "intercept/steer/guard.h"

/* Constants that the headers of the oldest supported distributions lack. Values: the kernel's uapi headers. */
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif
#define RWF_NOAPPEND_BIT 0x20
#define RWF_SYNC_BITS 0x6 /* RWF_DSYNC, RWF_SYNC */
#define ARCH_ENABLE_TAGGED_ADDR_OPTION 0x4002
#define MREMAP_FIXED_BIT 2

/* ---- The rules of the screened calls ---- */

#define REFUSE_WITH(e) (SECCOMP_RET_ERRNO | (e))
#define LOW_IS(a, v) {.kind = TEST_LOW_MASKED, .arg = (a), .mask = UINT32_MAX, .value = (v)}
#define LOW_MASKED(a, m, v) {.kind = TEST_LOW_MASKED, .arg = (a), .mask = (m), .value = (v)}
#define LOW_ANY(a, m) {.kind = TEST_LOW_ANY, .arg = (a), .mask = (m)}
#define LOW_UNSET(a, m) {.kind = TEST_LOW_UNSET, .arg = (a), .mask = (m)}
#define IN_GUARD(a) {.kind = TEST_BELOW, .arg = (a), .value = GUARD_END}
#define NOT_NULL(a) {.kind = TEST_NOT_NULL, .arg = (a)}
#define FROM_GUARD {.kind = TEST_IP_BELOW, .value = GUARD_END}

/* What an inode is must not be changed past rules on writing; what a program has of an encrypted file is another inode. */
#define NEEDS_METADATA (NEEDS_APPEND | NEEDS_READONLY | NEEDS_CRYPT)

/* clang-format off */
#define RULE(nr_, needs_, action_, ...) {.nr = (nr_), .needs = (needs_), .action = (action_), .tests = {__VA_ARGS__}}
/* ioctl requests: one exactly, or all of a type and number whatever direction and size they encode. */
#define IOCTL(needs_, action_, request) RULE(SYS_ioctl, needs_, action_, LOW_IS(1, request))
#define IOCTL_ANY_SIZE(needs_, action_, type, nr_) \
	RULE(SYS_ioctl, needs_, action_, LOW_MASKED(1, 0xffff, (uint32_t)(type) << 8 | (nr_)))
#define IOCTL_TYPE(needs_, action_, type) RULE(SYS_ioctl, needs_, action_, LOW_MASKED(1, 0xff00, (uint32_t)(type) << 8))
/* A call that steering makes: it stops for the tracer, and without one (the caller itself jumped there) is ENOSYS. */
#define STEERED(nr_, needs_) RULE(nr_, needs_, SECCOMP_RET_TRACE | GUARD_TRACE_DATA, FROM_GUARD)

/* CLONE_NEWTIME shares its bit with the exit signal of clone(2), where it cannot be asked for. */
#define CLONE_NEW_ANY (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)
#define CLONE_NEWTIME_BIT 0x80

const struct screen_rule screen_rules[] = {
	/* Made from the guard pages, in numbers that are notified anyway: others stay decided by their number alone. */
	STEERED(SYS_execve, 0),
	STEERED(SYS_execveat, 0),
	STEERED(SYS_chdir, 0),
	STEERED(SYS_open, 0),
	STEERED(SYS_openat, 0),
	STEERED(SYS_connect, 0),
	STEERED(SYS_bind, 0),
	STEERED(SYS_sendmsg, NEEDS_HIDE | NEEDS_MASK),
	STEERED(SYS_setuid, NEEDS_IDS),
	STEERED(SYS_setgid, NEEDS_IDS),
	STEERED(SYS_setreuid, NEEDS_IDS),
	STEERED(SYS_setregid, NEEDS_IDS),
	STEERED(SYS_setresuid, NEEDS_IDS),
	STEERED(SYS_setresgid, NEEDS_IDS),
	STEERED(SYS_setfsuid, NEEDS_IDS),
	STEERED(SYS_setfsgid, NEEDS_IDS),
	STEERED(GUARD_GATE_CALL, 0),

	/*
	 * The guard pages: nothing below GUARD_END may be unmapped, moved, protected or mapped over. A range that covers
	 * them from below starts below GUARD_END too, and ranges do not wrap (the kernel refuses those). Whether mmap is
	 * our own, steered one the supervisor knows.
	 */
	RULE(SYS_mmap, 0, SECCOMP_RET_USER_NOTIF, IN_GUARD(0), LOW_ANY(3, MAP_FIXED | MAP_FIXED_NOREPLACE)),
	RULE(SYS_mprotect, 0, REFUSE_WITH(EPERM), IN_GUARD(0)),
	RULE(SYS_munmap, 0, REFUSE_WITH(EPERM), IN_GUARD(0)),
	RULE(SYS_mremap, 0, REFUSE_WITH(EPERM), IN_GUARD(0)),
	RULE(SYS_mremap, 0, REFUSE_WITH(EPERM), IN_GUARD(4), LOW_ANY(3, MREMAP_FIXED_BIT)),
	RULE(SYS_madvise, 0, REFUSE_WITH(EPERM), IN_GUARD(0)),
	RULE(SYS_pkey_mprotect, 0, REFUSE_WITH(EPERM), IN_GUARD(0)),
	/* Address 0 lets the kernel choose; any other is taken as fixed. */
	RULE(SYS_shmat, 0, REFUSE_WITH(EPERM), NOT_NULL(1), IN_GUARD(1)),
	/* With tagged addresses the kernel strips the upper bits before it looks: the compares above would be blind. */
	RULE(SYS_arch_prctl, 0, REFUSE_WITH(ENODEV), LOW_IS(0, ARCH_ENABLE_TAGGED_ADDR_OPTION)),

	/* New namespaces give other roots and mounts, or powers over the caller's own that it had not. */
	RULE(SYS_clone, 0, REFUSE_WITH(EPERM), LOW_ANY(0, CLONE_NEW_ANY)),
	/* Not a thread, and shares the umask, which the supervisor remembers of each. */
	RULE(SYS_clone, 0, SECCOMP_RET_USER_NOTIF, LOW_MASKED(0, CLONE_FS | CLONE_THREAD, CLONE_FS)),
	RULE(SYS_unshare, 0, REFUSE_WITH(EPERM), LOW_ANY(0, CLONE_NEW_ANY | CLONE_NEWTIME_BIT)),

	RULE(SYS_socket, 0, REFUSE_WITH(EAFNOSUPPORT), LOW_IS(0, AF_ALG)),
	STEERED(SYS_sendto, 0),
	/* Without an address the socket's own peer is meant, which connect() has judged. */
	RULE(SYS_sendto, 0, SECCOMP_RET_USER_NOTIF, NOT_NULL(4)),

	RULE(SYS_fcntl, NEEDS_APPEND | NEEDS_CRYPT, SECCOMP_RET_USER_NOTIF, LOW_IS(1, F_SETFL), LOW_UNSET(2, O_APPEND)),
	/* What a program has of an encrypted file is one in memory, which alone has seals. */
	RULE(SYS_fcntl, NEEDS_CRYPT, SECCOMP_RET_USER_NOTIF, LOW_IS(1, F_GET_SEALS)),
	RULE(SYS_fcntl, NEEDS_CRYPT, SECCOMP_RET_USER_NOTIF, LOW_IS(1, F_ADD_SEALS)),
	/* dnotify tells of changes in a directory, those of hidden names too. EINVAL: a kernel without it. */
	RULE(SYS_fcntl, NEEDS_HIDE, REFUSE_WITH(EINVAL), LOW_IS(1, F_NOTIFY)),
	RULE(SYS_pwritev2, NEEDS_APPEND | NEEDS_CRYPT, REFUSE_WITH(EOPNOTSUPP), LOW_ANY(5, RWF_NOAPPEND_BIT)),
	RULE(SYS_pwritev2, NEEDS_CRYPT, SECCOMP_RET_USER_NOTIF, LOW_ANY(5, RWF_SYNC_BITS)),
	RULE(SYS_msync, NEEDS_CRYPT, SECCOMP_RET_USER_NOTIF, LOW_ANY(2, MS_SYNC)),

	/* The supervisor must be able to read its callers: it remembers the flag instead, and sets it after a change of ids. */
	RULE(SYS_prctl, NEEDS_IDS, SECCOMP_RET_TRACE | GUARD_TRACE_DATA, LOW_IS(0, PR_SET_DUMPABLE), FROM_GUARD),
	RULE(SYS_prctl, NEEDS_DUMPABLE, SECCOMP_RET_USER_NOTIF, LOW_IS(0, PR_SET_DUMPABLE)),
	RULE(SYS_prctl, NEEDS_DUMPABLE, SECCOMP_RET_USER_NOTIF, LOW_IS(0, PR_GET_DUMPABLE)),
	/*
	 * PR_SET_MM changes what /proc/PID/exe and maps say of a caller: EPERM, which an ordinary user gets for most of
	 * it natively. Steering puts a new image right with it.
	 */
	RULE(SYS_prctl, 0, SECCOMP_RET_TRACE | GUARD_TRACE_DATA, LOW_IS(0, PR_SET_MM), FROM_GUARD),
	RULE(SYS_prctl, 0, REFUSE_WITH(EPERM), LOW_IS(0, PR_SET_MM)),
	/* Nobody inside may trace. EINVAL: a kernel without Yama, which every program that asks this can bear. */
	RULE(SYS_prctl, 0, REFUSE_WITH(EINVAL), LOW_IS(0, PR_SET_PTRACER)),
	/* A dispatched thread would get SIGSYS for the calls it is steered into. EINVAL: before Linux 5.11. */
	RULE(SYS_prctl, 0, REFUSE_WITH(EINVAL), LOW_IS(0, PR_SET_SYSCALL_USER_DISPATCH)),
	/* After these an exec leaves a caller with less than the supervisor that acts for it: it must be known. */
	RULE(SYS_prctl, NEEDS_ROOT, SECCOMP_RET_USER_NOTIF, LOW_IS(0, PR_CAPBSET_DROP)),
	RULE(SYS_prctl, NEEDS_ROOT, SECCOMP_RET_USER_NOTIF, LOW_IS(0, PR_CAP_AMBIENT)),
	RULE(SYS_prctl, NEEDS_ROOT, SECCOMP_RET_USER_NOTIF, LOW_IS(0, PR_SET_SECUREBITS)),

	/* Characters typed into the terminal of whoever started the view. */
	IOCTL(0, REFUSE_WITH(EPERM), TIOCSTI),
	IOCTL(0, REFUSE_WITH(EPERM), TIOCLINUX),
	/* A listener's requests ('!' is seccomp's type): no descriptor in the view is one, whoever passes it in. */
	IOCTL_TYPE(0, REFUSE_WITH(ENOTTY), '!'),
	/* /dev/userfaultfd gives what userfaultfd(2), which is refused, would. */
	IOCTL_TYPE(0, REFUSE_WITH(ENOTTY), 0xaa),
	/* Descriptors and names from elsewhere: SIOCUNIXFILE, autofs's control device, ocfs2 reflinks, bcachefs subvolumes. */
	IOCTL(0, REFUSE_WITH(EPERM), 0x89e0),
	IOCTL_TYPE(0, REFUSE_WITH(ENOTTY), 0x93),
	IOCTL_ANY_SIZE(0, REFUSE_WITH(ENOTTY), 'o', 4),
	IOCTL_TYPE(0, REFUSE_WITH(ENOTTY), 0xbc),
	/* VFAT_IOCTL_READDIR_BOTH, _SHORT: listings past getdents. */
	IOCTL_ANY_SIZE(NEEDS_HIDE, REFUSE_WITH(ENOTTY), 'r', 1),
	IOCTL_ANY_SIZE(NEEDS_HIDE, REFUSE_WITH(ENOTTY), 'r', 2),
	/* btrfs: what needs no name is let through, the rest looks up, makes or removes names below the view. */
	IOCTL(0, SECCOMP_RET_ALLOW, FICLONE),
	IOCTL(0, SECCOMP_RET_ALLOW, FICLONERANGE),
	IOCTL(0, SECCOMP_RET_ALLOW, FIDEDUPERANGE),
	IOCTL_ANY_SIZE(0, SECCOMP_RET_ALLOW, 0x94, 20), /* SPACE_INFO */
	IOCTL_ANY_SIZE(0, SECCOMP_RET_ALLOW, 0x94, 25), /* SUBVOL_GETFLAGS */
	IOCTL_ANY_SIZE(0, SECCOMP_RET_ALLOW, 0x94, 30), /* DEV_INFO */
	IOCTL_ANY_SIZE(0, SECCOMP_RET_ALLOW, 0x94, 31), /* FS_INFO */
	IOCTL_ANY_SIZE(0, SECCOMP_RET_ALLOW, 0x94, 57), /* GET_FEATURES, SET_FEATURES */
	IOCTL_TYPE(0, REFUSE_WITH(ENOTTY), 0x94),
	/* XFS: files by handle, names of a file. */
	IOCTL_ANY_SIZE(0, REFUSE_WITH(ENOTTY), 'X', 62),  /* GETPARENTS */
	IOCTL_ANY_SIZE(0, REFUSE_WITH(ENOTTY), 'X', 63),  /* GETPARENTS_BY_HANDLE */
	IOCTL_ANY_SIZE(0, REFUSE_WITH(ENOTTY), 'X', 104), /* PATH_TO_FSHANDLE */
	IOCTL_ANY_SIZE(0, REFUSE_WITH(ENOTTY), 'X', 105), /* PATH_TO_HANDLE */
	IOCTL_ANY_SIZE(0, REFUSE_WITH(ENOTTY), 'X', 106), /* FD_TO_HANDLE */
	IOCTL_ANY_SIZE(0, REFUSE_WITH(ENOTTY), 'X', 107), /* OPEN_BY_HANDLE */
	IOCTL_ANY_SIZE(0, REFUSE_WITH(ENOTTY), 'X', 108), /* READLINK_BY_HANDLE */
	IOCTL_ANY_SIZE(0, REFUSE_WITH(ENOTTY), 'X', 122), /* ATTRLIST_BY_HANDLE */
	IOCTL_ANY_SIZE(0, REFUSE_WITH(ENOTTY), 'X', 123), /* ATTRMULTI_BY_HANDLE */
	/* Attributes of the inode (immutable, append-only and their like) through any descriptor of it. */
	IOCTL_ANY_SIZE(NEEDS_METADATA, REFUSE_WITH(EPERM), 'f', 2),  /* FS_IOC_SETFLAGS, both widths */
	IOCTL_ANY_SIZE(NEEDS_METADATA, REFUSE_WITH(EPERM), 'v', 2),  /* FS_IOC_SETVERSION */
	IOCTL_ANY_SIZE(NEEDS_METADATA, REFUSE_WITH(EPERM), 'f', 4),  /* EXT4_IOC_SETVERSION */
	IOCTL_ANY_SIZE(NEEDS_METADATA, REFUSE_WITH(EPERM), 'X', 32), /* FS_IOC_FSSETXATTR */
	IOCTL(NEEDS_METADATA, REFUSE_WITH(EPERM), 0x40047211),	    /* FAT_IOCTL_SET_ATTRIBUTES */
	/* What most file systems have not. */
	IOCTL_ANY_SIZE(NEEDS_METADATA, REFUSE_WITH(EOPNOTSUPP), 'f', 133), /* FS_IOC_ENABLE_VERITY */
	IOCTL_ANY_SIZE(NEEDS_METADATA, REFUSE_WITH(EOPNOTSUPP), 'f', 19),  /* FS_IOC_SET_ENCRYPTION_POLICY */
	/* Ways to change the bytes of a file that is open for appending only. */
	IOCTL_ANY_SIZE(NEEDS_APPEND, REFUSE_WITH(EPERM), 'X', 10),  /* XFS_IOC_ALLOCSP */
	IOCTL_ANY_SIZE(NEEDS_APPEND, REFUSE_WITH(EPERM), 'X', 11),  /* XFS_IOC_FREESP */
	IOCTL_ANY_SIZE(NEEDS_APPEND, REFUSE_WITH(EPERM), 'X', 36),  /* XFS_IOC_ALLOCSP64 */
	IOCTL_ANY_SIZE(NEEDS_APPEND, REFUSE_WITH(EPERM), 'X', 37),  /* XFS_IOC_FREESP64 */
	IOCTL_ANY_SIZE(NEEDS_APPEND, REFUSE_WITH(EPERM), 'X', 40),  /* FS_IOC_RESVSP */
	IOCTL_ANY_SIZE(NEEDS_APPEND, REFUSE_WITH(EPERM), 'X', 41),  /* FS_IOC_UNRESVSP */
	IOCTL_ANY_SIZE(NEEDS_APPEND, REFUSE_WITH(EPERM), 'X', 42),  /* FS_IOC_RESVSP64 */
	IOCTL_ANY_SIZE(NEEDS_APPEND, REFUSE_WITH(EPERM), 'X', 43),  /* FS_IOC_UNRESVSP64 */
	IOCTL_ANY_SIZE(NEEDS_APPEND, REFUSE_WITH(EPERM), 'X', 57),  /* FS_IOC_ZERO_RANGE */
	IOCTL_ANY_SIZE(NEEDS_APPEND, REFUSE_WITH(EPERM), 'X', 109), /* XFS_IOC_SWAPEXT */
	IOCTL_ANY_SIZE(NEEDS_APPEND, REFUSE_WITH(EPERM), 'X', 129), /* XFS_IOC_EXCHANGE_RANGE */
	IOCTL_ANY_SIZE(NEEDS_APPEND, REFUSE_WITH(EPERM), 'X', 131), /* XFS_IOC_COMMIT_RANGE */
	IOCTL_ANY_SIZE(NEEDS_APPEND, REFUSE_WITH(EPERM), 'f', 15),  /* EXT4_IOC_MOVE_EXT */
	IOCTL(NEEDS_APPEND, REFUSE_WITH(EPERM), 0x6611),	    /* EXT4_IOC_SWAP_BOOT; with a size it is PROCMAP_QUERY */
	IOCTL_TYPE(NEEDS_APPEND, REFUSE_WITH(EPERM), 0xf5),	    /* f2fs: moves, atomic writes, trims */
	IOCTL_TYPE(NEEDS_APPEND, REFUSE_WITH(EPERM), 0xcf),	    /* cifs: CIFS_IOC_COPYCHUNK_FILE */
};
/* clang-format on */
const size_t screen_rules_len = ARRAY_LEN(screen_rules);

/* ---- From the table to a program ---- */

static void free_program(struct sock_fprog **program)
{
	filter_free(*program);
}

int filter_build(unsigned needs, struct sock_fprog **ret, struct errmsg *msg)
{
	_cleanup_(free_program) struct sock_fprog *program = calloc(1, sizeof(*program));
	if (!program)
		return errmsg_set(msg, -ENOMEM, "no memory for the system call filter");
	program->filter = malloc(BPF_MAXINSNS * sizeof(*program->filter));
	if (!program->filter)
		return errmsg_set(msg, -ENOMEM, "no memory for the system call filter");

	int r = prologue_assemble(screen_rules, screen_rules_len, needs, program->filter, BPF_MAXINSNS);
	if (r < 0)
		return errmsg_set(msg, r, "the system call filter grew too long");
	size_t len = (size_t)r;
	r = numbers_assemble(needs, program->filter + len, BPF_MAXINSNS - len);
	if (r < 0)
		return errmsg_set(msg, r, "the system call filter grew too long");
	program->len = (unsigned short)(len + (size_t)r);
	*ret = TAKE_PTR(program);
	return 0;
}

struct sock_fprog *filter_free(struct sock_fprog *program)
{
	if (program) {
		free(program->filter);
		free(program);
	}
	return NULL;
}
