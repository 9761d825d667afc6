/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/doctor_probes.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if_alg.h>
#include <linux/kcmp.h>
#include <linux/keyctl.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/swap.h"
#include "crypt/provider.h"
#include "intercept/filter/filter.h"

/* Numbers and flags that are younger than the headers this is built with. */
#define NR_MSEAL         462
#define THREAD           O_EXCL  /* PIDFD_THREAD, Linux 6.9 */
#define EXECVE_CHECK     0x10000 /* AT_EXECVE_CHECK, Linux 6.14 */
#define NOTIF_SET_FLAGS  _IOW('!', 4, uint64_t)
#define SYNC_WAKE_UP     UINT64_C(1)
#define KEY_BY_SERIAL    7 /* ALG_SET_KEY_BY_KEY_SERIAL, Linux 6.2 */
#define ENOUGH_LOCKED    (64 << 10)

struct pidfd_info_head {
	uint64_t mask, cgroupid;
	uint32_t pids[14];
};
#define GET_INFO _IOWR(0xff, 11, struct pidfd_info_head)

struct procmap_query {
	uint64_t size, flags, addr, out[6];
	uint32_t device[2], sizes[2];
	uint64_t names[2];
};
#define PROCMAP_QUERY _IOWR('f', 17, struct procmap_query)

/* 1, or 0 with what the errno says. */
static int judge(long result, struct errmsg *detail)
{
	if (result >= 0)
		return 1;
	errmsg_set(detail, -errno, "%s", strerror(errno));
	return 0;
}

/* In a process of its own, since it cannot be taken back: ACT returns 0 or an errno. */
static int in_child(int (*act)(void), struct errmsg *detail)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0)
		_exit(act());
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (!WIFEXITED(status))
		return -ECHILD;
	errno = WEXITSTATUS(status);
	return judge(errno ? -1 : 0, detail);
}

int probe_view(struct errmsg *detail)
{
	return filter_check_requirements(detail) == 0;
}

int probe_process_vm(struct errmsg *detail)
{
	char from = 1, to = 0;
	struct iovec local = {&to, 1}, remote = {&from, 1};

	return judge(process_vm_readv(getpid(), &local, 1, &remote, 1, 0), detail);
}

int probe_openat2(struct errmsg *detail)
{
	struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS};
	_cleanup_close_ int fd = (int)syscall(SYS_openat2, AT_FDCWD, "/", &how, sizeof(how));

	return judge(fd, detail);
}

int probe_pidfd_getfd(struct errmsg *detail)
{
	_cleanup_close_ int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
	_cleanup_close_ int fd = (int)syscall(SYS_pidfd_getfd, self, STDERR_FILENO, 0);

	return judge(fd, detail);
}

int probe_pidfd_thread(struct errmsg *detail)
{
	_cleanup_close_ int fd = (int)syscall(SYS_pidfd_open, syscall(SYS_gettid), THREAD);

	return judge(fd, detail);
}

int probe_pidfd_info(struct errmsg *detail)
{
	_cleanup_close_ int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
	struct pidfd_info_head info = {0};

	return judge(ioctl(self, GET_INFO, &info), detail);
}

int probe_kcmp(struct errmsg *detail)
{
	return judge(syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILES, 0, 0), detail);
}

static int unshare_fs(void)
{
	return unshare(CLONE_FS) < 0 ? errno : 0;
}

int probe_unshare_fs(struct errmsg *detail)
{
	return in_child(unshare_fs, detail);
}

int probe_mseal(struct errmsg *detail)
{
	return judge(syscall(NR_MSEAL, NULL, 0, 0), detail); /* of nothing */
}

int probe_procmap_query(struct errmsg *detail)
{
	_cleanup_close_ int maps = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	struct procmap_query query = {.size = sizeof(query), .addr = (uint64_t)(uintptr_t)&probe_procmap_query};

	return judge(ioctl(maps, PROCMAP_QUERY, &query), detail);
}

