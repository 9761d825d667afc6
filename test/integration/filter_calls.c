/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every row of the system call table and every rule of the prologue, by making the calls under the filter: what is
 * allowed answers as natively and is not notified, what is notified arrives with its number, what is refused fails
 * with its errno. For each part of a policy alone, none and all; as root, if we are, and as an ordinary user.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <asm/ioctls.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "../features/without.h"
#include "filter_cell.h"
#include "intercept/filter/prologue.h"
#include "intercept/filter/syscalls.h"
#include "intercept/steer/guard.h"

#define ORDINARY_USER 1000
#define JUNK 0xdeadbeef00000000ull
#define NEEDS_ALL (NEEDS_END - 1)

static const unsigned masks[] = {0, NEEDS_HIDE, NEEDS_MASK, NEEDS_APPEND, NEEDS_READONLY, NEEDS_ROOT, NEEDS_DUMPABLE,
				 NEEDS_IDS | NEEDS_ROOT | NEEDS_DUMPABLE, NEEDS_CRYPT, NEEDS_ALL};

enum outcome {
	AS_NATIVE,
	NOTIFIED,
	REFUSED,
};

struct expectation {
	enum outcome outcome;
	int error;
};

/* ---- What is expected is compared here ---- */

static unsigned long compared[3];

/* Process ids and the like differ between any two runs. */
static bool same_result(const struct probe_result *a, const struct probe_result *b)
{
	if (a->signal || b->signal)
		return a->signal == b->signal;
	if (a->value >= 0 && b->value >= 0)
		return true;
	return a->value == b->value;
}

static int check(const struct probe *p, const struct expectation *want, const struct probe_result *got,
		 const struct probe_result *native, const char *where)
{
	const char *wrong = NULL;
	compared[want->outcome]++;
	switch (want->outcome) {
	case AS_NATIVE:
		if (got->notified)
			wrong = "was notified";
		else if (!same_result(got, native))
			wrong = "differs from native";
		break;
	case NOTIFIED:
		/* What a filter around us answers comes to nobody. */
		if (!got->notified && (without_call(p->nr) || without_some(p->nr)) && native->value < 0 &&
		    same_result(got, native))
			break;
		if (!got->notified)
			wrong = "was not notified";
		else if (got->notified_nr != p->nr || memcmp(got->notified_args, p->args, sizeof(p->args)) != 0)
			wrong = "arrived with another number or other arguments";
		else if (got->value != CELL_ANSWER)
			wrong = "did not get the supervisor's answer";
		break;
	case REFUSED:
		if (got->notified)
			wrong = "was notified";
		else if (got->value != -want->error)
			wrong = "was not refused with its errno";
		break;
	}
	if (!wrong)
		return 0;
	print_error("%s: %s(%#lx, %#lx, %#lx, %#lx, %#lx, %#lx) %s: got %ld signal %d, native %ld, expected errno %d\n", where,
		    p->what, p->args[0], p->args[1], p->args[2], p->args[3], p->args[4], p->args[5], wrong, got->value,
		    got->signal, native->value, want->error);
	return 1;
}

static int run_and_check(const struct probe *probes, size_t count, unsigned needs, uid_t uid, bool guarded,
			 struct expectation (*expect)(size_t i, unsigned needs))
{
	_cleanup_free_ struct probe_result *native = calloc(count, sizeof(*native));
	_cleanup_free_ struct probe_result *inside = calloc(count, sizeof(*inside));
	assert_non_null(native);
	assert_non_null(inside);
	char where[64];
	snprintf(where, sizeof(where), "needs %#x, %s", needs, uid ? "ordinary user" : "as we are");

	cell_run(&(struct cell_config){.filtered = false, .uid = uid, .guarded = guarded}, probes, count, native);
	cell_run(&(struct cell_config){.filtered = true, .needs = needs, .uid = uid, .guarded = guarded}, probes, count, inside);
	int wrong = 0;
	for (size_t i = 0; i < count; i++) {
		struct expectation want = expect(i, needs);
		wrong += check(&probes[i], &want, &inside[i], &native[i], where);
	}
	return wrong;
}

/* For each mask; as root also for an ordinary user. */
static void run_everywhere(const struct probe *probes, size_t count, bool guarded,
			   struct expectation (*expect)(size_t i, unsigned needs))
{
	int wrong = 0;
	memset(compared, 0, sizeof(compared));
	for (size_t m = 0; m < ARRAY_LEN(masks); m++) {
		wrong += run_and_check(probes, count, masks[m], 0, guarded, expect);
		if (geteuid() == 0)
			wrong += run_and_check(probes, count, masks[m], ORDINARY_USER, guarded, expect);
	}
	print_message("%zu calls, %zu masks%s: %lu as natively, %lu notified, %lu refused\n", count, ARRAY_LEN(masks),
		      geteuid() == 0 ? ", as root and as an ordinary user" : "", compared[AS_NATIVE], compared[NOTIFIED],
		      compared[REFUSED]);
	assert_int_equal(wrong, 0);
	assert_true(compared[AS_NATIVE] > 0 && compared[NOTIFIED] > 0 && compared[REFUSED] > 0);
}

