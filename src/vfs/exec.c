/* SPDX-License-Identifier: Apache-2.0 */
/*
 * execve(2) and execveat(2): what the kernel would answer, found out beforehand in its own order (fs/exec.c,
 * fs/binfmt_misc.c, fs/binfmt_script.c, fs/binfmt_elf.c), and the plan by which the caller executes the one ELF file that results.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "proc/binfmt_misc.h"
#include "proc/elf.h"
#include "proc/exec_plan.h"
#include "proc/script.h"
#include "vfs/encrypted.h"
#include "vfs/fdpath.h"
#include "vfs/judge.h"
#include "vfs/ops.h"

#ifndef AT_EXECVE_CHECK
#define AT_EXECVE_CHECK 0x10000
#endif

#define REWRITES_MAX 5 /* exec_binprm(): so many, then ELOOP */

/* What a script or a registered format makes of argv, and whom it names to be executed instead. */
struct rewrite {
	char interpreter[BINFMT_MISC_INTERPRETER_MAX];
	bool has_argument;
	char argument[SCRIPT_HEADER_BYTES];
	bool keeps_argv0;
};

/* An exec being thought through. `file` and `other` are the op's two walks; they change places at each script. */
struct attempt {
	struct op *op;
	struct walk *file;  /* what would be executed now */
	struct walk *other; /* the next interpreter */
	bool empty;	    /* the descriptor itself is executed */
	bool unreachable; /* an interpreter could not open it: a name by a close-on-exec descriptor */
	char name[EXEC_PLAN_NAME_MAX]; /* bprm->filename */
	const char *current;	       /* bprm->interp: the text of `file` */
	unsigned rewrites;
	struct rewrite rewrite[REWRITES_MAX];
	bool preserves_argv0; /* some format does: the program is told */
	bool opens_binary;    /* from now on what is rewritten is handed to the program, */
	int binary_fd;	      /* and this is it */
	uint64_t interp_dev, interp_ino;
	size_t head_len;
	char *head; /* the first ELF_HEAD_BYTES of `file` */
};

/* At least Linux MAJOR.MINOR? */
static bool kernel_is(unsigned major, unsigned minor)
{
	struct utsname name;
	unsigned have_major = 0, have_minor = 0;

	if (uname(&name) < 0 || sscanf(name.release, "%u.%u", &have_major, &have_minor) != 2)
		return false;
	return have_major > major || (have_major == major && have_minor >= minor);
}

/* Ask the kernel itself whether FD may be executed, whatever its format (6.14). 0 or a negative errno. */
static int check_by_kernel(int fd)
{
	char empty[] = "";
	char *argv[] = {empty, NULL}, *envp[] = {NULL};

	return syscall(SYS_execveat, fd, "", argv, envp, AT_EMPTY_PATH | AT_EXECVE_CHECK) < 0 ? -errno : 0;
}

/* do_open_execat() and may_open(): may WALK's object be executed at all? */
static int approve(struct op *op, const struct walk *walk)
{
	if (S_ISLNK(walk->stat.st_mode))
		return -ELOOP;
	int error = judge(op, walk, INTENT_EXECUTE);
	if (error)
		return error;
	if (!S_ISREG(walk->stat.st_mode))
		return -EACCES;
	/* Mounts without exec answer EACCES here too. */
	return faccessat(walk->fd, "", X_OK, AT_EACCESS | AT_EMPTY_PATH) < 0 ? -errno : 0;
}

/* Is the caller's descriptor FD closed by an exec? */
static bool closes_on_exec(struct op *op, int fd)
{
	char name[64], text[1024];
	unsigned long flags = 0;

	snprintf(name, sizeof(name), "%d/fdinfo/%d", op->caller->tid, fd);
	op_own_rights(op);
	_cleanup_close_ int info = openat(op->view->proc_fd, name, O_RDONLY | O_CLOEXEC);
	op_lend_rights(op);
	if (info < 0)
		return false;
	ssize_t n = read(info, text, sizeof(text) - 1);
	if (n < 0)
		return false;
	text[n] = '\0';
	const char *line = strstr(text, "flags:");
	return line && sscanf(line, "flags: %lo", &flags) == 1 && (flags & O_CLOEXEC);
}

