/* SPDX-License-Identifier: Apache-2.0 */
/* A program without any library, that can also stand in for a loader: ends with EXIT_STATUS. */
__attribute__((noreturn)) void _start(void);

void _start(void)
{
	for (;;)
		__asm__ volatile("syscall" : : "a"(231L), "D"((long)EXIT_STATUS) : "rcx", "r11", "memory");
}
