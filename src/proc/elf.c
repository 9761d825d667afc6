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

#define PHDRS_BYTES_MAX 65536 /* load_elf_phdrs() refuses larger tables */
#define PHDRS_AT_ONCE 32

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

static uint64_t phdr_position(const Elf64_Ehdr *header, unsigned i)
{
	return header->e_phoff + i * sizeof(Elf64_Phdr);
}

/* load_elf_phdrs(): is there a whole table of program headers? */
static bool has_phdrs(const struct source *source, const Elf64_Ehdr *header)
{
	size_t bytes = sizeof(Elf64_Phdr) * header->e_phnum;
	Elf64_Phdr last;

	if (header->e_phentsize != sizeof(Elf64_Phdr) || bytes == 0 || bytes > PHDRS_BYTES_MAX)
		return false;
	if (header->e_phoff > INT64_MAX || bytes > INT64_MAX - header->e_phoff)
		return false;
	/* Where the last one is, the others are. */
	return source_read(source, &last, sizeof(last), phdr_position(header, header->e_phnum - 1u)) == 0;
}

/* The first PT_INTERP. Returns 1 when there is one, 0, or -ENOEXEC. */
static int find_interp(const struct source *source, const Elf64_Ehdr *header, Elf64_Phdr *ret)
{
	Elf64_Phdr phdrs[PHDRS_AT_ONCE];

	for (unsigned at = 0; at < header->e_phnum; at += PHDRS_AT_ONCE) {
		unsigned count = header->e_phnum - at < PHDRS_AT_ONCE ? header->e_phnum - at : PHDRS_AT_ONCE;
		if (source_read(source, phdrs, count * sizeof(*phdrs), phdr_position(header, at)) < 0)
			return -ENOEXEC;
		for (unsigned i = 0; i < count; i++) {
			if (phdrs[i].p_type == PT_INTERP) {
				*ret = phdrs[i];
				return 1;
			}
		}
	}
	return 0;
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
	Elf64_Phdr interp;

	read_header(source, &header);
	if (memcmp(header.e_ident, ELFMAG, SELFMAG) != 0)
		return -ENOEXEC;
	if (header.e_type != ET_EXEC && header.e_type != ET_DYN)
		return -ENOEXEC;
	if (!native_machine(&header))
		return -ENOEXEC;
	if (!has_phdrs(source, &header))
		return -ENOEXEC;

	int found = find_interp(source, &header, &interp);
	if (found < 0)
		return found;
	if (found) {
		char text[PATH_MAX];
		int r = read_interp(source, &interp, text);
		if (r < 0)
			return r;
		memcpy(ret->interp, text, interp.p_filesz);
	}
	ret->has_interp = found;
	return 0;
}

static int parse_interp(const struct source *source)
{
	Elf64_Ehdr header;

	int r = source_read(source, &header, sizeof(header), 0);
	if (r < 0)
		return r;
	if (memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || !native_machine(&header))
		return -ELIBBAD;
	return has_phdrs(source, &header) ? 0 : -ELIBBAD;
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
