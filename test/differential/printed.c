/* A sequence that natively and inside ends differently. Run it as PROGRAM DIRECTORY, both ways; DIRECTORY is made. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define SLOT(i) (100 + (i))
#define ADDRESS(pointer) ((long)(uintptr_t)(pointer))
#define UNUSED __attribute__((unused))

static const char *tree;
static unsigned char *last; /* the buffer of the call, if it has one */
static size_t last_size;

/* SIZE bytes that end where a page does, and behind which there is nothing. */
static char *room(size_t size)
{
	char *at = mmap(NULL, (128 << 10) + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED || mprotect(at + (128 << 10), 4096, PROT_NONE) < 0)
		abort();
	return at + (128 << 10) - size;
}

static long buffer(size_t size)
{
	last = (unsigned char *)room(size);
	last_size = size;
	memset(last, 0x5a, size);
	return ADDRESS(last);
}

static UNUSED long data(const char *bytes, size_t length)
{
	return ADDRESS(memcpy(room(length), bytes, length));
}

/* With `@` replaced; one more byte than its length, a NUL. */
static char *text(const char *bytes, size_t length, size_t *ret_length)
{
	char *out = calloc(1, length * (strlen(tree) + 1) + 1);
	size_t at = 0;

	for (size_t i = 0; i < length; i++) {
		if (bytes[i] == '@') {
			memcpy(out + at, tree, strlen(tree));
			at += strlen(tree);
		} else {
			out[at++] = bytes[i];
		}
	}
	if (ret_length)
		*ret_length = at;
	return out;
}

static UNUSED long path(const char *bytes, size_t length)
{
	return ADDRESS(text(bytes, length, NULL));
}

static UNUSED long edge(const char *bytes, size_t length)
{
	char *t = text(bytes, length, &length);

	return data(t, length + 1);
}

static UNUSED long cut(const char *bytes, size_t length)
{
	char *t = text(bytes, length, &length);

	return data(t, length);
}

static UNUSED long fill(size_t size, const char *bytes, size_t length)
{
	char *t = text(bytes, length, &length), *at = room(size + 1);

	for (size_t i = 0; i < size; i++)
		at[i] = length ? t[i % length] : '/';
	at[size] = '\0';
	return ADDRESS(at);
}

static UNUSED long words(size_t count, const uint64_t *values)
{
	return data((const char *)values, count * 8);
}

static UNUSED long un(int family, const char *bytes, size_t length)
{
	char *t = text(bytes, length, &length), *at = calloc(1, 4096);

	*(uint16_t *)at = (uint16_t)family;
	memcpy(at + 2, t, length);
	return ADDRESS(at);
}

static UNUSED long attribute(uint32_t size, uint32_t flags, const char *bytes, size_t length)
{
	struct {
		uint64_t value;
		uint32_t size, flags;
	} args = {0, size, flags};

	args.value = (uint64_t)buffer(4096);
	memcpy(last, bytes, length);
	return data((const char *)&args, sizeof(args));
}

static UNUSED long vector(const char *bytes, size_t length)
{
	char **out = calloc(64, sizeof(char *)), *word = text(bytes, length, NULL);

	for (int i = 0; i < 63 && length > 0 && word; i++) {
		out[i] = word;
		word = strchr(word, '|');
		if (word)
			*word++ = '\0';
	}
	return ADDRESS(out);
}

/* What a call returned, and what it wrote. */
static void say(const char *what, long result)
{
	int error = errno;

	if (result < 0)
		printf("%s: %s\n", what, strerrorname_np(error) ?: "?");
	else
		printf("%s: %ld", what, result);
	if (result < 0)
		return;
	for (size_t i = 0; last && i < last_size && i < 144; i++)
		printf("%s%02x", i % 8 ? "" : " ", last[i]);
	putchar('\n');
	fflush(stdout);
}

static UNUSED void plain(const char *what, long nr, long a, long b, long c, long d, long e, long f)
{
	errno = 0;
	say(what, syscall(nr, a, b, c, d, e, f));
	last = NULL;
}

/* A call that returns a descriptor. */
static UNUSED void opening(int slot, const char *what, long nr, long a, long b, long c, long d, long e, long f)
{
	long fd = syscall(nr, a, b, c, d, e, f);
	struct stat st;

	say(what, fd);
	last = NULL;
	if (fd < 0)
		return;
	if (fstat((int)fd, &st) == 0)
		printf("    F_GETFL %#x, F_GETFD %d, mode %o, size %ld\n", fcntl((int)fd, F_GETFL), fcntl((int)fd, F_GETFD), st.st_mode,
		       (long)st.st_size);
	dup3((int)fd, SLOT(slot), fcntl((int)fd, F_GETFD) & FD_CLOEXEC ? O_CLOEXEC : 0);
	close((int)fd);
}

/* A call in a child: an exec, or with the parent's working directory and umask. */
static UNUSED void in_child(int shared, const char *what, long nr, long a, long b, long c, long d, long e, long f)
{
	long child;
	int status;

	fflush(stdout);
	child = syscall(SYS_clone, SIGCHLD | (shared ? CLONE_FS : 0), 0, 0, 0, 0);
	if (child == 0) {
		say(what, syscall(nr, a, b, c, d, e, f));
		_exit(1);
	}
	waitpid((pid_t)child, &status, 0);
	printf("%s: the child's status is %#x\n", what, status);
}

#define NAME(name) text(name, sizeof(name) - 1, NULL)

static UNUSED void make_socket(const char *name, int type, mode_t mode)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", name);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || chmod(name, mode) < 0)
		perror(name);
	listen(fd, 64);
}

static UNUSED void make_file(const char *name, mode_t mode, const char *content, size_t length)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (write(fd, content, length) < 0 || fchmod(fd, mode) < 0)
		perror(name);
	close(fd);
}

static UNUSED void done(int result)
{
	if (result < 0)
		perror("the tree");
}

static void begin(int argc, char **argv)
{
	umask(0);
	if (argc != 2 || (mkdir(argv[1], 0755) < 0 && errno != EEXIST) || chdir(argv[1]) < 0)
		exit(2);
	tree = getcwd(NULL, 0);
}