/* alloc_bprm(): the name by which the program is known. */
static void name_program(struct attempt *a, int dirfd)
{
	const char *text = a->op->text[0];

	if (dirfd == AT_FDCWD || text[0] == '/')
		snprintf(a->name, sizeof(a->name), "%s", text);
	else if (a->empty)
		snprintf(a->name, sizeof(a->name), "/dev/fd/%d", dirfd);
	else
		snprintf(a->name, sizeof(a->name), "/dev/fd/%d/%s", dirfd, text);
	a->unreachable = dirfd != AT_FDCWD && text[0] != '/';
	a->current = a->name;
}

/*
 * What is executed of an encrypted file is its plaintext: from now on that is WALK's object, with its identity. Its x bits
 * are for the kernel's sake: who may execute it was asked of the real file. Returns a descriptor of it or a negative errno.
 */
static int take_plaintext(struct op *op, struct walk *walk)
{
	_cleanup_close_ int fd = -EBADF;
	int object, error = encrypted_open_program(op, walk, &fd);

	if (error)
		return error;
	if (fstat(fd, &walk->stat) < 0)
		return -errno;
	op_own_rights(op);
	error = (walk->stat.st_mode & 0555) != 0555 && fchmod(fd, 0777) < 0 ? -errno : 0;
	op_lend_rights(op);
	object = error ? error : fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (object < 0)
		return error ? error : -errno;
	safe_close(walk->fd);
	walk->fd = object;
	return steal_fd(&fd);
}

/* Open WALK's object and read its beginning. Returns the descriptor or a negative errno. */
static int open_head(struct op *op, struct walk *walk, char head[ELF_HEAD_BYTES], size_t *ret_len)
{
	/* To execute it need not be readable for the caller; to serve it afterwards, for us. */
	op_own_rights(op);
	_cleanup_close_ int fd = is_encrypted(walk) ? take_plaintext(op, walk) : walk_reopen(walk, O_RDONLY);
	op_lend_rights(op);

	if (fd == -EACCES || fd == -EPERM)
		return op_refuse_unserved(op, "a program that its user cannot read could not be served after its exec",
					  -EACCES);
	if (fd < 0)
		return fd;
	/* What the kernel says of it, by which the exec is verified. */
	if (walk->private && fstat(fd, &walk->stat) < 0)
		return -errno;
	ssize_t n = pread(fd, head, ELF_HEAD_BYTES, 0);
	if (n < 0)
		return -errno;
	*ret_len = (size_t)n;
	return steal_fd(&fd);
}

/* open_exec(): a program named by a file, not by the caller. An empty text is the working directory, as there. */
static int resolve_named(struct op *op, struct walk *walk, const char *text)
{
	size_t len = strlen(text);
	int error = walk_resolve(op, walk, AT_FDCWD, text, len, WALK_FOLLOW | (len ? 0 : WALK_EMPTY), 0);

	return error ? error : approve(op, walk);
}

/*
 * do_open_execat(): a file that is open for writing is ETXTBSY before its format matters. The kernel alone knows, and
 * never gets to execute a file that fails here, or that is handed to an interpreter.
 */
static int busy_or(const struct attempt *a, int error)
{
	return check_by_kernel(a->file->fd) == -ETXTBSY ? -ETXTBSY : error;
}

/* `file` is not executed but handed to an interpreter, which becomes `file`. REWRITE is the attempt's next. */
static int follow(struct attempt *a, const struct rewrite *rewrite, int dirfd)
{
	int error = busy_or(a, 0);
	if (error)
		return error;
	if (a->unreachable && closes_on_exec(a->op, dirfd))
		return -ENOENT;
	error = resolve_named(a->op, a->other, rewrite->interpreter);
	if (error)
		return error;
	if (a->opens_binary) {
		if (a->binary_fd >= 0)
			return -ENOEXEC;
		a->binary_fd = steal_fd(&a->file->fd);
	}
	if (a->rewrites == REWRITES_MAX)
		return -ELOOP;
	a->rewrite[a->rewrites] = *rewrite;
	a->current = a->rewrite[a->rewrites++].interpreter;
	struct walk *before = a->file;
	a->file = a->other;
	a->other = before;
	walk_release(before);
	return 0;
}

/* load_script() */
static int follow_script(struct attempt *a, const struct script_line *line, int dirfd)
{
	struct rewrite rewrite = {.has_argument = line->has_argument};

	snprintf(rewrite.interpreter, sizeof(rewrite.interpreter), "%s", line->interpreter);
	if (line->has_argument)
		snprintf(rewrite.argument, sizeof(rewrite.argument), "%s", line->argument);
	return follow(a, &rewrite, dirfd);
}

