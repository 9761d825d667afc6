/* SPDX-License-Identifier: Apache-2.0 */
#include "intercept/steer/vdso.h"

#include <elf.h>
#include <stddef.h>
#include <string.h>
#include <sys/auxv.h>

uint64_t vdso_find_syscall(void)
{
	const unsigned char *base = (const unsigned char *)getauxval(AT_SYSINFO_EHDR);
	if (!base)
		return 0;
	Elf64_Ehdr ehdr;
	memcpy(&ehdr, base, sizeof(ehdr));
	for (unsigned i = 0; i < ehdr.e_phnum; i++) {
		Elf64_Phdr phdr;
		memcpy(&phdr, base + ehdr.e_phoff + (size_t)i * sizeof(phdr), sizeof(phdr));
		if (phdr.p_type != PT_LOAD || !(phdr.p_flags & PF_X))
			continue;
		for (uint64_t at = phdr.p_offset; at + 1 < phdr.p_offset + phdr.p_filesz; at++)
			if (base[at] == 0x0f && base[at + 1] == 0x05)
				return at;
	}
	return 0;
}
