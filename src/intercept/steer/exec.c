/* SPDX-License-Identifier: Apache-2.0 */
/* A steered exec: run it, verify what the kernel mapped, give the new image its guard, present it. */
#include <elf.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "intercept/steer/image.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

int image_read(pid_t tid, uint64_t address, void *bytes, size_t size)
{
	return memory_read(tid, address, bytes, size) == (ssize_t)size ? 0 : -EFAULT;
}

int image_write(pid_t tid, uint64_t address, const void *bytes, size_t size)
{
	return memory_write(tid, address, bytes, size) == (ssize_t)size ? 0 : -EFAULT;
}

int image_call(struct image *image, int nr, const uint64_t args[6], long *ret_result)
{
	struct call call = {.nr = nr, .ip = image->syscall, .give = -1};
	memcpy(call.args, args, sizeof(call.args));
	return tracee_call(image->t, &call, ret_result) < 0 ? -ESRCH : 0;
}

/* ---- what is mapped ---- */

struct mapped_file {
	uint64_t dev, ino;
};

/*
 * /proc/PID/maps shows the device of the superblock, stat() on btrfs and overlayfs one of their own; both are then
 * without a real device (major 0), and the inode number decides.
 */
static bool same_file(const struct mapped_file *wanted, uint64_t dev, uint64_t ino)
{
	if (wanted->ino == 0 || wanted->ino != ino)
		return false;
	return wanted->dev == dev || (major(wanted->dev) == 0 && major(dev) == 0);
}

struct maps_check {
	struct mapped_file exe, interp, guard;
	bool exe_seen, interp_seen, guard_seen, stranger;
};

static void check_line(struct maps_check *check, const char *line)
{
	uint64_t start, end, offset, ino;
	unsigned dev_major, dev_minor;
	char rights[5];
	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %x:%x %" SCNu64, &start, &end, rights, &offset,
		   &dev_major, &dev_minor, &ino) != 7) {
		check->stranger = true;
		return;
	}
	uint64_t dev = makedev(dev_major, dev_minor);
	if (dev == 0 && ino == 0 && start >= GUARD_END)
		return;
	if (same_file(&check->guard, dev, ino) && start == GUARD_ADDRESS && end == GUARD_END &&
	    strcmp(rights, "r-xs") == 0 && offset == 0)
		check->guard_seen = true;
	else if (start < GUARD_END)
		check->stranger = true;
	else if (same_file(&check->exe, dev, ino))
		check->exe_seen = true;
	else if (same_file(&check->interp, dev, ino))
		check->interp_seen = true;
	else
		check->stranger = true;
}

/* Are exactly the approved files and the guard mapped? 0 or -EACCES. */
static int verify_maps(pid_t tid, struct maps_check *check)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/maps", tid);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -EACCES;
	char text[8192];
	size_t have = 0;
	for (;;) {
		ssize_t got = read(fd, text + have, sizeof(text) - 1 - have);
		if (got < 0)
			return -EACCES;
		if (got == 0)
			break;
		have += (size_t)got;
		text[have] = 0;
		char *line = text;
		for (char *end; (end = strchr(line, '\n')); line = end + 1) {
			*end = 0;
			check_line(check, line);
		}
		have -= (size_t)(line - text);
		if (have == sizeof(text) - 1)
			return -EACCES; /* no path is as long */
		memmove(text, line, have);
	}
	bool interp_right = check->interp.ino == 0 || check->interp_seen;
	/* An interpreter that is the program itself (ld.so run by name) counts as the program. */
	interp_right = interp_right || same_file(&check->exe, check->interp.dev, check->interp.ino);
	return have == 0 && !check->stranger && check->exe_seen && check->guard_seen && interp_right ? 0 : -EACCES;
}

/* ---- the guard in the new image ---- */

