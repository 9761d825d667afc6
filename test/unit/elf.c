/* SPDX-License-Identifier: Apache-2.0 */
/* The ELF reader against the kernel: each crafted file is executed natively and both must say the same. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "native_exec.h"
#include "proc/elf.h"

static char directory[] = "/tmp/scrim-elf-XXXXXX";
static int dir;

static int make_directory(void **state)
{
	(void)state;
	if (!mkdtemp(directory) || chmod(directory, 0755) < 0)
		return -1;
	dir = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return dir < 0 ? -1 : 0;
}

static int remove_directory(void **state)
{
	(void)state;
	unlinkat(dir, "file", 0);
	unlinkat(dir, "interp", 0);
	close(dir);
	return rmdir(directory);
}

static int native(void)
{
	char name[] = "file";
	char *const argv[] = {name, NULL};

	return native_exec(directory, AT_FDCWD, "./file", 0, argv, NULL);
}

/* Our reading of the file "file", in both ways that there are. */
static struct elf_info info;

static int predicted(const void *bytes, size_t len)
{
	static struct elf_info again;
	int fd = openat(dir, "file", O_RDONLY | O_CLOEXEC);
	int error = elf_read(fd, &info);

	assert_true(fd >= 0);
	assert_int_equal(elf_parse(bytes, len, &again), error);
	assert_int_equal(elf_read_head(fd, bytes, len < 256 ? len : 256, &again), error);
	close(fd);
	return error;
}

static void compare(const char *what, const void *bytes, size_t len)
{
	make_file(dir, "file", bytes, len, 0755);
	int expected = native();
	int got = predicted(bytes, len);
	/* Another interpreter came out: what the kernel says is about that one. */
	if (got == 0 && info.has_interp && strcmp(info.interp, "./interp") != 0)
		return;
	if (got != expected)
		fail_msg("%s: the kernel says %d, the reader %d", what, expected, got);
}

/* One spoilt field: where, how wide, what, and how much of the file there is (0: all). */
static const struct {
	const char *what;
	size_t offset, width;
	uint64_t value;
	size_t len;
} spoilt[] = {
#define HEADER(field) offsetof(struct small_elf, header.field), sizeof(((Elf64_Ehdr *)0)->field)
#define INTERP(field) offsetof(struct small_elf, phdr[1].field), sizeof(((Elf64_Phdr *)0)->field)
	{"untouched", 0, 0, 0, 0},
	{"no magic", 0, 4, 0, 0},
	{"ET_EXEC", HEADER(e_type), ET_EXEC, 0},
	{"ET_REL", HEADER(e_type), ET_REL, 0},
	{"ET_CORE", HEADER(e_type), ET_CORE, 0},
	{"arm64", HEADER(e_machine), EM_AARCH64, 0},
	{"class is not looked at", EI_CLASS, 1, 7, 0},
	{"big endian is not looked at", EI_DATA, 1, ELFDATA2MSB, 0},
	{"phentsize too small", HEADER(e_phentsize), 32, 0},
	{"no program headers", HEADER(e_phnum), 0, 0},
	{"73 program headers", HEADER(e_phnum), 73, 0},
	{"74 program headers", HEADER(e_phnum), 74, 0},
	{"1170 program headers", HEADER(e_phnum), 1170, 0},
	{"1171 program headers", HEADER(e_phnum), 1171, 0},
	{"65535 program headers", HEADER(e_phnum), 65535, 0},
	{"program headers beyond the end", HEADER(e_phoff), 1 << 20, 0},
	{"program headers at a negative offset", HEADER(e_phoff), UINT64_MAX - 4096, 0},
	{"program headers over the last offset", HEADER(e_phoff), INT64_MAX - 8, 0},
	{"interp of one byte", INTERP(p_filesz), 1, 0},
	{"interp of no bytes", INTERP(p_filesz), 0, 0},
	{"interp of two bytes without NUL", INTERP(p_filesz), 2, 0},
	{"interp with NULs behind it", INTERP(p_filesz), 100, 0},
	{"interp of 4096 bytes beyond the end", INTERP(p_filesz), 4096, 0},
	{"interp of 4097 bytes", INTERP(p_filesz), 4097, 0},
	{"interp beyond the end", INTERP(p_offset), 1 << 20, 0},
	{"interp at a negative offset", INTERP(p_offset), UINT64_MAX - 4096, 0},
	{"interp over the last offset", INTERP(p_offset), INT64_MAX - 2, 0},
	{"nothing", 0, 0, 0, 1},
	{"half a header", 0, 0, 0, 32},
	{"a header without its last byte", 0, 0, 0, 63},
	{"a header alone", 0, 0, 0, 64},
	{"half the program headers", 0, 0, 0, 64 + 56},
	{"no interp string", 0, 0, 0, 64 + 112},
};