/* ---- Every row ---- */

/* All arguments -1 is harmless to all calls but these. */
static bool harmful(int64_t nr)
{
	switch (nr) {
	case SYS_pause:	       /* waits for ever */
	case SYS_rt_sigreturn: /* jumps to wherever the stack says */
	case SYS_exit:	       /* return nothing */
	case SYS_exit_group:
	case SYS_vfork:	  /* a child on our stack */
	case SYS_vhangup: /* takes the terminal away */
	case 335:	  /* uretprobe, uprobe: SIGILL outside of the kernel's trampolines */
	case 336:
		return true;
	}
	return false;
}

static struct probe row_probes[1024];
static const struct syscall_row *row_of[1024];
static size_t row_count;

static struct expectation expect_row(size_t i, unsigned needs)
{
	const struct syscall_row *row = row_of[i];
	if (row->class == CLASS_ALLOW || (row->needs && !(row->needs & needs)))
		return (struct expectation){AS_NATIVE, 0};
	if (row->class == CLASS_NOTIFY)
		return (struct expectation){NOTIFIED, 0};
	return (struct expectation){REFUSED, row->error};
}

static void test_rows(void **state)
{
	(void)state;
	row_count = 0;
	for (size_t nr = 0; nr < syscall_table_len; nr++) {
		const struct syscall_row *row = syscall_find((int)nr);
		if (!row || row->class == CLASS_SCREEN || harmful((int64_t)nr))
			continue;
		uint64_t all = UINT64_MAX;
		struct probe *p = &row_probes[row_count];
		*p = (struct probe){.what = row->name, .nr = (int64_t)nr, .args = {all, all, all, all, all, all}};
		if (nr == SYS_msgget) /* all flags would make a queue that stays */
			p->args[1] = 0;
		row_of[row_count++] = row;
	}
	run_everywhere(row_probes, row_count, false, expect_row);
}

/* ---- Numbers that are no calls, and foreign ABIs ---- */

static const struct probe foreign_probes[] = {
	{"hole 337", ABI_NATIVE, 337, {0}},
	{"hole 423", ABI_NATIVE, 423, {0}},
	{"unknown 500", ABI_NATIVE, 500, {0}},
	{"x32 range 512", ABI_NATIVE, 512, {0}},
	{"x32 range 520", ABI_NATIVE, 520, {0}},
	{"unknown 548", ABI_NATIVE, 548, {0}},
	{"unknown 4096", ABI_NATIVE, 4096, {0}},
	{"number -1", ABI_NATIVE, -1, {0}},
	{"number INT_MAX", ABI_NATIVE, 0x7fffffff, {0}},
	{"x32 getpid", ABI_NATIVE, 0x40000000 | SYS_getpid, {0}},
	{"x32 open", ABI_NATIVE, 0x40000000 | SYS_open, {0}},
	{"x32 ioctl", ABI_NATIVE, 0x40000000 | 514, {0}},
	{"x32 execve", ABI_NATIVE, 0x40000000 | 520, {0}},
	{"int80 getpid", ABI_INT80, 20, {0}},
	{"int80 open", ABI_INT80, 5, {0}},
	{"int80 openat", ABI_INT80, 295, {0}},
	{"int80 mmap2", ABI_INT80, 192, {0}},
	{"int80 socketcall", ABI_INT80, 102, {0}},
	{"int80 clone3", ABI_INT80, 435, {0}},
	{"int80 unknown", ABI_INT80, 999, {0}},
};

static void test_foreign(void **state)
{
	(void)state;
	struct probe_result native[ARRAY_LEN(foreign_probes)], inside[ARRAY_LEN(foreign_probes)];
	cell_run(&(struct cell_config){.filtered = false}, foreign_probes, ARRAY_LEN(foreign_probes), native);
	for (size_t m = 0; m < ARRAY_LEN(masks); m++) {
		cell_run(&(struct cell_config){.filtered = true, .needs = masks[m]}, foreign_probes,
			 ARRAY_LEN(foreign_probes), inside);
		for (size_t i = 0; i < ARRAY_LEN(foreign_probes); i++) {
			/* A kernel without the i386 gate kills by SIGSEGV before any filter. */
			if (foreign_probes[i].abi == ABI_INT80 && native[i].signal == SIGSEGV && inside[i].signal == SIGSEGV)
				continue;
			if (inside[i].notified || inside[i].value != -ENOSYS)
				fail_msg("%s under %#x: got %ld, signal %d", foreign_probes[i].what, masks[m],
					 (long)inside[i].value, inside[i].signal);
		}
	}
}

