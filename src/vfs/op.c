/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/op.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"

void outcome_init(struct outcome *out)
{
	out->kind = OUT_VALUE;
	out->value = 0;
	out->fd = -EBADF;
	out->cloexec = false;
	memset(&out->errand, 0, sizeof(out->errand));
	out->errand.length_arg = -1;
}

void outcome_release(struct outcome *out)
{
	out->fd = safe_close(out->fd);
	out->errand.exec = exec_plan_free(out->errand.exec);
	out->errand.messages = messages_free(out->errand.messages);
}

int outcome_value(struct outcome *out, int64_t value)
{
	out->kind = OUT_VALUE;
	out->value = value;
	return 0;
}

int outcome_fd(struct outcome *out, int *fd, bool cloexec)
{
	out->kind = OUT_FD;
	out->fd = steal_fd(fd);
	out->cloexec = cloexec;
	return 0;
}

void op_init(struct op *op)
{
	walk_init(&op->walk[0]);
	walk_init(&op->walk[1]);
	op->holds_fs = false;
	op->watched = false;
	atomic_init(&op->waits, 0);
}

void op_begin(struct op *op, const struct view *view, struct caller *caller, int nr)
{
	op->view = view;
	op->caller = caller;
	op->nr = nr;
	op->refused.set = false;
	op->refused.path_len = 0;
	op->text_len[0] = op->text_len[1] = 0;
}

int op_read_path(struct op *op, unsigned which, uint64_t address, bool empty_ok)
{
	ssize_t len = op->caller->ops->read_string(op->caller, address, op->text[which], PATH_MAX);

	if (len < 0)
		return (int)len;
	if (len == 0 && !empty_ok)
		return -ENOENT;
	op->text_len[which] = (size_t)len;
	return 0;
}

/* Where threads cannot have an fs_struct of their own (op_share_fs), one operation at a time has it. */
static struct {
	_Atomic bool shared;
	pthread_mutex_t lock;
	mode_t umask; /* of the process */
} fs = {.lock = PTHREAD_MUTEX_INITIALIZER};

void op_share_fs(void)
{
	pthread_mutex_lock(&fs.lock);
	if (!fs.shared) {
		fs.umask = umask(0);
		umask(fs.umask);
		fs.shared = true;
	}
	pthread_mutex_unlock(&fs.lock);
}

bool op_shares_fs(void)
{
	return atomic_load_explicit(&fs.shared, memory_order_relaxed);
}

int op_take_umask(struct op *op)
{
	mode_t mask;
	int error = op->caller->ops->umask(op->caller, &mask);

	if (error)
		return error;
	if (op_shares_fs() && !op->holds_fs) {
		pthread_mutex_lock(&fs.lock);
		op->holds_fs = true;
	}
	umask(mask);
	return 0;
}

void op_end(struct op *op)
{
	if (!op->holds_fs)
		return;
	umask(fs.umask);
	op->holds_fs = false;
	pthread_mutex_unlock(&fs.lock);
}

uid_t op_fsuid(void)
{
	return (uid_t)syscall(SYS_setfsuid, -1);
}

static int refuse(struct op *op, const char *path, size_t path_len, enum refusal refusal, int32_t rule,
		  const char *note, int error)
{
	struct refused *refused = &op->refused;

	if (refused->set)
		return error;
	refused->set = true;
	refused->refusal = refusal;
	refused->rule = rule;
	refused->note = note;
	if (path_len > sizeof(refused->path))
		path_len = sizeof(refused->path);
	memcpy(refused->path, path, path_len);
	refused->path_len = path_len;
	return error;
}

int op_refuse(struct op *op, const struct walk *walk, enum refusal refusal, int32_t rule, int error)
{
	return refuse(op, walk->path, walk->path_len, refusal, rule, NULL, error);
}

int op_refuse_noted(struct op *op, const struct walk *walk, enum refusal refusal, int32_t rule, const char *note, int error)
{
	return refuse(op, walk->path, walk->path_len, refusal, rule, note, error);
}

int op_refuse_unserved(struct op *op, const char *note, int error)
{
	return refuse(op, op->text[0], op->text_len[0], REFUSAL_UNSERVED, RULE_NONE, note, error);
}
