/* SPDX-License-Identifier: Apache-2.0 */
#include "native_exec.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"

#define SHOW_VARIABLE "SCRIM_TEST_SHOW"

static void show_string(const char *string)
{
	if (write(STDOUT_FILENO, string, strlen(string) + 1) < 0)
		_exit(1);
}

void native_show(char *const argv[])
{
	char comm[16] = "";

	if (!getenv(SHOW_VARIABLE))
		return;
	/* NOLINTNEXTLINE(performance-no-int-to-ptr): the auxiliary vector holds addresses */
	show_string((const char *)(uintptr_t)getauxval(AT_EXECFN));
	prctl(PR_GET_NAME, comm);
	show_string(comm);
	for (unsigned i = 0; argv[i]; i++)
		show_string(argv[i]);
	_exit(0);
}

static _Noreturn void child(const char *cwd, int dirfd, const char *text, int flags, char *const argv[], int out,
			    int report)
{
	static char variable[] = SHOW_VARIABLE "=1", options[] = "ASAN_OPTIONS=detect_leaks=0";
	char *const envp[] = {variable, options, NULL};
	struct rlimit none = {0, 0};
	long result;

	setrlimit(RLIMIT_CORE, &none);
	if (chdir(cwd) < 0 || dup2(out, STDOUT_FILENO) < 0)
		_exit(1);
	if (dirfd == AT_FDCWD && flags == 0)
		result = syscall(SYS_execve, text, argv, envp);
	else
		result = syscall(SYS_execveat, dirfd, text, argv, envp, flags);
	int error = result < 0 ? errno : 0; /* AT_EXECVE_CHECK returns */
	if (write(report, &error, sizeof(error)) != sizeof(error))
		_exit(1);
	_exit(0);
}

int native_exec(const char *cwd, int dirfd, const char *text, int flags, char *const argv[], struct shown *ret)
{
	int out[2], report[2], error = 0, status;
	static struct shown unused;

	if (!ret)
		ret = &unused;
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	assert_int_equal(pipe2(report, O_CLOEXEC), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		child(cwd, dirfd, text, flags, argv, out[1], report[1]);
	close(out[1]);
	close(report[1]);
	ssize_t n = read(report[0], &error, sizeof(error));
	ret->len = 0;
	for (;;) {
		ssize_t part = read(out[0], ret->text + ret->len, sizeof(ret->text) - ret->len);
		if (part <= 0)
			break;
		ret->len += (size_t)part;
	}
	close(out[0]);
	close(report[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return n == (ssize_t)sizeof(error) ? -error : 0;
}

void make_file(int dir, const char *name, const void *bytes, size_t len, unsigned mode)
{
	unlinkat(dir, name, 0);
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

void make_show(int dir, const char *name, unsigned mode)
{
	int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct stat stat;

	make_file(dir, name, "", 0, 0700);
	int fd = openat(dir, name, O_WRONLY | O_CLOEXEC);
	assert_true(self >= 0 && fd >= 0);
	assert_int_equal(fstat(self, &stat), 0);
	for (off_t done = 0; done < stat.st_size;) {
		ssize_t n = sendfile(fd, self, &done, (size_t)(stat.st_size - done));
		assert_true(n > 0);
	}
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
	close(self);
}

void small_elf_init(struct small_elf *elf, const char *interp)
{
	memset(elf, 0, sizeof(*elf));
	memcpy(elf->header.e_ident, ELFMAG, SELFMAG);
	elf->header.e_ident[EI_CLASS] = ELFCLASS64;
	elf->header.e_ident[EI_DATA] = ELFDATA2LSB;
	elf->header.e_ident[EI_VERSION] = EV_CURRENT;
	elf->header.e_type = ET_DYN;
	elf->header.e_machine = EM_X86_64;
	elf->header.e_version = EV_CURRENT;
	elf->header.e_phoff = sizeof(elf->header);
	elf->header.e_ehsize = sizeof(elf->header);
	elf->header.e_phentsize = sizeof(Elf64_Phdr);
	elf->header.e_phnum = interp ? 2 : 1;
	elf->phdr[0] = (Elf64_Phdr){.p_type = PT_LOAD, .p_flags = PF_R, .p_align = 4096};
	elf->phdr[0].p_filesz = elf->phdr[0].p_memsz = sizeof(*elf);
	if (!interp)
		return;
	elf->phdr[1] = (Elf64_Phdr){.p_type = PT_INTERP, .p_offset = offsetof(struct small_elf, interp)};
	elf->phdr[1].p_filesz = strlen(interp) + 1;
	memcpy(elf->interp, interp, strlen(interp) + 1);
}