/* ---- The screened calls ---- */

struct example {
	struct probe probe;
	unsigned needs; /* 0: always */
	struct expectation then;
};

#define CALL(nr_, ...) {#nr_, ABI_NATIVE, nr_, {__VA_ARGS__}}
#define NUMBER(name, nr_, ...) {name, ABI_NATIVE, nr_, {__VA_ARGS__}}
#define REFUSE(e, needs_, ...) {__VA_ARGS__, needs_, {REFUSED, e}}
#define NOTIFY(needs_, ...) {__VA_ARGS__, needs_, {NOTIFIED, 0}}
#define NATIVE(...) {__VA_ARGS__, 0, {AS_NATIVE, 0}}

#define BADFD UINT64_MAX
#define FAR 0x7e0000000000ull		  /* an address that nothing is mapped at */
#define HIGH (GUARD_ADDRESS | 1ull << 32) /* equal to the guard in its low half only */
#define ATTRIBUTES (NEEDS_APPEND | NEEDS_READONLY | NEEDS_CRYPT)
#define CLEARS (NEEDS_APPEND | NEEDS_CRYPT)

static const struct example screens[] = {
	/* fcntl: clearing O_APPEND, whatever lies in the upper halves */
	NOTIFY(CLEARS, CALL(SYS_fcntl, BADFD, F_SETFL, 0)),
	NOTIFY(CLEARS, CALL(SYS_fcntl, BADFD, F_SETFL, O_NONBLOCK)),
	NOTIFY(CLEARS, CALL(SYS_fcntl, BADFD, 0x100000000ull | F_SETFL, 0)),
	NOTIFY(CLEARS, CALL(SYS_fcntl, BADFD, JUNK | F_SETFL, (uint64_t)O_APPEND << 32)),
	NATIVE(CALL(SYS_fcntl, BADFD, F_SETFL, O_APPEND)),
	NATIVE(CALL(SYS_fcntl, BADFD, JUNK | F_SETFL, JUNK | O_APPEND | O_NONBLOCK)),
	NATIVE(CALL(SYS_fcntl, BADFD, F_GETFL, 0)),
	NATIVE(CALL(SYS_fcntl, BADFD, F_DUPFD_CLOEXEC, 0)),
	NATIVE(CALL(SYS_fcntl, 0, F_GETFD, 0)),
	NOTIFY(NEEDS_CRYPT, CALL(SYS_fcntl, BADFD, JUNK | F_GET_SEALS, 0)),
	NOTIFY(NEEDS_CRYPT, CALL(SYS_fcntl, BADFD, F_ADD_SEALS, F_SEAL_WRITE)),
	REFUSE(EINVAL, NEEDS_HIDE, CALL(SYS_fcntl, BADFD, F_NOTIFY, DN_MODIFY)),
	REFUSE(EINVAL, NEEDS_HIDE, CALL(SYS_fcntl, BADFD, JUNK | F_NOTIFY, DN_MODIFY)),

	/* pwritev2 */
	REFUSE(EOPNOTSUPP, CLEARS, CALL(SYS_pwritev2, BADFD, 0, 0, 0, 0, 0x20)),
	REFUSE(EOPNOTSUPP, CLEARS, CALL(SYS_pwritev2, BADFD, 0, 0, 0, 0, JUNK | 0x22)),
	NOTIFY(NEEDS_CRYPT, CALL(SYS_pwritev2, BADFD, 0, 0, 0, 0, 0x2)),
	NOTIFY(NEEDS_CRYPT, CALL(SYS_pwritev2, BADFD, 0, 0, 0, 0, JUNK | 0x4)),
	NATIVE(CALL(SYS_pwritev2, BADFD, 0, 0, 0, 0, 0)),
	NATIVE(CALL(SYS_pwritev2, BADFD, 0, 0, 0, 0, 0x10)),
	NATIVE(CALL(SYS_pwritev2, BADFD, 0, 0, 0, 0, 0x2000000000ull)),

	/* msync: waiting for what was written */
	NOTIFY(NEEDS_CRYPT, CALL(SYS_msync, FAR, 4096, MS_SYNC)),
	NOTIFY(NEEDS_CRYPT, CALL(SYS_msync, FAR, 4096, JUNK | MS_SYNC | MS_INVALIDATE)),
	NATIVE(CALL(SYS_msync, FAR, 4096, MS_ASYNC)),
	NATIVE(CALL(SYS_msync, FAR, 4096, 0)),

	/* clone, unshare */
	REFUSE(EPERM, 0, CALL(SYS_clone, CLONE_NEWNS | SIGCHLD)),
	REFUSE(EPERM, 0, CALL(SYS_clone, CLONE_NEWUSER | SIGCHLD)),
	REFUSE(EPERM, 0, CALL(SYS_clone, CLONE_NEWPID | SIGCHLD)),
	REFUSE(EPERM, 0, CALL(SYS_clone, CLONE_NEWNET | SIGCHLD)),
	REFUSE(EPERM, 0, CALL(SYS_clone, CLONE_NEWIPC | SIGCHLD)),
	REFUSE(EPERM, 0, CALL(SYS_clone, CLONE_NEWUTS | SIGCHLD)),
	REFUSE(EPERM, 0, CALL(SYS_clone, CLONE_NEWCGROUP | SIGCHLD)),
	REFUSE(EPERM, 0, CALL(SYS_clone, JUNK | CLONE_NEWUSER | CLONE_NEWNS | SIGCHLD)),
	NATIVE(CALL(SYS_clone, SIGCHLD)),
	NOTIFY(0, CALL(SYS_clone, CLONE_FS | SIGCHLD)),
	NOTIFY(0, CALL(SYS_clone, JUNK | CLONE_FS | SIGCHLD)),
	NATIVE(CALL(SYS_clone, JUNK | SIGCHLD)),
	NOTIFY(0, CALL(SYS_clone, CLONE_FS | CLONE_FILES | SIGCHLD)),
	NATIVE(CALL(SYS_clone, CLONE_FILES | SIGCHLD)),
	REFUSE(EPERM, 0, CALL(SYS_unshare, CLONE_NEWNS)),
	REFUSE(EPERM, 0, CALL(SYS_unshare, CLONE_NEWUSER)),
	REFUSE(EPERM, 0, CALL(SYS_unshare, CLONE_NEWPID)),
	REFUSE(EPERM, 0, CALL(SYS_unshare, CLONE_NEWNET)),
	REFUSE(EPERM, 0, CALL(SYS_unshare, CLONE_NEWIPC)),
	REFUSE(EPERM, 0, CALL(SYS_unshare, CLONE_NEWUTS)),
	REFUSE(EPERM, 0, CALL(SYS_unshare, CLONE_NEWCGROUP)),
	REFUSE(EPERM, 0, CALL(SYS_unshare, 0x80)),
	REFUSE(EPERM, 0, CALL(SYS_unshare, JUNK | CLONE_NEWUSER | CLONE_FS)),
	NATIVE(CALL(SYS_unshare, CLONE_FS | CLONE_FILES)),
	NATIVE(CALL(SYS_unshare, 0)),

	/* sockets */
	REFUSE(EAFNOSUPPORT, 0, CALL(SYS_socket, AF_ALG, SOCK_SEQPACKET, 0)),
	REFUSE(EAFNOSUPPORT, 0, CALL(SYS_socket, JUNK | AF_ALG, SOCK_SEQPACKET, 0)),
	NATIVE(CALL(SYS_socket, AF_UNIX, SOCK_STREAM, 0)),
	NATIVE(CALL(SYS_socket, JUNK | AF_UNIX, SOCK_STREAM, 0)),
	NATIVE(CALL(SYS_socket, AF_INET, SOCK_DGRAM, 0)),
	NOTIFY(0, CALL(SYS_sendto, BADFD, 0, 0, 0, 1, 16)),
	NOTIFY(0, CALL(SYS_sendto, BADFD, 0, 0, 0, 1ull << 32, 16)),
	NOTIFY(0, CALL(SYS_sendto, BADFD, 0, 0, 0, FAR, 0)),
	NATIVE(CALL(SYS_sendto, BADFD, 0, 0, 0, 0, 0)),
	NATIVE(CALL(SYS_sendto, BADFD, 0, 0, 0, 0, 16)),

	/* prctl, arch_prctl */
	NOTIFY(NEEDS_DUMPABLE, CALL(SYS_prctl, PR_SET_DUMPABLE, 0)),
	NOTIFY(NEEDS_DUMPABLE, CALL(SYS_prctl, JUNK | PR_SET_DUMPABLE, 1)),
	NOTIFY(NEEDS_DUMPABLE, CALL(SYS_prctl, PR_GET_DUMPABLE)),
	REFUSE(EPERM, 0, CALL(SYS_prctl, PR_SET_MM, PR_SET_MM_MAP, GUARD_ADDRESS + 256, 104)),
	REFUSE(EPERM, 0, CALL(SYS_prctl, PR_SET_MM, PR_SET_MM_MAP, GUARD_END, 104)),
	REFUSE(EPERM, 0, CALL(SYS_prctl, PR_SET_MM, PR_SET_MM_MAP, HIGH, 104)),
	REFUSE(EPERM, 0, CALL(SYS_prctl, PR_SET_MM, PR_SET_MM_MAP_SIZE, FAR)),
	REFUSE(EPERM, 0, CALL(SYS_prctl, JUNK | PR_SET_MM, PR_SET_MM_EXE_FILE, FAR)),
	REFUSE(EINVAL, 0, CALL(SYS_prctl, PR_SET_PTRACER, PR_SET_PTRACER_ANY)),
	REFUSE(EINVAL, 0, CALL(SYS_prctl, 59 /* PR_SET_SYSCALL_USER_DISPATCH */, 0)),
	NOTIFY(NEEDS_ROOT, CALL(SYS_prctl, PR_CAPBSET_DROP, 99)),
	NOTIFY(NEEDS_ROOT, CALL(SYS_prctl, JUNK | PR_SET_SECUREBITS, 0)),
	NOTIFY(NEEDS_ROOT, CALL(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 0, 0, 0)),
	NATIVE(CALL(SYS_prctl, PR_GET_SECUREBITS)),
	NATIVE(CALL(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1)),
	NATIVE(CALL(SYS_prctl, PR_SET_PDEATHSIG, 0)),
	NATIVE(CALL(SYS_prctl, PR_GET_TIMERSLACK)),
	NATIVE(CALL(SYS_prctl, 999)),
	REFUSE(ENODEV, 0, CALL(SYS_arch_prctl, 0x4002, 6)),
	REFUSE(ENODEV, 0, CALL(SYS_arch_prctl, JUNK | 0x4002, 6)),
	NATIVE(CALL(SYS_arch_prctl, 0x1003 /* ARCH_GET_FS */, 0)),

	/* ioctl: the low half of the request alone counts */
	REFUSE(EPERM, 0, CALL(SYS_ioctl, BADFD, TIOCSTI, 0)),
	REFUSE(EPERM, 0, CALL(SYS_ioctl, BADFD, JUNK | TIOCSTI, 0)),
	REFUSE(EPERM, 0, CALL(SYS_ioctl, BADFD, TIOCLINUX, 0)),
	REFUSE(ENOTTY, 0, CALL(SYS_ioctl, BADFD, 0xc0502100, 0)), /* SECCOMP_IOCTL_NOTIF_RECV */
	REFUSE(ENOTTY, 0, CALL(SYS_ioctl, BADFD, 0xc0182101, 0)), /* NOTIF_SEND */
	REFUSE(ENOTTY, 0, CALL(SYS_ioctl, BADFD, 0x40082102, 0)), /* NOTIF_ID_VALID */
	REFUSE(ENOTTY, 0, CALL(SYS_ioctl, BADFD, JUNK | 0x40182103, 0)), /* NOTIF_ADDFD */
	REFUSE(ENOTTY, 0, CALL(SYS_ioctl, BADFD, 0x40082104, 0)), /* NOTIF_SET_FLAGS */
	REFUSE(ENOTTY, 0, CALL(SYS_ioctl, BADFD, 0x50009401, 0)), /* BTRFS_IOC_SNAP_CREATE */
	REFUSE(ENOTTY, 0, CALL(SYS_ioctl, BADFD, 0x5000940f, 0)), /* BTRFS_IOC_SNAP_DESTROY */
	REFUSE(ENOTTY, 0, CALL(SYS_ioctl, BADFD, JUNK | 0xd0009412, 0)), /* BTRFS_IOC_INO_LOOKUP */
	REFUSE(ENOTTY, 0, CALL(SYS_ioctl, BADFD, 0xd0009411, 0)), /* BTRFS_IOC_TREE_SEARCH */
	REFUSE(ENOTTY, 0, CALL(SYS_ioctl, BADFD, 0xaa00, 0)),	  /* USERFAULTFD_IOC_NEW */
	REFUSE(EPERM, 0, CALL(SYS_ioctl, BADFD, 0x89e0, 0)),	  /* SIOCUNIXFILE */
	REFUSE(ENOTTY, 0, CALL(SYS_ioctl, BADFD, 0xc0189374, 0)), /* AUTOFS_DEV_IOCTL_OPENMOUNT */
	REFUSE(ENOTTY, 0, CALL(SYS_ioctl, BADFD, 0x40186f04, 0)), /* OCFS2_IOC_REFLINK */
	REFUSE(ENOTTY, 0, CALL(SYS_ioctl, BADFD, 0x4020bc10, 0)), /* BCH_IOCTL_SUBVOLUME_CREATE */
	REFUSE(ENOTTY, NEEDS_HIDE, CALL(SYS_ioctl, BADFD, JUNK | 0x82187201, 0)), /* VFAT_IOCTL_READDIR_BOTH */
	REFUSE(ENOTTY, NEEDS_HIDE, CALL(SYS_ioctl, BADFD, 0x82187202, 0)), /* VFAT_IOCTL_READDIR_SHORT */
	NATIVE(CALL(SYS_ioctl, BADFD, FICLONE, BADFD)),
	NATIVE(CALL(SYS_ioctl, BADFD, FICLONERANGE, 0)),
	NATIVE(CALL(SYS_ioctl, BADFD, FIDEDUPERANGE, 0)),
	NATIVE(CALL(SYS_ioctl, BADFD, 0x8400941f, 0)), /* BTRFS_IOC_FS_INFO */
	REFUSE(ENOTTY, 0, CALL(SYS_ioctl, BADFD, 0xc038586b, 0)), /* XFS_IOC_OPEN_BY_HANDLE */
	REFUSE(ENOTTY, 0, CALL(SYS_ioctl, BADFD, 0xc0385869, 0)), /* XFS_IOC_PATH_TO_HANDLE */
	NATIVE(CALL(SYS_ioctl, BADFD, TCGETS, 0)),
	NATIVE(CALL(SYS_ioctl, BADFD, TIOCGWINSZ, 0)),
	NATIVE(CALL(SYS_ioctl, BADFD, (uint64_t)TIOCSTI << 32 | TCGETS, 0)),
	NATIVE(CALL(SYS_ioctl, BADFD, FIONREAD, 0)),
	NATIVE(CALL(SYS_ioctl, BADFD, FS_IOC_GETFLAGS, 0)),
	NATIVE(CALL(SYS_ioctl, BADFD, FS_IOC_FSGETXATTR, 0)),
	NATIVE(CALL(SYS_ioctl, BADFD, FS_IOC_FIEMAP, 0)),
	REFUSE(EPERM, ATTRIBUTES, CALL(SYS_ioctl, BADFD, FS_IOC_SETFLAGS, 0)),
	REFUSE(EPERM, ATTRIBUTES, CALL(SYS_ioctl, BADFD, JUNK | FS_IOC_SETFLAGS, 0)),
	REFUSE(EPERM, ATTRIBUTES, CALL(SYS_ioctl, BADFD, FS_IOC_FSSETXATTR, 0)),
	REFUSE(EPERM, ATTRIBUTES, CALL(SYS_ioctl, BADFD, FS_IOC_SETVERSION, 0)),
	REFUSE(EOPNOTSUPP, ATTRIBUTES, CALL(SYS_ioctl, BADFD, 0x40806685, 0)), /* FS_IOC_ENABLE_VERITY */
	REFUSE(EOPNOTSUPP, ATTRIBUTES, CALL(SYS_ioctl, BADFD, 0x800c6613, 0)), /* FS_IOC_SET_ENCRYPTION_POLICY */
	REFUSE(EPERM, ATTRIBUTES, CALL(SYS_ioctl, BADFD, 0x40047211, 0)),    /* FAT_IOCTL_SET_ATTRIBUTES */
	REFUSE(EPERM, NEEDS_APPEND, CALL(SYS_ioctl, BADFD, 0x40305828, 0)), /* FS_IOC_RESVSP */
	REFUSE(EPERM, NEEDS_APPEND, CALL(SYS_ioctl, BADFD, 0x40305829, 0)), /* FS_IOC_UNRESVSP */
	REFUSE(EPERM, NEEDS_APPEND, CALL(SYS_ioctl, BADFD, 0x4030582a, 0)), /* FS_IOC_RESVSP64 */
	REFUSE(EPERM, NEEDS_APPEND, CALL(SYS_ioctl, BADFD, JUNK | 0x4030582b, 0)), /* FS_IOC_UNRESVSP64 */
	REFUSE(EPERM, NEEDS_APPEND, CALL(SYS_ioctl, BADFD, JUNK | 0x40305839, 0)), /* FS_IOC_ZERO_RANGE */
	REFUSE(EPERM, NEEDS_APPEND, CALL(SYS_ioctl, BADFD, 0xc028660f, 0)), /* EXT4_IOC_MOVE_EXT */
	REFUSE(EPERM, NEEDS_APPEND, CALL(SYS_ioctl, BADFD, 0x6611, 0)),	    /* EXT4_IOC_SWAP_BOOT */
	NATIVE(CALL(SYS_ioctl, BADFD, 0xc0686611, 0)),			    /* PROCMAP_QUERY: the same type and number */
	REFUSE(EPERM, NEEDS_APPEND, CALL(SYS_ioctl, BADFD, 0xc0c0586d, 0)), /* XFS_IOC_SWAPEXT */
	REFUSE(EPERM, NEEDS_APPEND, CALL(SYS_ioctl, BADFD, 0x40285881, 0)), /* XFS_IOC_EXCHANGE_RANGE */
	REFUSE(EPERM, NEEDS_APPEND, CALL(SYS_ioctl, BADFD, 0xc020f509, 0)), /* F2FS_IOC_MOVE_RANGE */
	REFUSE(EPERM, NEEDS_APPEND, CALL(SYS_ioctl, BADFD, 0x4004cf03, 0)), /* CIFS_IOC_COPYCHUNK_FILE */

	/* the guard: below its end and above, and equal in the low half only */
	NOTIFY(0, CALL(SYS_mmap, GUARD_ADDRESS, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, BADFD, 0)),
	NOTIFY(0, CALL(SYS_mmap, 0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, BADFD, 0)),
	NOTIFY(0, CALL(SYS_mmap, 0x1000, 0x40000, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, BADFD, 0)),
	NOTIFY(0, CALL(SYS_mmap, GUARD_END - 4096, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, BADFD, 0)),
	NOTIFY(0, CALL(SYS_mmap, GUARD_END - 1, 4096, PROT_READ, JUNK | MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, BADFD, 0)),
	NATIVE(CALL(SYS_mmap, GUARD_END, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, BADFD, 0)),
	NATIVE(CALL(SYS_mmap, HIGH, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, BADFD, 0)),
	NATIVE(CALL(SYS_mmap, 0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, BADFD, 0)),
	NATIVE(CALL(SYS_mmap, GUARD_ADDRESS, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, BADFD, 0)),
	NATIVE(CALL(SYS_mmap, FAR, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, BADFD, 0)),

#define BELOW_AND_ABOVE(nr_, ...)                                                                                      \
	REFUSE(EPERM, 0, CALL(nr_, GUARD_ADDRESS, __VA_ARGS__)), REFUSE(EPERM, 0, CALL(nr_, GUARD_END - 4096, __VA_ARGS__)), \
		REFUSE(EPERM, 0, CALL(nr_, GUARD_END - 1, __VA_ARGS__)), REFUSE(EPERM, 0, CALL(nr_, 0, __VA_ARGS__)),  \
		NATIVE(CALL(nr_, GUARD_END, __VA_ARGS__)), NATIVE(CALL(nr_, HIGH, __VA_ARGS__)),                       \
		NATIVE(CALL(nr_, FAR, __VA_ARGS__))
	BELOW_AND_ABOVE(SYS_munmap, 4096),
	BELOW_AND_ABOVE(SYS_mprotect, 4096, PROT_READ),
	BELOW_AND_ABOVE(SYS_pkey_mprotect, 4096, PROT_READ, BADFD),
	BELOW_AND_ABOVE(SYS_madvise, 4096, MADV_DONTFORK),
	BELOW_AND_ABOVE(SYS_mremap, 4096, 4096, 0, 0),
	REFUSE(EPERM, 0, CALL(SYS_munmap, 0, GUARD_END)),
	REFUSE(EPERM, 0, CALL(SYS_mprotect, 0x1000, 0x7fff0000, PROT_NONE)),
	REFUSE(EPERM, 0, CALL(SYS_mremap, FAR, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, GUARD_ADDRESS)),
	REFUSE(EPERM, 0, CALL(SYS_mremap, FAR, 4096, 4096, JUNK | MREMAP_MAYMOVE | MREMAP_FIXED, GUARD_END - 1)),
	NATIVE(CALL(SYS_mremap, FAR, 4096, 4096, MREMAP_MAYMOVE, GUARD_ADDRESS)),
	NATIVE(CALL(SYS_mremap, FAR, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, GUARD_END)),
	NATIVE(CALL(SYS_mremap, FAR, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, HIGH)),
	REFUSE(EPERM, 0, CALL(SYS_shmat, BADFD, GUARD_ADDRESS, 0)),
	REFUSE(EPERM, 0, CALL(SYS_shmat, BADFD, GUARD_ADDRESS, SHM_REMAP)),
	REFUSE(EPERM, 0, CALL(SYS_shmat, BADFD, GUARD_END - 1, SHM_RND | SHM_REMAP)),
	REFUSE(EPERM, 0, CALL(SYS_shmat, BADFD, 1, SHM_RND)),
	NATIVE(CALL(SYS_shmat, BADFD, 0, 0)),
	NATIVE(CALL(SYS_shmat, BADFD, GUARD_END, 0)),
	NATIVE(CALL(SYS_shmat, BADFD, HIGH, SHM_REMAP)),
};

