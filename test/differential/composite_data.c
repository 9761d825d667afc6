/* SPDX-License-Identifier: Apache-2.0 */
/* Calls on the content of files that are more than one system call. */
#include "differential.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAP_MOST 80000
#define MAP_WRITE 1
#define MAP_AND_SYNC 2
#define MAP_OWN 4 /* MAP_PRIVATE */

static long or_errno(long result)
{
	return result < 0 ? -errno : result;
}

static long vectored(const struct op *op, const uint64_t a[KIND_ARGS])
{
	size_t size = (size_t)a[2], half = size / 2;
	struct iovec parts[2] = {{(void *)(uintptr_t)a[1], half}, {(void *)(uintptr_t)(a[1] + half), size - half}};

	return or_errno(syscall(op->kind->nr, a[0], parts, 2, a[3], 0, a[4]));
}

/* What is mapped is written down as a hash. Behind the end nothing is touched but the rest of the last page, which is zeros. */
static long map(const uint64_t a[KIND_ARGS])
{
	long offset = (long)a[2], length = (long)a[3];
	bool writes = a[1] & (MAP_WRITE | MAP_OWN);
	uint64_t hash = 0xcbf29ce484222325;
	unsigned char *at;
	struct stat st;
	long there;

	if (length > MAP_MOST)
		length = MAP_MOST;
	at = mmap(NULL, (size_t)length, PROT_READ | (writes ? PROT_WRITE : 0), a[1] & MAP_OWN ? MAP_PRIVATE : MAP_SHARED, (int)a[0], offset);
	if (at == MAP_FAILED)
		return -errno;
	if (fstat((int)a[0], &st) < 0 || !S_ISREG(st.st_mode) || offset > st.st_size)
		st.st_size = offset;
	there = st.st_size - offset < length ? st.st_size - offset : length;
	for (long i = 0; i < length && i < (there + 4095) / 4096 * 4096; i++)
		hash = (hash ^ at[i]) * 0x100000001b3;
	/*
	 * A mapping of its own: docs/PARITY.md, "encrypted files": a store into what was read through the same mapping is seen in the
	 * times when it is written back.
	 */
	if (writes && !(a[1] & MAP_OWN)) {
		munmap(at, (size_t)length);
		at = mmap(NULL, (size_t)length, PROT_READ | PROT_WRITE, MAP_SHARED, (int)a[0], offset);
		if (at == MAP_FAILED)
			return -errno;
	}
	if (writes && there > 0)
		memset(at + there / 2, 'M', (size_t)(there - there / 2));
	if (a[1] & MAP_AND_SYNC && msync(at, (size_t)length, MS_SYNC) < 0)
		fprintf(scene.trace, "(msync %s) ", strerrorname_np(errno));
	munmap(at, (size_t)length);
	fprintf(scene.trace, "(%ld mapped, %016llx) ", there, (unsigned long long)hash);
	return 0;
}

static long through_pipe(const uint64_t a[KIND_ARGS])
{
	int pipes[2];
	long result;

	if (pipe2(pipes, O_CLOEXEC) < 0)
		return -errno;
	result = or_errno(syscall(SYS_splice, a[0], NULL, pipes[1], NULL, a[2] < 4096 ? a[2] : 4096, 0));
	if (result > 0)
		result = or_errno(syscall(SYS_splice, pipes[0], NULL, a[1], NULL, result, 0));
	close(pipes[0]);
	close(pipes[1]);
	return result;
}

static long hole(const uint64_t a[KIND_ARGS])
{
	off_t before = lseek((int)a[0], 0, SEEK_CUR);
	long result = or_errno(lseek((int)a[0], (off_t)a[1], (int)a[2]));

	if (before >= 0)
		(void)lseek((int)a[0], before, SEEK_SET);
	return result;
}

/* By a child with a copy of our descriptors; it ends by an errno. */
static long in_child(const struct op *op, const uint64_t a[KIND_ARGS])
{
	int status;
	pid_t child;

	fflush(scene.trace);
	child = (pid_t)syscall(SYS_fork);
	if (child < 0)
		return -errno;
	if (child == 0)
		_exit(syscall(op->kind->nr, a[0], a[1], a[2], a[3]) < 0 ? errno : 0);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		continue;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -ECHILD;
}

long run_composite_data(const struct op *op, const uint64_t args[KIND_ARGS])
{
	long result;

	switch (op->kind->composite) {
	case COMPOSITE_VECTOR:
		return vectored(op, args);
	case COMPOSITE_MAP:
		return map(args);
	case COMPOSITE_COPY:
		return or_errno(syscall(SYS_copy_file_range, args[0], NULL, args[1], NULL, args[2], 0));
	case COMPOSITE_SPLICE:
		return through_pipe(args);
	case COMPOSITE_HOLE:
		return hole(args);
	case COMPOSITE_IN_CHILD:
		return in_child(op, args);
	case COMPOSITE_SHARED:
		result = in_child(op, args);
		/* Where the child has left the offset that we share. */
		fprintf(scene.trace, "(at %ld) ", (long)lseek((int)args[0], 0, SEEK_CUR));
		return result;
	default:
		return -ENOSYS;
	}
}