static int set_wake_up(void)
{
	struct sock_filter code[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
	struct sock_fprog program = {.len = 1, .filter = code};
	int listener;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return errno;
	listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
	return listener < 0 || ioctl(listener, NOTIF_SET_FLAGS, SYNC_WAKE_UP) < 0 ? errno : 0;
}

int probe_sync_wake_up(struct errmsg *detail)
{
	return in_child(set_wake_up, detail);
}

int probe_execve_check(struct errmsg *detail)
{
	_cleanup_close_ int self = open("/proc/self/exe", O_PATH | O_CLOEXEC);
	static char *const none[] = {NULL};

	return judge(syscall(SYS_execveat, self, "", none, none, AT_EMPTY_PATH | EXECVE_CHECK), detail);
}

int probe_statx(struct errmsg *detail)
{
	struct statx st;

	/* Not by statx(3), which does without. */
	return judge(syscall(SYS_statx, AT_FDCWD, "/", 0, STATX_INO, &st), detail);
}

int probe_memfd_secret(struct errmsg *detail)
{
	_cleanup_close_ int fd = (int)syscall(SYS_memfd_secret, O_CLOEXEC);

	return judge(fd, detail);
}

int probe_locked_memory(struct errmsg *detail)
{
	struct rlimit limit;
	void *pages = mmap(NULL, ENOUGH_LOCKED, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int r = pages == MAP_FAILED ? -1 : mlock(pages, ENOUGH_LOCKED);

	if (pages != MAP_FAILED)
		munmap(pages, ENOUGH_LOCKED);
	if (r < 0 && getrlimit(RLIMIT_MEMLOCK, &limit) == 0)
		return errmsg_set(detail, 0, "the limit is %ju KiB", (uintmax_t)limit.rlim_cur >> 10), 0;
	return judge(r, detail);
}

int probe_no_plain_swap(struct errmsg *detail)
{
	char name[256];
	int r = swap_find_plain(NULL, name, sizeof(name));

	if (r > 0)
		errmsg_set(detail, 0, "%s", name);
	return r < 0 ? r : !r;
}

static int probe_provider(const char *name, struct errmsg *detail)
{
	const char *why = NULL;

	if (aead_provider_find(name)->usable(&why) == 0)
		return 1;
	errmsg_set(detail, 0, "%s", why ? why : "no reason known");
	return 0;
}

int probe_openssl(struct errmsg *detail)
{
	return probe_provider("openssl", detail);
}

int probe_sodium(struct errmsg *detail)
{
	return probe_provider("sodium", detail);
}

int probe_afalg(struct errmsg *detail)
{
	return probe_provider("afalg", detail);
}

int probe_keyring(struct errmsg *detail)
{
	return judge(syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_USER_KEYRING, 0), detail);
}

/* A socket on the kernel's xts(aes), or -1 with errno. */
static int xts_socket(void)
{
	const struct sockaddr_alg cipher = {.salg_family = AF_ALG, .salg_type = "skcipher", .salg_name = "xts(aes)"};
	int fd = socket(AF_ALG, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd >= 0 && bind(fd, (const struct sockaddr *)&cipher, sizeof(cipher)) < 0)
		return safe_close(fd), -1;
	return fd;
}

int probe_kernel_xts(struct errmsg *detail)
{
	_cleanup_close_ int fd = xts_socket();

	return judge(fd, detail);
}

int probe_key_serial(struct errmsg *detail)
{
	_cleanup_close_ int fd = xts_socket();
	int none = 0;

	if (fd < 0)
		return judge(fd, detail);
	/* There is no key 0: a kernel that knows the option says so. */
	if (setsockopt(fd, SOL_ALG, KEY_BY_SERIAL, &none, sizeof(none)) < 0 && errno != ENOPROTOOPT)
		return 1;
	return judge(-1, detail);
}
