/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Libraries that most runs do not need, loaded by the first call of one of their functions: their relocation costs more
 * than all the rest of a start (libcrypto's alone more than a millisecond). Each function that the program uses of them,
 * as the build has found out (cmake/Lazy.cmake), is a jump here: through the address where that is known already, else
 * to lazy_bind(). The callers are compiled against the libraries' own headers and know nothing of it.
 *
 * x86-64, psABI: a jump leaves all arguments where they are; rax holds the number of vector registers of a variadic call.
 */
#include "lazy/lazy.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#define NAME_MAX_BYTES 64

/* The list: LIBRARY(number, soname) and FUNCTION(number, library, name), numbers counting from 0. */
#define LIBRARY(number, soname) soname,
#define FUNCTION(number, library, name)
static const char *const sonames[] = {
#include "lazy_list.h"
};
#undef LIBRARY
#undef FUNCTION

/* No pointers: nothing of this is to be relocated at the start. */
#define LIBRARY(number, soname)
#define FUNCTION(number, library, name) {library, #name},
static const struct {
	uint8_t library;
	char name[NAME_MAX_BYTES];
} functions[] = {
#include "lazy_list.h"
};
#undef FUNCTION

/* Where each function is; NULL: not looked up yet. */
__attribute__((visibility("hidden"), used)) _Atomic(void *) lazy_address[sizeof(functions) / sizeof(functions[0])];

#define FUNCTION(number, library, name)                                                                                \
	__asm__(".pushsection .text.lazy, \"ax\", @progbits\n"                                                         \
		".globl " #name "\n.hidden " #name "\n.type " #name ", @function\n.balign 16\n" #name ":\n"            \
		"	endbr64\n"                                                                                     \
		"	mov lazy_address + 8 * " #number "(%rip), %r11\n"                                              \
		"	test %r11, %r11\n"                                                                             \
		"	jz 1f\n"                                                                                       \
		"	jmp *%r11\n"                                                                                   \
		"1:	push $" #number "\n"                                                                           \
		"	jmp lazy_first_call\n"                                                                         \
		".size " #name ", . - " #name "\n.popsection\n");
#include "lazy_list.h"
#undef FUNCTION
#undef LIBRARY

/* The function's number is on the stack; what a call may use for its arguments is kept over lazy_bind(). */
__asm__(".pushsection .text.lazy, \"ax\", @progbits\n"
	".type lazy_first_call, @function\n"
	"lazy_first_call:\n"
	"	push %rax\n	push %rdi\n	push %rsi\n	push %rdx\n	push %rcx\n	push %r8\n	push %r9\n"
	"	sub $136, %rsp\n"
	"	movups %xmm0, (%rsp)\n	movups %xmm1, 16(%rsp)\n	movups %xmm2, 32(%rsp)\n	movups %xmm3, 48(%rsp)\n"
	"	movups %xmm4, 64(%rsp)\n	movups %xmm5, 80(%rsp)\n	movups %xmm6, 96(%rsp)\n	movups %xmm7, 112(%rsp)\n"
	"	mov 192(%rsp), %rdi\n"
	"	call lazy_bind\n"
	"	mov %rax, %r11\n"
	"	movups (%rsp), %xmm0\n	movups 16(%rsp), %xmm1\n	movups 32(%rsp), %xmm2\n	movups 48(%rsp), %xmm3\n"
	"	movups 64(%rsp), %xmm4\n	movups 80(%rsp), %xmm5\n	movups 96(%rsp), %xmm6\n	movups 112(%rsp), %xmm7\n"
	"	add $136, %rsp\n"
	"	pop %r9\n	pop %r8\n	pop %rcx\n	pop %rdx\n	pop %rsi\n	pop %rdi\n	pop %rax\n"
	"	add $8, %rsp\n"
	"	jmp *%r11\n"
	".size lazy_first_call, . - lazy_first_call\n.popsection\n");

static atomic_bool sealed;

void lazy_seal(void)
{
	atomic_store(&sealed, true);
}

static _Noreturn void fail(const char *why)
{
	dprintf(STDERR_FILENO, "scrim: %s\n", why ? why : "a library lacks a function");
	_exit(125);
}

/*
 * Looks up all functions of the library that function NUMBER is of. As the dynamic loader ends a program whose libraries
 * are not there, so does this: there is no going on. Any thread.
 */
void *lazy_bind(unsigned number);
__attribute__((visibility("hidden"), used)) void *lazy_bind(unsigned number)
{
	const char *soname = sonames[functions[number].library];

	if (atomic_load(&sealed))
		fail("a library was to be loaded after the start");
	void *library = dlopen(soname, RTLD_NOW | RTLD_LOCAL);
	if (!library)
		fail(dlerror());
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		if (functions[i].library != functions[number].library)
			continue;
		void *address = dlsym(library, functions[i].name);
		if (!address)
			fail(dlerror());
		atomic_store_explicit(&lazy_address[i], address, memory_order_release);
	}
	return atomic_load(&lazy_address[number]);
}