static void spoilt_programs(void **state)
{
	static struct small_elf elf;

	(void)state;
	small_elf_init(&elf, "./interp");
	make_file(dir, "interp", &elf, sizeof(elf), 0755);
	for (size_t i = 0; i < ARRAY_LEN(spoilt); i++) {
		small_elf_init(&elf, "./interp");
		memcpy((char *)&elf + spoilt[i].offset, &spoilt[i].value, spoilt[i].width);
		compare(spoilt[i].what, &elf, spoilt[i].len ? spoilt[i].len : sizeof(elf));
	}
}

/* The same fields spoilt in the interpreter of a sound program. */
static void spoilt_interpreters(void **state)
{
	static struct small_elf program, elf;

	(void)state;
	small_elf_init(&program, "./interp");
	make_file(dir, "file", &program, sizeof(program), 0755);
	for (size_t i = 0; i < ARRAY_LEN(spoilt); i++) {
		small_elf_init(&elf, "./absent");
		memcpy((char *)&elf + spoilt[i].offset, &spoilt[i].value, spoilt[i].width);
		make_file(dir, "interp", &elf, spoilt[i].len ? spoilt[i].len : sizeof(elf), 0755);
		int expected = native();
		int fd = openat(dir, "interp", O_RDONLY | O_CLOEXEC);
		int got = elf_check_interp(fd);
		close(fd);
		if (got != expected)
			fail_msg("%s: the kernel says %d, the reader %d", spoilt[i].what, expected, got);
	}
}

/* Random bytes over the fields, from a fixed seed. */
static void random_damage(void **state)
{
	uint32_t seed = 20240229;
	static struct small_elf elf;

	(void)state;
	small_elf_init(&elf, NULL);
	make_file(dir, "interp", &elf, sizeof(elf), 0755);
	for (unsigned round = 0; round < 400; round++) {
		small_elf_init(&elf, "./interp");
		for (unsigned i = 0; i < 1 + round % 3; i++) {
			seed = seed * 1664525 + 1013904223;
			size_t at = (seed >> 8) % (sizeof(Elf64_Ehdr) + 2 * sizeof(Elf64_Phdr));
			seed = seed * 1664525 + 1013904223;
			((unsigned char *)&elf)[at] = (unsigned char)(seed >> 16);
		}
		compare("random damage", &elf, sizeof(elf));
	}
}

static void first_interp_counts(void **state)
{
	static struct small_elf elf;

	(void)state;
	small_elf_init(&elf, "/first");
	elf.phdr[2] = elf.phdr[1];
	elf.phdr[2].p_offset += 100;
	memcpy(elf.interp + 100, "/other", 7);
	elf.header.e_phnum = 3;
	assert_int_equal(elf_parse((const unsigned char *)&elf, sizeof(elf), &info), 0);
	assert_true(info.has_interp);
	assert_string_equal(info.interp, "/first");
	small_elf_init(&elf, NULL);
	assert_int_equal(elf_parse((const unsigned char *)&elf, sizeof(elf), &info), 0);
	assert_false(info.has_interp);
}

static void failure_leaves_the_result_alone(void **state)
{
	(void)state;
	info = (struct elf_info){.has_interp = true, .interp = "untouched"};
	assert_int_equal(elf_parse((const unsigned char *)"\177ELF", 4, &info), -ENOEXEC);
	assert_true(info.has_interp);
	assert_string_equal(info.interp, "untouched");
}

static void foreign(void **state)
{
	static struct small_elf elf;

	(void)state;
	small_elf_init(&elf, NULL);
	assert_false(elf_is_foreign(&elf, sizeof(elf)));
	elf.header.e_machine = EM_386;
	assert_true(elf_is_foreign(&elf, sizeof(elf)));
	elf.header.e_machine = EM_X86_64;
	elf.header.e_ident[EI_CLASS] = ELFCLASS32;
	assert_true(elf_is_foreign(&elf, 52));
	assert_false(elf_is_foreign(&elf, 51));
	assert_false(elf_is_foreign("#!/bin/sh\n", 10));
}

int main(int argc, char *argv[])
{
	(void)argc;
	native_show(argv);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spoilt_programs),
		cmocka_unit_test(spoilt_interpreters),
		cmocka_unit_test(random_damage),
		cmocka_unit_test(first_interp_counts),
		cmocka_unit_test(failure_leaves_the_result_alone),
		cmocka_unit_test(foreign),
	};
	return cmocka_run_group_tests_name("elf", tests, make_directory, remove_directory);
}