static struct expectation expect_screen(size_t i, unsigned needs)
{
	const struct example *e = &screens[i];
	if (e->needs && !(e->needs & needs))
		return (struct expectation){AS_NATIVE, 0};
	return e->then;
}

static void test_screens(void **state)
{
	(void)state;
	struct probe probes[ARRAY_LEN(screens)];
	for (size_t i = 0; i < ARRAY_LEN(screens); i++)
		probes[i] = screens[i].probe;
	run_everywhere(probes, ARRAY_LEN(screens), false, expect_screen);
}

/* Every screened row of the table has examples on both sides. */
static void test_screens_complete(void **state)
{
	(void)state;
	for (size_t nr = 0; nr < syscall_table_len; nr++) {
		if (!syscall_table[nr].name || syscall_table[nr].class != CLASS_SCREEN)
			continue;
		bool inside = false, outside = false;
		for (size_t i = 0; i < ARRAY_LEN(screens); i++) {
			if (screens[i].probe.nr != (int64_t)nr)
				continue;
			inside |= screens[i].then.outcome != AS_NATIVE;
			outside |= screens[i].then.outcome == AS_NATIVE;
		}
		if (!inside || !outside)
			fail_msg("no examples for %s", syscall_table[nr].name);
	}
}

/* ---- Calls from the guard pages ---- */

