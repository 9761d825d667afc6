/* SPDX-License-Identifier: Apache-2.0 */
#include "intercept/steer/vdso.h"

#include <elf.h>
#include <stddef.h>
#include <string.h>
#include <sys/auxv.h>

/*
 * Does the code at P, up to END, return at once? Calls' registers may be cleared on the way (kernels built with
 * -fzero-call-used-regs), a frame pointer restored; nothing else may happen.
 */
static bool returns(const unsigned char *p, const unsigned char *end, bool *ret_pops_rbp)
{
	/* xor of a call's register with itself: of 32 bits, and with the prefix for the upper ones. */
	static const unsigned char low[] = {0xc0, 0xc9, 0xd2, 0xf6, 0xff}; /* eax ecx edx esi edi */
	static const unsigned char high[] = {0xc0, 0xc9, 0xd2, 0xdb};	   /* r8 to r11 */

	bool popped = false;

	while (p < end) {
		if (*p == 0xc3) {
			*ret_pops_rbp = popped;
			return true;
		}
		if (*p == 0x5d && !popped && ++p)
			popped = true;
		else if (end - p > 2 && p[0] == 0x31 && memchr(low, p[1], sizeof(low)))
			p += 2;
		else if (end - p > 3 && p[0] == 0x45 && p[1] == 0x31 && memchr(high, p[2], sizeof(high)))
			p += 3;
		else
			return false;
	}
	return false;
}

struct vdso_gadget vdso_find_gadget(void)
{
	const unsigned char *base = (const unsigned char *)getauxval(AT_SYSINFO_EHDR);
	struct vdso_gadget found = {0};
	Elf64_Ehdr ehdr;

	if (!base)
		return found;
	memcpy(&ehdr, base, sizeof(ehdr));
	for (unsigned i = 0; i < ehdr.e_phnum; i++) {
		Elf64_Phdr phdr;
		memcpy(&phdr, base + ehdr.e_phoff + (size_t)i * sizeof(phdr), sizeof(phdr));
		if (phdr.p_type != PT_LOAD || !(phdr.p_flags & PF_X))
			continue;
		const unsigned char *end = base + phdr.p_offset + phdr.p_filesz;
		for (const unsigned char *p = base + phdr.p_offset; p + 2 < end; p++) {
			if (p[0] != 0x0f || p[1] != 0x05)
				continue;
			if (!found.offset)
				found.offset = (uint64_t)(p - base);
			if (returns(p + 2, end, &found.pops_rbp)) {
				found.offset = (uint64_t)(p - base);
				found.returns = true;
				return found;
			}
		}
	}
	return found;
}