/* load_misc_binary() */
static int follow_handler(struct attempt *a, const struct binfmt_misc_handler *handler, int dirfd)
{
	struct rewrite rewrite = {.keeps_argv0 = handler->preserve_argv0};

	snprintf(rewrite.interpreter, sizeof(rewrite.interpreter), "%s", handler->interpreter);
	a->preserves_argv0 |= handler->preserve_argv0;
	a->opens_binary |= handler->open_binary;
	return follow(a, &rewrite, dirfd);
}

static int check_interp(struct attempt *a, const char *text)
{
	size_t len = 0;

	int error = resolve_named(a->op, a->other, text);
	if (error)
		return error;
	/* The kernel opens it itself, by its name. */
	if (is_encrypted(a->other))
		return op_refuse_noted(a->op, a->other, REFUSAL_CRYPT, a->other->verdict.content_rule,
				       "the loader of a program (PT_INTERP) cannot be an encrypted file", -EACCES);
	if (a->other->private)
		return op_refuse_noted(a->op, a->other, REFUSAL_HIDDEN, a->other->verdict.visibility_rule,
				       "the loader of a program (PT_INTERP) cannot be a private file", -EACCES);
	_cleanup_close_ int fd = open_head(a->op, a->other, a->head, &len);
	if (fd < 0)
		return fd;
	error = elf_check_interp_head(fd, a->head, len);
	if (error)
		return error;
	a->interp_dev = a->other->stat.st_dev;
	a->interp_ino = a->other->stat.st_ino;
	return 0;
}

/* No format of ours: why not, for the log. */
static int refuse_format(struct attempt *a)
{
	struct op *op = a->op;

	if (elf_is_foreign(a->head, a->head_len))
		return op_refuse_unserved(op, "programs of a foreign ABI are not served", -ENOEXEC);
	return -ENOEXEC;
}

