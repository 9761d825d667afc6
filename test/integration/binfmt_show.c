/* SPDX-License-Identifier: Apache-2.0 */
/* The interpreter of registered formats: prints all that the kernel has told it. */
#include <dirent.h>
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <unistd.h>

static void show_binary(void)
{
	char text[64];
	/* A value of 0 may be a descriptor as well as none: only the vector itself tells. */
	Elf64_auxv_t pair;
	int aux = open("/proc/self/auxv", O_RDONLY | O_CLOEXEC);

	while (read(aux, &pair, sizeof(pair)) == sizeof(pair)) {
		if (pair.a_type == AT_EXECFD) {
			int fd = (int)pair.a_un.a_val;
			ssize_t n = pread(fd, text, sizeof(text), 0);
			/* Its first line; not all is text. */
			const char *end = n > 0 ? memchr(text, '\n', (size_t)n) : NULL;
			/* FMODE_EXEC, which no open gives. */
			unsigned flags = (unsigned)fcntl(fd, F_GETFL) & ~0x20u;
			printf("binary: descriptor %d, flags %x, descriptor flags %x, offset %ld, %zd bytes %.*s\n", fd,
			       flags, (unsigned)fcntl(fd, F_GETFD), lseek(fd, 0, SEEK_CUR), n,
			       end ? (int)(end - text) : 0, text);
		}
	}
	close(aux);
}

static void show_vector(char **envp)
{
	/* The kinds of entries in their order, as they lie behind the environment. */
	while (*envp)
		envp++;
	printf("vector:");
	for (const Elf64_auxv_t *pair = (const Elf64_auxv_t *)(envp + 1); pair->a_type != AT_NULL; pair++)
		printf(" %lu", (unsigned long)pair->a_type);
	putchar('\n');
}

static void show_file(const char *path)
{
	char text[4096];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof(text));

	printf("%s:", path);
	for (ssize_t i = 0; i < n; i++)
		putchar(text[i] ? text[i] : '|');
	putchar('\n');
	close(fd);
}

int main(int argc, char **argv, char **envp)
{
	char name[17] = "", exe[4096];

	printf("%d arguments:", argc);
	for (int i = 0; i < argc; i++)
		printf(" [%s]", argv[i]);
	printf("\nfile: %s\nflags: %lx\n", (const char *)getauxval(AT_EXECFN), getauxval(AT_FLAGS));
	show_binary();
	show_vector(envp);
	prctl(PR_GET_NAME, name);
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	exe[n > 0 ? n : 0] = '\0';
	printf("name: %s\nprogram: %s\n", name, strrchr(exe, '/'));
	show_file("/proc/self/cmdline");
	DIR *dir = opendir("/proc/self/fd");
	printf("open:");
	for (int fd = 0; fd < 32; fd++) {
		if (fd != dirfd(dir) && fcntl(fd, F_GETFD) >= 0)
			printf(" %d", fd);
	}
	putchar('\n');
	closedir(dir);
	return 7;
}
