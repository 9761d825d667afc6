/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guard's pages in a new image. An image has no code of ours, but the vdso's `syscall`: there it makes the mmap, to
 * which a worker answers with the descriptor (steer_answers()). Where the vdso's code returns after it, the image goes
 * on at once in the pages just mapped, which close the descriptor, set the task's name and stop at the gate: one stop
 * for all of it.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/cleanup.h"
#include "intercept/steer/image.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

/* A number that every descriptor table has room for (NR_OPEN_DEFAULT), and hardly a program uses. */
#define FD_USUAL 63u
/* So many numbers are tried where all below are in use. */
#define FD_TRIES 4096u

static bool is_free(pid_t tid, rlim_t fd)
{
	struct stat stat;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fd/%ju", tid, (uintmax_t)fd);
	return lstat(path, &stat) < 0 && errno == ENOENT;
}

/* A free descriptor below LIMIT: the image's table is its own and nobody else can open anything in it. */
static int free_fd(pid_t tid, rlim_t limit)
{
	rlim_t end = limit < FD_USUAL + 1 ? limit : FD_USUAL + 1;

	for (rlim_t fd = end; fd-- > 0;)
		if (is_free(tid, fd))
			return (int)fd;
	for (rlim_t fd = end; fd < limit && fd < end + FD_TRIES; fd++)
		if (is_free(tid, fd))
			return (int)fd;
	return -EMFILE;
}

/* Of another user prlimit(2) does not even tell without CAP_SYS_RESOURCE: procfs does. */
static int read_limit(pid_t tid, struct rlimit *ret)
{
	char path[64], text[2048];

	snprintf(path, sizeof(path), "/proc/%d/limits", tid);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ssize_t n = read(fd, text, sizeof(text) - 1);
	if (n < 0)
		return -errno;
	text[n] = '\0';
	const char *line = strstr(text, "\nMax open files");
	if (!line || sscanf(line + 15, "%" SCNuMAX " %" SCNuMAX, &ret->rlim_cur, &ret->rlim_max) != 2)
		return -EIO;
	return 0;
}

/*
 * A free descriptor in the image. An exec needs none natively: where the soft limit leaves none it is raised for the
 * moment (*RET_RAISED; *RET_WAS is to be restored), as far as the hard limit has it.
 */
static int find_fd(pid_t tid, struct rlimit *ret_was, bool *ret_raised)
{
	struct rlimit more;

	*ret_raised = false;
	if (prlimit(tid, RLIMIT_NOFILE, NULL, ret_was) < 0) {
		int error = read_limit(tid, ret_was);

		if (error)
			return error;
	}
	int fd = free_fd(tid, ret_was->rlim_cur);
	if (fd >= 0)
		return fd;
	more = *ret_was;
	more.rlim_cur += FD_USUAL + 1;
	if (more.rlim_cur > more.rlim_max)
		more.rlim_max = more.rlim_cur; /* only with CAP_SYS_RESOURCE */
	if (prlimit(tid, RLIMIT_NOFILE, &more, NULL) < 0) {
		more.rlim_cur = more.rlim_max = ret_was->rlim_max;
		if (prlimit(tid, RLIMIT_NOFILE, &more, NULL) < 0)
			return -errno;
	}
	*ret_raised = true;
	return free_fd(tid, more.rlim_cur);
}

/* The registers with which the image maps the guard, its descriptor being FD there and COMM the address of its name. */
static void mmap_registers(const struct image *image, int fd, uint64_t comm, struct user_regs_struct *ret)
{
	struct user_regs_struct regs = image->t->saved;

	regs.rip = image->syscall;
	regs.orig_rax = ~0ull;
	regs.rax = SYS_mmap;
	regs.rdi = GUARD_ADDRESS;
	regs.rsi = GUARD_BYTES;
	regs.rdx = PROT_READ | PROT_EXEC;
	regs.r10 = MAP_SHARED | MAP_FIXED_NOREPLACE;
	regs.r8 = (uint64_t)fd;
	regs.r9 = 0;
	regs.rbx = (uint64_t)fd; /* for the code of the guard */
	regs.rbp = comm;
	*ret = regs;
}

/* The mmap and what follows it in one go: below the stack pointer lies where it returns to. 0, -EFAULT or -ESRCH. */
static int settle_at_once(struct image *image, const struct user_regs_struct *mapping)
{
	struct tracee *t = image->t;
	struct user_regs_struct regs = *mapping;
	uint64_t words[] = {regs.rbp, GUARD_SETTLE};
	size_t skip = t->steer->gadget.pops_rbp ? 0 : 1;

	regs.rsp -= sizeof(words) - skip * sizeof(words[0]);
	int r = image_write(t->tid, regs.rsp, words + skip, sizeof(words) - skip * sizeof(words[0]));
	return r < 0 ? r : tracee_run_to_gate(t, &regs);
}

/* The mmap by itself, the rest from the guard. 0, -ESRCH or another error. */
static int settle_by_steps(struct image *image, const struct user_regs_struct *mapping)
{
	struct user_regs_struct regs = *mapping;
	const uint64_t args[6] = {regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9};
	long result = 0;

	int r = image_call(image, CALL_PLAIN, SYS_mmap, args, &result);
	if (r < 0)
		return r;
	if (result != (long)GUARD_ADDRESS)
		return result < 0 ? (int)result : -EEXIST;
	regs.rip = GUARD_SETTLE;
	return tracee_run_to_gate(image->t, &regs);
}

int image_settle(struct image *image, const char *comm)
{
	struct tracee *t = image->t;
	const struct vdso_gadget *gadget = &t->steer->gadget;
	struct user_regs_struct regs;
	struct rlimit limit;
	bool raised = false;

	const uint64_t *vdso = stack_block_aux(&image->block, AT_SYSINFO_EHDR);
	if (!vdso || !gadget->offset)
		return -ENOEXEC;
	image->syscall = *vdso + gadget->offset;
	int fd = find_fd(t->tid, &limit, &raised);
	if (fd >= 0) {
		uint64_t name = guard_write_slot(t->steer->config.guard, image->slot, comm, strlen(comm) + 1);

		mmap_registers(image, fd, name, &regs);
		t->expect = (struct expectation){
			.tid = t->tid,
			.nr = SYS_mmap,
			.ip = image->syscall + 2,
			.give = guard_fd(t->steer->config.guard),
			.at = fd,
			.args = {regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9},
		};
		expectation_link(t->steer, &t->expect);
		int r = gadget->returns ? settle_at_once(image, &regs) : -EFAULT;
		if (r == -EFAULT)
			r = settle_by_steps(image, &regs);
		expectation_unlink(t->steer, &t->expect);
		fd = r < 0 ? r : fd;
		image->syscall = GUARD_CALL;
	}
	if (raised && !t->dead)
		prlimit(t->tid, RLIMIT_NOFILE, &limit, NULL);
	return fd < 0 ? fd : 0;
}
