# What an exec reads of a file: ELF headers, `#!` lines.
scrim_fuzzer(elf SLOW 2 MAX_LEN 1024 SOURCES proc/elf.c)
scrim_fuzzer(script MAX_LEN 300 SOURCES proc/script.c)