/* Map the guard's pages as guard_map_self() does. 0, -ESRCH or another error. */
static int map_guard(struct image *image)
{
	const struct steer_config *config = &image->t->steer->config;
	long fd = -EIO, result = -EIO;
	int r = tracee_give(image->t, guard_fd(config->guard), image->syscall, &fd);
	if (r < 0 || fd < 0)
		return r < 0 ? r : (int)fd;
	r = image_call(image, SYS_mmap,
		       (uint64_t[6]){GUARD_ADDRESS, GUARD_BYTES, PROT_READ | PROT_EXEC,
				     MAP_SHARED | MAP_FIXED_NOREPLACE, (uint64_t)fd, 0},
		       &result);
	if (r < 0)
		return r;
	if (result != (long)GUARD_ADDRESS)
		return -EEXIST;
	image->syscall = guard_syscall_address(config->guard);
	if (image->t->steer->have_mseal)
		r = image_call(image, GUARD_SYS_MSEAL, (uint64_t[6]){GUARD_ADDRESS, GUARD_BYTES}, &result);
	if (r == 0)
		r = image_call(image, SYS_close, (uint64_t[6]){(uint64_t)fd}, &result);
	return r;
}

/* Where the new image has a `syscall` instruction. 0 or -ENOEXEC. */
static int find_syscall(struct image *image)
{
	uint64_t *vdso = stack_block_aux(&image->block, AT_SYSINFO_EHDR);
	uint64_t offset = image->t->steer->vdso_syscall;
	unsigned char code[2];
	if (!vdso || !offset)
		return -ENOEXEC;
	image->syscall = *vdso + offset;
	if (image_read(image->t->tid, image->syscall, code, sizeof(code)) < 0 || code[0] != 0x0f || code[1] != 0x05)
		return -ENOEXEC;
	return 0;
}

static int set_up_image(struct image *image, const struct exec_plan *plan, const char *slot_text)
{
	struct tracee *t = image->t;
	int r = tracee_finish_exec(t);
	if (r == 0)
		r = stack_block_read(t->tid, t->saved.rsp, &image->block);
	if (r == 0)
		r = find_syscall(image);
	if (r == 0)
		r = map_guard(image);
	if (r < 0)
		return r;
	struct maps_check check = {
		.exe = {plan->exe_dev, plan->exe_ino},
		.interp = {plan->interp_dev, plan->interp_ino},
	};
	guard_identity(t->steer->config.guard, &check.guard.dev, &check.guard.ino);
	r = verify_maps(t->tid, &check);
	return r < 0 ? r : image_present(image, plan, slot_text);
}

/*
 * An exec that was approved fails for the caller's own reasons, or because PT_INTERP was exchanged after the check:
 * then its errno would tell of a file that the view may hide.
 */
static bool failure_tells_nothing(const struct exec_plan *plan, long result)
{
	switch (-result) {
	case E2BIG:
	case ENOMEM:
	case EFAULT:
	case EAGAIN:
	case ETXTBSY:
	case EPERM:
	case ENFILE:
		return true;
	default:
		return plan->interp_ino == 0;
	}
}

long exec_run(struct tracee *t, const struct steer_job *job, const struct call *call, unsigned slot,
	      const char *slot_text)
{
	struct call exec = *call;
	exec.flags = CALL_EXEC;
	long result = 0;
	int end = tracee_call(t, &exec, &result);
	if (end < 0)
		return -ESRCH;
	if (end != CALL_BECAME_IMAGE) {
		if (result >= 0 || !failure_tells_nothing(job->exec, result))
			return tracee_kill(t);
		return tracee_release(t, result) < 0 ? -ESRCH : result;
	}
	if (t->steer->config.executed)
		t->steer->config.executed(t->tid, t->steer->config.userdata);
	struct image image = {.t = t, .slot = slot};
	int r = set_up_image(&image, job->exec, slot_text);
	free(image.block.words);
	if (t->dead)
		return -ESRCH;
	if (r < 0)
		return tracee_kill(t);
	return tracee_release_image(t) < 0 ? -ESRCH : 0;
}
