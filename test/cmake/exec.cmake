# Execs and sockets: the readers of `#!` and ELF against the kernel, then the operations with a caller of the tests' own.
scrim_unit(elf SOURCES unit/native_exec.c LINK scrim_proc)
scrim_unit(script SOURCES unit/native_exec.c LINK scrim_proc)