/* Where nobody traces the caller a call that could be steered is ENOSYS, whatever its arguments; others are as ever. */
static void test_from_guard(void **state)
{
	(void)state;
	for (size_t m = 0; m < ARRAY_LEN(masks); m++) {
		struct probe probes[2 * 64];
		int64_t wanted[ARRAY_LEN(probes)];
		bool notified[ARRAY_LEN(probes)];
		size_t count = 0;
		for (size_t i = 0; i < screen_rules_len; i++) {
			const struct screen_rule *rule = &screen_rules[i];
			bool traced = (rule->action & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_TRACE;
			if (!traced || (rule->needs && !(rule->needs & masks[m])))
				continue;
			uint64_t first = rule->nr == SYS_prctl ? rule->tests[0].value : UINT64_MAX;
			assert_true(count + 2 <= ARRAY_LEN(probes));
			probes[count] = (struct probe){"from the guard", ABI_GUARD, rule->nr, {first}};
			notified[count] = false;
			wanted[count++] = -ENOSYS;
			probes[count] = (struct probe){"from elsewhere", ABI_NATIVE, rule->nr, {first}};
			notified[count] = syscall_find(rule->nr)->class == CLASS_NOTIFY || first == PR_SET_DUMPABLE;
			wanted[count] = notified[count] ? CELL_ANSWER : CELL_NO_RESULT;
			count++;
		}
		assert_true(count > 10);
		probes[count] = (struct probe){"close from the guard", ABI_GUARD, SYS_close, {BADFD}};
		notified[count] = false;
		wanted[count++] = -EBADF;
		probes[count] = (struct probe){"mkdir from the guard", ABI_GUARD, SYS_mkdir, {0}};
		notified[count] = true;
		wanted[count++] = CELL_ANSWER;

		struct probe_result got[ARRAY_LEN(probes)];
		cell_run(&(struct cell_config){.filtered = true, .needs = masks[m], .guarded = true}, probes, count, got);
		for (size_t i = 0; i < count; i++)
			if (got[i].notified != notified[i] || (wanted[i] != CELL_NO_RESULT && got[i].value != wanted[i]))
				fail_msg("%s, number %ld, needs %#x: %ld, signal %d%s", probes[i].what, (long)probes[i].nr,
					 masks[m], (long)got[i].value, got[i].signal, got[i].notified ? ", notified" : "");
	}
}

/* ---- The guard page itself, under attack ---- */

static const struct probe attacks[] = {
	CALL(SYS_munmap, GUARD_ADDRESS, GUARD_BYTES),
	CALL(SYS_munmap, 0, GUARD_END),
	CALL(SYS_mprotect, GUARD_ADDRESS, 4096, PROT_NONE),
	CALL(SYS_pkey_mprotect, GUARD_ADDRESS, 4096, PROT_NONE, BADFD),
	CALL(SYS_madvise, GUARD_ADDRESS, GUARD_BYTES, MADV_DONTFORK),
	CALL(SYS_mremap, GUARD_ADDRESS, GUARD_BYTES, 4096, 0),
	CALL(SYS_mremap, GUARD_ADDRESS, GUARD_BYTES, GUARD_BYTES, MREMAP_MAYMOVE | MREMAP_FIXED, FAR),
	CALL(SYS_mmap, GUARD_ADDRESS, GUARD_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, BADFD, 0),
};

/* Natively each of them does it: so the calls are real, and it is the filter that stops them. */
static void test_guard_attacks(void **state)
{
	(void)state;
	struct probe_result native[ARRAY_LEN(attacks)], inside[ARRAY_LEN(attacks)];
	cell_run(&(struct cell_config){.filtered = false, .guarded = true}, attacks, ARRAY_LEN(attacks), native);
	cell_run(&(struct cell_config){.filtered = true, .guarded = true}, attacks, ARRAY_LEN(attacks), inside);
	for (size_t i = 0; i < ARRAY_LEN(attacks); i++) {
		if (native[i].value < 0)
			fail_msg("%s natively fails (%ld): this test shows nothing", attacks[i].what, (long)native[i].value);
		bool stopped = inside[i].value == -EPERM || (attacks[i].nr == SYS_mmap && inside[i].notified);
		if (!stopped)
			fail_msg("%s inside: %ld", attacks[i].what, (long)inside[i].value);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_foreign),
		cmocka_unit_test(test_screens),
		cmocka_unit_test(test_screens_complete),
		cmocka_unit_test(test_from_guard),
		cmocka_unit_test(test_guard_attacks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
