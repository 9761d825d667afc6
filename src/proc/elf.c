/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The checks of load_elf_binary() and load_elf_phdrs() (fs/binfmt_elf.c) up to the point of no return, in their order.
 * What comes later (PT_LOAD) kills the program natively and does so here.
 */
#include "proc/elf.h"

#include <elf.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

/* load_elf_phdrs() refuses tables above a page (ELF_MIN_ALIGN). */
#define PHDRS_BYTES_MAX 4096
#define PHDRS_MAX (PHDRS_BYTES_MAX / sizeof(Elf64_Phdr))

/* A file of which the first bytes may be in memory: all of them when FD is negative. */
struct source {
	int fd;
	const unsigned char *head;
	size_t head_len;
	bool whole; /* the file ends with the head */
};

/*
 * elf_read() of the kernel: all LEN bytes at POS, else -EIO, or the errno of the read. POS as the kernel sees it: an
 * unsigned field of the file taken as loff_t.
 */
static int source_read(const struct source *source, void *to, size_t len, uint64_t pos)
{
	if (pos > INT64_MAX || len > INT64_MAX - pos)
		return -EINVAL;
	if (pos <= source->head_len && len <= source->head_len - pos) {
		memcpy(to, source->head + pos, len);
		return 0;
	}
	if (source->whole)
		return -EIO;
	ssize_t n = pread(source->fd, to, len, (off_t)pos);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

/* The exec header as the kernel keeps it: a short file is padded with zeros. */
static void read_header(const struct source *source, Elf64_Ehdr *ret)
{
	memset(ret, 0, sizeof(*ret));
	memcpy(ret, source->head, source->head_len < sizeof(*ret) ? source->head_len : sizeof(*ret));
}

static bool native_machine(const Elf64_Ehdr *header)
{
	return header->e_machine == EM_X86_64;
}

/* Read the program headers. Returns their number or -ENOEXEC. */
static int read_phdrs(const struct source *source, const Elf64_Ehdr *header, Elf64_Phdr phdrs[PHDRS_MAX])
{
	size_t bytes = sizeof(*phdrs) * header->e_phnum;

	if (header->e_phentsize != sizeof(*phdrs) || bytes == 0 || bytes > PHDRS_BYTES_MAX)
		return -ENOEXEC;
	if (source_read(source, phdrs, bytes, header->e_phoff) < 0)
		return -ENOEXEC;
	return header->e_phnum;
}

static int read_interp(const struct source *source, const Elf64_Phdr *phdr, char interp[PATH_MAX])
{
	if (phdr->p_filesz > PATH_MAX || phdr->p_filesz < 2)
		return -ENOEXEC;
	int r = source_read(source, interp, phdr->p_filesz, phdr->p_offset);
	if (r < 0)
		return r;
	return interp[phdr->p_filesz - 1] == '\0' ? 0 : -ENOEXEC;
}

static int parse_program(const struct source *source, struct elf_info *ret)
{
	Elf64_Ehdr header;
	Elf64_Phdr phdrs[PHDRS_MAX];

	read_header(source, &header);
	if (memcmp(header.e_ident, ELFMAG, SELFMAG) != 0)
		return -ENOEXEC;
	if (header.e_type != ET_EXEC && header.e_type != ET_DYN)
		return -ENOEXEC;
	if (!native_machine(&header))
		return -ENOEXEC;
	int count = read_phdrs(source, &header, phdrs);
	if (count < 0)
		return count;

	struct elf_info info = {.has_interp = false};
	for (int i = 0; i < count && !info.has_interp; i++) {
		if (phdrs[i].p_type != PT_INTERP)
			continue;
		int r = read_interp(source, &phdrs[i], info.interp);
		if (r < 0)
			return r;
		info.has_interp = true;
	}
	*ret = info;
	return 0;
}

static int parse_interp(const struct source *source)
{
	Elf64_Ehdr header;
	Elf64_Phdr phdrs[PHDRS_MAX];

	int r = source_read(source, &header, sizeof(header), 0);
	if (r < 0)
		return r;
	if (memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || !native_machine(&header))
		return -ELIBBAD;
	return read_phdrs(source, &header, phdrs) < 0 ? -ELIBBAD : 0;
}

static int open_head(int fd, unsigned char head[ELF_HEAD_BYTES], struct source *ret)
{
	ssize_t n = pread(fd, head, ELF_HEAD_BYTES, 0);

	if (n < 0)
		return -errno;
	*ret = (struct source){.fd = fd, .head = head, .head_len = (size_t)n};
	return 0;
}

int elf_read(int fd, struct elf_info *ret)
{
	unsigned char head[ELF_HEAD_BYTES];
	struct source source;

	int r = open_head(fd, head, &source);
	return r < 0 ? r : parse_program(&source, ret);
}

int elf_read_head(int fd, const void *head, size_t len, struct elf_info *ret)
{
	struct source source = {.fd = fd, .head = head, .head_len = len};

	return parse_program(&source, ret);
}

int elf_parse(const unsigned char *file, size_t size, struct elf_info *ret)
{
	struct source source = {.fd = -EBADF, .head = file, .head_len = size, .whole = true};

	return parse_program(&source, ret);
}

int elf_check_interp(int fd)
{
	unsigned char head[ELF_HEAD_BYTES];
	struct source source;

	int r = open_head(fd, head, &source);
	return r < 0 ? r : parse_interp(&source);
}

int elf_check_interp_head(int fd, const void *head, size_t len)
{
	struct source source = {.fd = fd, .head = head, .head_len = len};

	return parse_interp(&source);
}

bool elf_is_foreign(const void *head, size_t len)
{
	const unsigned char *ident = head;
	Elf64_Ehdr header;

	/* e_machine stands at the same place in both classes. */
	if (len < sizeof(Elf32_Ehdr) || memcmp(ident, ELFMAG, SELFMAG) != 0)
		return false;
	struct source source = {.fd = -EBADF, .head = head, .head_len = len, .whole = true};
	read_header(&source, &header);
	return !native_machine(&header) || ident[EI_CLASS] == ELFCLASS32;
}
