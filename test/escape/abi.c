/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel's interface says of arguments: junk in the upper halves of ints, pointers that lead nowhere, names and
 * paths as long as they can be, every byte in a name. One line a trial: natively and inside they have to be the same.
 *   abi DIR           the trials, in DIR
 *   abi --foreign DIR calls of the other two ABIs and programs for 32 bits: what a machine has of them, and a view not
 */
#include "abi.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "escape.h"

#define PAGE 4096UL
#define FILL 0x5a
#define JUNK 0xdeadbeef00000000UL
#define JUNK_MODE 0xdeadbeefdead0000UL

static int scene_dir = -1, scene_home = -1;
static char *edge; /* a page that can be used, then one that cannot */
static unsigned char *out;

/* ---- the scene ---- */

static void put(const char *name, const char *content, mode_t mode)
{
	ssize_t length = (ssize_t)strlen(content);

	int fd = openat(scene_dir, name, O_CREAT | O_EXCL | O_RDWR, 0600);

	if (fd < 0 || write(fd, content, (size_t)length) != length || fchmod(fd, mode) < 0)
		broken("%s: %s", name, strerror(errno));
	fsetxattr(fd, "user.there", "value", 5, 0);
	close(fd);
}

/* All names of a scene and those that trials make. */
static void clear(void)
{
	static const char *const names[] = {"file", "link", "text", "new", "script"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (unlinkat(scene_home, names[i], 0) < 0)
			unlinkat(scene_home, names[i], AT_REMOVEDIR);
	unlinkat(scene_home, "dir/inner", 0);
	unlinkat(scene_home, "dir", AT_REMOVEDIR);
	unlinkat(scene_home, "empty", AT_REMOVEDIR);
}

/* After a call that failed nothing has changed: what it has is looked at by show_object(). */
static bool touched = true;

static void prepare(void)
{
	if (!touched)
		return;
	umask(022);
	if (fchdir(scene_home) < 0)
		broken("fchdir: %s", strerror(errno));
	clear();
	scene_dir = scene_home;
	put("file", "the file's content", 0644);
	put("text", "neither", 0755); /* that can be executed but is nothing: ENOEXEC */
	if (symlinkat("file", scene_dir, "link") < 0 || mkdirat(scene_dir, "dir", 0755) < 0 || mkdirat(scene_dir, "empty", 0755) < 0)
		broken("scene: %s", strerror(errno));
	put("dir/inner", "", 0600);
	put("script", "#!/bin/true\n", 0755);
}

static void show_object(const char *name)
{
	struct stat st;

	if (fstatat(scene_home, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		printf(" %s -", name);
	else
		printf(" %s %o %ld %lu", name, st.st_mode, S_ISDIR(st.st_mode) ? 0L : (long)st.st_size, (unsigned long)st.st_nlink);
}

/* ---- a call ---- */

static uint64_t word_of(const struct abi_arg *arg, int fds[4])
{
	switch (arg->kind) {
	case ABI_DIRFD:
		return (uint64_t)scene_dir;
	case ABI_FD:
		if (fds[0] < 0)
			fds[0] = openat(scene_dir, "file", O_RDWR);
		return (uint64_t)fds[0];
	case ABI_LIST:
		if (fds[1] < 0)
			fds[1] = openat(scene_dir, "dir", O_RDONLY | O_DIRECTORY);
		return (uint64_t)fds[1];
	case ABI_SOCKET:
		if (fds[2] < 0)
			fds[2] = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		return (uint64_t)fds[2];
	case ABI_PATH:
	case ABI_IN:
		return (uint64_t)(uintptr_t)arg->data;
	case ABI_OUT:
		return (uint64_t)(uintptr_t)out;
	default:
		return (uint64_t)arg->value;
	}
}

static size_t changed(const unsigned char *bytes, size_t size)
{
	size_t last = 0;

	for (size_t i = 0; i < size; i++)
		if (bytes[i] != FILL)
			last = i + 1;
	return last;
}

static bool gives_descriptor(const struct abi_call *call)
{
	static const long numbers[] = {SYS_open, SYS_creat, SYS_openat, SYS_openat2, SYS_dup, SYS_dup3, SYS_socket, SYS_inotify_init1};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (call->nr == numbers[i])
			return true;
	return call->nr == SYS_fcntl && call->args[1].value == F_DUPFD;
}

/* In a child, which may become the program. */
static long execute(long nr, const uint64_t args[6])
{
	int status;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (child == 0) {
		syscall(nr, args[0], args[1], args[2], args[3], args[4], args[5]);
		_exit(errno);
	}
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		continue;
	errno = WIFEXITED(status) ? WEXITSTATUS(status) : ECHILD;
	return errno ? -1 : 0;
}

/* CALL with its arguments, of which number WHICH (or none: -1) is WORD. */
static void make(const struct abi_call *call, int which, uint64_t word, const char *how)
{
	int fds[4] = {-1, -1, -1, -1};
	uint64_t args[6] = {0};
	bool descriptor;
	long result;
	int error;

	prepare();
	for (int i = 0; i < 6 && call->args[i].kind != ABI_NONE; i++)
		args[i] = i == which ? word : word_of(&call->args[i], fds);
	memset(out, FILL, PAGE);
	/* argv and envp without an entry; what is made of it shows that nothing was written. */
	if (call->nr == SYS_execve || call->nr == SYS_execveat)
		memset(out, 0, PAGE);
	errno = 0;
	if (call->nr == SYS_execve || call->nr == SYS_execveat)
		result = execute(call->nr, args);
	else
		result = syscall(call->nr, args[0], args[1], args[2], args[3], args[4], args[5]);
	error = errno;
	descriptor = result >= 0 && gives_descriptor(call);
	printf("%s %s:", call->name, how);
	if (call->nr == SYS_getppid)
		printf(" %s", result == getppid() ? "parent" : "other");
	else if (result < 0)
		printf(" %s", strerrorname_np(error));
	else if (descriptor)
		printf(" fd flags %x", (unsigned)fcntl((int)result, F_GETFL) & ~(unsigned)O_NOFOLLOW);
	else
		printf(" %ld", result);
	if (descriptor)
		close((int)result);
	/* Not what it says, which has times and numbers, but how much; of entries the padding need not be written. */
	if (call->nr != SYS_getcwd)
		printf(" out %zu", (changed(out, PAGE) + 7) / 8 * 8);
	touched = result >= 0;
	if (touched) {
		umask(022);
		show_object("file");
		show_object("empty");
	}
	show_object("new");
	putchar('\n');
	for (size_t i = 0; i < 4; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

static bool is_int(enum abi_kind kind)
{
	return kind == ABI_INT || kind == ABI_MODE || kind == ABI_DIRFD || kind == ABI_FD || kind == ABI_LIST || kind == ABI_SOCKET;
}

static bool is_pointer(enum abi_kind kind)
{
	return kind == ABI_PATH || kind == ABI_IN || kind == ABI_OUT;
}

static void junk(const struct abi_call *call)
{
	for (int i = 0; i < 6 && call->args[i].kind != ABI_NONE; i++) {
		const struct abi_arg *arg = &call->args[i];
		uint64_t add = arg->kind == ABI_MODE ? JUNK_MODE : JUNK;
		char how[40];
		int fds[4] = {-1, -1, -1, -1};

		if (!is_int(arg->kind))
			continue;
		snprintf(how, sizeof(how), "junk in %d", i);
		/* Descriptors have the same numbers each time: what make() opens is opened in the same order. */
		make(call, i, (arg->kind == ABI_INT || arg->kind == ABI_MODE ? (uint64_t)arg->value & (arg->kind == ABI_MODE ? 0xffff : UINT32_MAX)
				: (uint64_t)(uint32_t)word_of(arg, fds)) | add, how);
		for (size_t k = 0; k < 4; k++)
			if (fds[k] >= 0)
				close(fds[k]);
		if (arg->kind != ABI_INT && arg->kind != ABI_MODE) {
			make(call, i, (uint64_t)-1, "descriptor -1");
			make(call, i, 999, "descriptor 999");
			make(call, i, (uint64_t)(uint32_t)AT_FDCWD | JUNK, "AT_FDCWD and junk");
			make(call, i, 1UL << 31, "descriptor 1 << 31");
		}
	}
}

static void pointers(const struct abi_call *call)
{
	static const struct {
		const char *name;
		uint64_t word;
	} bad[] = {
		{"NULL", 0},
		{"page 0", 8},
		{"-1", UINT64_MAX},
		{"kernel", 0xffffffff81000000},
		{"direct map", 0xffff888000001000},
		{"not canonical", 0x0000800000000000},
		{"end of user space", 0x00007fffffffefff},
		{"vsyscall", 0xffffffffff600000},
	};
	char how[60];

	for (int i = 0; i < 6 && call->args[i].kind != ABI_NONE; i++) {
		const struct abi_arg *arg = &call->args[i];

		if (!is_pointer(arg->kind))
			continue;
		for (size_t k = 0; k < sizeof(bad) / sizeof(bad[0]); k++) {
			snprintf(how, sizeof(how), "%s in %d", bad[k].name, i);
			make(call, i, bad[k].word, how);
		}
		snprintf(how, sizeof(how), "PROT_NONE in %d", i);
		make(call, i, (uint64_t)(uintptr_t)(edge + PAGE), how);
		if (arg->kind == ABI_OUT) {
			snprintf(how, sizeof(how), "3 bytes before PROT_NONE in %d", i);
			make(call, i, (uint64_t)(uintptr_t)(edge + PAGE - 3), how);
			snprintf(how, sizeof(how), "read-only memory in %d", i);
			make(call, i, (uint64_t)(uintptr_t)(edge + 2 * PAGE), how);
		} else {
			size_t length = arg->kind == ABI_PATH ? strlen(arg->data) + 1 : arg->length;

			snprintf(how, sizeof(how), "up to PROT_NONE in %d", i);
			memcpy(edge + PAGE - length, arg->data, length);
			make(call, i, (uint64_t)(uintptr_t)(edge + PAGE - length), how);
			snprintf(how, sizeof(how), "a byte into PROT_NONE in %d", i);
			memcpy(edge + PAGE - length + 1, arg->data, length - 1);
			make(call, i, (uint64_t)(uintptr_t)(edge + PAGE - length + 1), how);
			snprintf(how, sizeof(how), "unmapped in %d", i);
			make(call, i, 0x123456789000, how);
		}
	}
}

/* "./././NAME", LENGTH bytes in all. */
static const char *padded(const char *name, size_t length)
{
	static char text[2 * PATH_MAX];
	size_t own = strlen(name);

	for (size_t i = 0; i < length - own; i++)
		text[i] = (length - own - i) % 2 ? '/' : '.';
	strcpy(text + length - own, name);
	if (text[0] == '/')
		text[0] = '.', text[1] = '/';
	return text;
}

static void lengths(const struct abi_call *call)
{
	char how[60], name[300];

	for (int i = 0; i < 6 && call->args[i].kind != ABI_NONE; i++) {
		if (call->args[i].kind != ABI_PATH)
			continue;
		for (size_t length = 254; length <= 257; length++) {
			memset(name, 'n', length);
			name[length] = '\0';
			snprintf(how, sizeof(how), "a name of %zu in %d", length, i);
			make(call, i, (uint64_t)(uintptr_t)name, how);
			unlinkat(scene_home, name, 0);
			unlinkat(scene_home, name, AT_REMOVEDIR);
		}
		for (size_t length = 4093; length <= 4097; length++) {
			snprintf(how, sizeof(how), "a path of %zu in %d", length, i);
			make(call, i, (uint64_t)(uintptr_t)padded(call->args[i].data, length), how);
		}
	}
}

/* Every byte that a name can have, alone and in the middle; a file of each, found again in a listing. */
static void bytes(void)
{
	char name[8];
	struct stat st;
	unsigned found[256] = {0};

	touched = true;
	prepare();
	for (int byte = 1; byte < 256; byte++) {
		for (int form = 0; form < 2; form++) {
			int fd;

			snprintf(name, sizeof(name), form ? "b%c%c" : "%c", byte, byte);
			fd = openat(scene_dir, name, O_CREAT | O_EXCL | O_RDWR, 0600);
			printf("byte %02x %d: create %s", byte, form, fd < 0 ? strerrorname_np(errno) : "ok");
			if (fd >= 0)
				close(fd);
			printf(" stat %s\n", fstatat(scene_dir, name, &st, 0) < 0 ? strerrorname_np(errno) : S_ISREG(st.st_mode) ? "ok" : "other");
		}
	}
	DIR *dir = fdopendir(openat(scene_dir, ".", O_RDONLY | O_DIRECTORY));
	for (struct dirent *e; dir && (e = readdir(dir));) {
		if (e->d_name[0] && !e->d_name[1])
			found[(unsigned char)e->d_name[0]]++;
		else if (e->d_name[0] == 'b' && e->d_name[1] == e->d_name[2])
			found[(unsigned char)e->d_name[1]]++;
	}
	if (dir)
		closedir(dir);
	for (int byte = 1; byte < 256; byte++) {
		printf("byte %02x: listed %u", byte, found[byte]);
		snprintf(name, sizeof(name), "%c", byte);
		printf(" %s", unlinkat(scene_dir, name, 0) < 0 ? strerrorname_np(errno) : "removed");
		snprintf(name, sizeof(name), "b%c%c", byte, byte);
		printf(" %s\n", unlinkat(scene_dir, name, 0) < 0 ? strerrorname_np(errno) : "removed");
	}
}

/* Of open_how and msghdr, what lies behind their own pointers and sizes. */
static void inner(void)
{
	static const size_t sizes[] = {0, 23, 24, 25, 32, 4096, 4097, SIZE_MAX};
	struct iovec one = {(void *)0xffffffff81000000, 4};
	struct msghdr message = {.msg_iov = &one, .msg_iovlen = 1};
	static unsigned char how[8192];
	int fd;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (int tail = 0; tail < 2; tail++) {
			memset(how, 0, sizeof(how));
			how[30] = (unsigned char)tail;
			fd = (int)syscall(SYS_openat2, scene_dir, "file", how, sizes[i]);
			printf("open_how of %zu, tail %d: %s\n", sizes[i], tail, fd < 0 ? strerrorname_np(errno) : "ok");
			if (fd >= 0)
				close(fd);
		}
	}
	fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	printf("sendmsg, bad iovec: %ld %s\n", syscall(SYS_sendmsg, fd, &message, 0), strerrorname_np(errno));
	message.msg_iov = (void *)0x10;
	printf("sendmsg, bad iov: %ld %s\n", syscall(SYS_sendmsg, fd, &message, 0), strerrorname_np(errno));
	message = (struct msghdr){.msg_name = (void *)0xffffffff81000000, .msg_namelen = 20};
	printf("sendmsg, bad name: %ld %s\n", syscall(SYS_sendmsg, fd, &message, 0), strerrorname_np(errno));
	message = (struct msghdr){.msg_name = how, .msg_namelen = UINT32_MAX};
	printf("sendmsg, long name: %ld %s\n", syscall(SYS_sendmsg, fd, &message, 0), strerrorname_np(errno));
	message = (struct msghdr){.msg_control = how, .msg_controllen = SIZE_MAX};
	printf("sendmsg, long control: %ld %s\n", syscall(SYS_sendmsg, fd, &message, 0), strerrorname_np(errno));
	close(fd);
}

/* ---- other ABIs ---- */

static long int80(long nr, long a, long b)
{
	long result;

	__asm__ volatile("int $0x80" : "=a"(result) : "a"(nr), "b"(a), "c"(b) : "memory", "r8", "r9", "r10", "r11");
	return result;
}

static void i386_getpid(void *userdata)
{
	(void)userdata;
	say("%s", (int)int80(20, 0, 0) == getpid() ? "works" : strerrorname_np((int)-int80(20, 0, 0)));
}

static void x32_getpid(void *userdata)
{
	long result = syscall(0x40000000 | SYS_getpid);

	(void)userdata;
	say("%s", result == getpid() ? "works" : strerrorname_np(errno));
}

/* Numbers that no kernel knows. */
static void unknown(void *userdata)
{
	static const long numbers[] = {335 + 20, 400, 423, 480, 511, 512, 547, 600, 1000, 65535, 0x3fffffff, 0x40000000 | 0x3fff, INT_MAX, -1, INT_MIN};

	(void)userdata;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (syscall(numbers[i], 0, 0, 0, 0, 0, 0) != -1 || errno != ENOSYS)
			say("%ld: %s", numbers[i], strerrorname_np(errno));
	say("done");
}

/* The smallest program for 32 bits: exit(42). */
static void write_i386(const char *path)
{
	static const unsigned char program[] = {
		0x7f, 'E', 'L', 'F', 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 3, 0, 1, 0, 0, 0, 0x54, 0, 0x30, 8, 0x34, 0, 0, 0,
		0, 0, 0, 0, 0, 0, 0, 0, 0x34, 0, 0x20, 0, 1, 0, 0, 0, 0, 0, 0, 0,
		/* PT_LOAD at 0x08300000, R+X */
		1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x30, 8, 0, 0, 0x30, 8, 0x60, 0, 0, 0, 0x60, 0, 0, 0, 5, 0, 0, 0, 0, 0x10, 0, 0,
		/* mov $1,%eax; mov $42,%ebx; int $0x80 */
		0xb8, 1, 0, 0, 0, 0xbb, 42, 0, 0, 0, 0xcd, 0x80,
	};

	put_file(path, program, sizeof(program), 0755);
}

static void run_i386(void *userdata)
{
	char *argv[] = {userdata, NULL};

	execve(userdata, argv, environ);
	say("%s", strerrorname_np(errno));
}

static void foreign(const char *dir)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/thirty-two", dir);
	write_i386(path);
	printf("int 0x80: %s\n", run_trial(i386_getpid, NULL));
	printf("x32: %s\n", run_trial(x32_getpid, NULL));
	printf("unknown: %s\n", run_trial(unknown, NULL));
	printf("32-bit program: %s\n", run_trial(run_i386, path));
	unlink(path);
}

/* ---- */

static void all(const char *dir)
{
	scene_home = open(dir, O_PATH | O_DIRECTORY);
	edge = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	out = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (scene_home < 0 || edge == MAP_FAILED || out == MAP_FAILED || mprotect(edge + PAGE, PAGE, PROT_NONE) < 0 ||
	    mprotect(edge + 2 * PAGE, PAGE, PROT_READ) < 0)
		broken("no scene: %s", strerror(errno));
	/* A listing needs a directory that can be listed. */
	scene_dir = scene_home;
	for (size_t i = 0; i < abi_call_count; i++) {
		make(&abi_calls[i], -1, 0, "as it should be");
		junk(&abi_calls[i]);
		pointers(&abi_calls[i]);
		lengths(&abi_calls[i]);
	}
	bytes();
	inner();
	clear();
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	check_identity();
	if (argc == 3 && strcmp(argv[1], "--foreign") == 0)
		foreign(argv[2]);
	else if (argc == 2)
		all(argv[1]);
	else
		broken("usage: abi [--foreign] DIR");
	return fflush(stdout) ? 1 : 0;
}
