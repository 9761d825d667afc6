# Execs and sockets: the readers of `#!` and ELF against the kernel, then the operations with a caller of the tests' own.
scrim_unit(elf SOURCES unit/native_exec.c LINK scrim_proc)
scrim_unit(script SOURCES unit/native_exec.c LINK scrim_proc)
scrim_unit(binfmt_misc LINK scrim_proc)
scrim_unit(vfs_exec SOURCES unit/native_exec.c unit/fake_caller.c unit/view_fixture.c
  ${CMAKE_SOURCE_DIR}/src/intercept/handlers_exec.c LINK scrim_vfs)
scrim_unit(vfs_socket SOURCES unit/fake_caller.c unit/view_fixture.c
  ${CMAKE_SOURCE_DIR}/src/intercept/handlers_socket.c LINK scrim_vfs)
