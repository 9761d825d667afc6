/* SPDX-License-Identifier: Apache-2.0 */
/* A steered exec: run it, verify what the kernel mapped, give the new image its guard, present it. */
#include <string.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "intercept/steer/image.h"

int image_read(pid_t tid, uint64_t address, void *bytes, size_t size)
{
	return memory_read(tid, address, bytes, size) == (ssize_t)size ? 0 : -EFAULT;
}

int image_write(pid_t tid, uint64_t address, const void *bytes, size_t size)
{
	return memory_write(tid, address, bytes, size) == (ssize_t)size ? 0 : -EFAULT;
}

int image_call(struct image *image, unsigned flags, int nr, const uint64_t args[6], long *ret_result)
{
	struct call call = {.nr = nr, .ip = image->syscall, .flags = flags};
	memcpy(call.args, args, sizeof(call.args));
	return tracee_call(image->t, &call, ret_result) < 0 ? -ESRCH : 0;
}

/* At the exit of the exec: one thread, nobody else in its memory. */
static int set_up_image(struct image *image, const struct exec_plan *plan, const char *slot_text)
{
	struct tracee *t = image->t;
	int r = tracee_take_image(t);
	if (r == 0)
		r = stack_block_read(t->tid, t->saved.rsp, &image->block);
	if (r == 0)
		r = image_verify(image, plan);
	if (r == 0)
		r = image_settle(image, plan->comm);
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