/* search_binary_handler() until an ELF file is reached that the kernel would take. */
static int follow_formats(struct attempt *a, int dirfd)
{
	struct binfmt_misc_handler handler;
	struct script_line line;
	struct elf_info elf;

	for (;;) {
		_cleanup_close_ int fd = open_head(a->op, a->file, a->head, &a->head_len);
		if (fd < 0)
			return fd;
		if (binfmt_misc_find(a->op->view->formats, a->current, a->head, a->head_len, &handler)) {
			int error = follow_handler(a, &handler, dirfd);
			if (error)
				return error;
			continue;
		}
		if (script_parse(a->head, a->head_len, &line) == 0) {
			int error = follow_script(a, &line, dirfd);
			if (error)
				return error;
			continue;
		}
		int error = elf_read_head(fd, a->head, a->head_len, &elf);
		if (!error && elf.has_interp)
			error = check_interp(a, elf.interp);
		else if (error == -ENOEXEC)
			error = refuse_format(a);
		return error ? busy_or(a, error) : 0;
	}
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* The name of the directory entry of FD, as begin_new_exec() takes it. */
static void entry_name(int fd, char ret[16])
{
	static const char deleted[] = " (deleted)";
	char path[PATH_MAX];
	bool detached = false;
	int len = fd_path(fd, path, sizeof(path), &detached);

	if (len < 0)
		return;
	size_t suffix = sizeof(deleted) - 1;
	if (detached && (size_t)len > suffix && strcmp(path + len - suffix, deleted) == 0)
		path[(size_t)len - suffix] = '\0';
	snprintf(ret, 16, "%.15s", base_name(path));
}

static void push(const char *list[EXEC_PLAN_PREFIX_MAX], unsigned *count, const char *text)
{
	memmove(list + 1, list, *count * sizeof(*list));
	list[0] = text;
	++*count;
}

/* What stands before the rest of argv in the end: the last interpreter first, the caller's own name last. */
static unsigned make_prefix(const struct attempt *a, const char *ret[EXEC_PLAN_PREFIX_MAX], bool *ret_keeps_argv0)
{
	const char *current = a->name;
	unsigned count = 0;

	*ret_keeps_argv0 = true;
	for (unsigned i = 0; i < a->rewrites; i++) {
		const struct rewrite *rewrite = &a->rewrite[i];
		if (!rewrite->keeps_argv0 && count)
			memmove(ret, ret + 1, --count * sizeof(*ret));
		else if (!rewrite->keeps_argv0)
			*ret_keeps_argv0 = false;
		push(ret, &count, current);
		if (rewrite->has_argument)
			push(ret, &count, rewrite->argument);
		push(ret, &count, rewrite->interpreter);
		current = rewrite->interpreter;
	}
	return count;
}

static struct exec_plan *make_plan(struct attempt *a)
{
	const char *prefix[EXEC_PLAN_PREFIX_MAX];
	bool keeps_argv0;
	unsigned count = make_prefix(a, prefix, &keeps_argv0);
	size_t bytes = 0;

	for (unsigned i = 0; i < count; i++)
		bytes += strlen(prefix[i]) + 1;
	struct exec_plan *plan = malloc(sizeof(*plan) + bytes);
	if (!plan)
		return NULL;
	memset(plan, 0, sizeof(*plan));
	plan->exe_dev = a->file->stat.st_dev;
	plan->exe_ino = a->file->stat.st_ino;
	plan->interp_dev = a->interp_dev;
	plan->interp_ino = a->interp_ino;
	snprintf(plan->execfn, sizeof(plan->execfn), "%s", a->name);
	snprintf(plan->comm, sizeof(plan->comm), "%.15s", base_name(a->name));
	if (a->empty && kernel_is(6, 14) && (is_encrypted(a->file) || a->file->private))
		snprintf(plan->comm, sizeof(plan->comm), "%.15s", base_name(a->file->path));
	else if (a->empty && kernel_is(6, 14))
		entry_name(a->file->fd, plan->comm);
	char *string = (char *)(plan + 1);
	for (unsigned i = 0; i < count; i++) {
		plan->prefix[i] = string;
		string = stpcpy(string, prefix[i]) + 1;
	}
	plan->prefix_count = count;
	plan->keeps_argv0 = keeps_argv0;
	plan->preserves_argv0 = a->preserves_argv0;
	plan->opens_binary = a->binary_fd >= 0;
	plan->binary_fd = steal_fd(&a->binary_fd);
	return plan;
}

static int exec_errand(struct attempt *a, int nr, const uint64_t args[6], struct outcome *out)
{
	struct errand *errand = &out->errand;
	bool at = nr == SYS_execveat;

	errand->exec = make_plan(a);
	if (!errand->exec)
		return -ENOMEM;
	out->kind = OUT_ERRAND;
	out->fd = steal_fd(&a->file->fd);
	errand->nr = nr;
	errand->object_arg = at ? 1 : 0;
	errand->args[0] = at ? (uint64_t)AT_FDCWD : 0;
	errand->args[at ? 2 : 1] = args[at ? 2 : 1];
	errand->args[at ? 3 : 2] = args[at ? 3 : 2];
	return 0;
}

static int plan_exec(struct attempt *a, int dirfd, int flags, int nr, const uint64_t args[6], struct outcome *out)
{
	struct op *op = a->op;
	unsigned walk_flags = flags & AT_SYMLINK_NOFOLLOW ? 0 : WALK_FOLLOW;

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_EXECVE_CHECK))
		return -EINVAL;
	if ((flags & AT_EXECVE_CHECK) && !kernel_is(6, 14))
		return -EINVAL;
	if (a->empty && (flags & AT_EMPTY_PATH))
		walk_flags |= WALK_EMPTY;
	int error = walk_resolve(op, a->file, dirfd, op->text[0], op->text_len[0], walk_flags, 0);
	if (error)
		return error;
	error = approve(op, a->file);
	if (error)
		return error;
	if (flags & AT_EXECVE_CHECK) {
		_cleanup_close_ int fd = is_encrypted(a->file) ? take_plaintext(op, a->file) : -EBADF;
		error = fd < 0 && fd != -EBADF ? fd : check_by_kernel(a->file->fd);
		return error ? error : outcome_value(out, 0);
	}
	name_program(a, dirfd);
	error = follow_formats(a, dirfd);
	return error ? error : exec_errand(a, nr, args, out);
}

int vfs_exec(struct op *op, int dirfd, int flags, int nr, const uint64_t args[6], struct outcome *out)
{
	struct attempt a;

	/* Not all of it is cleared: most of it is strings. */
	a.op = op;
	a.file = &op->walk[0];
	a.other = &op->walk[1];
	a.empty = op->text_len[0] == 0;
	a.rewrites = 0;
	a.preserves_argv0 = a.opens_binary = false;
	a.binary_fd = -EBADF;
	a.interp_dev = a.interp_ino = 0;
	a.head = op->scratch[0];
	a.head_len = 0;

	int error = plan_exec(&a, dirfd, flags, nr, args, out);
	walk_release(&op->walk[0]);
	walk_release(&op->walk[1]);
	safe_close(a.binary_fd);
	return error;
}
