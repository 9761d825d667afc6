# Execs and sockets: the readers of `#!` and ELF against the kernel, then the operations with a caller of the tests' own.
scrim_unit(elf SOURCES unit/native_exec.c LINK scrim_proc)
scrim_unit(script SOURCES unit/native_exec.c LINK scrim_proc)
scrim_unit(binfmt_misc LINK scrim_proc)
scrim_unit(vfs_exec SOURCES unit/native_exec.c unit/fake_caller.c unit/view_fixture.c
  ${CMAKE_SOURCE_DIR}/src/intercept/handlers_exec.c LINK scrim_vfs)
foreach(subject socket send)
  scrim_unit(vfs_${subject} SOURCES unit/socket_stand.c unit/fake_caller.c unit/view_fixture.c
    ${CMAKE_SOURCE_DIR}/src/intercept/handlers_socket.c LINK scrim_vfs)
endforeach()
# Registered binary formats, in a user namespace of their own, inside against outside.
if(TARGET scrim)
  add_executable(binfmt_space integration/binfmt_space.c)
  add_executable(binfmt_show integration/binfmt_show.c)
  target_link_libraries(binfmt_space PRIVATE scrim_flags)
  target_link_libraries(binfmt_show PRIVATE scrim_flags)
  scrim_test(integration.binfmt ${CMAKE_COMMAND} -E env PYTHONDONTWRITEBYTECODE=1 python3
    ${CMAKE_CURRENT_SOURCE_DIR}/integration/binfmt.py $<TARGET_FILE:scrim> $<TARGET_FILE:binfmt_space>
    $<TARGET_FILE:binfmt_show>)
  set_tests_properties(integration.binfmt PROPERTIES LABELS integration TIMEOUT 300 SKIP_RETURN_CODE 77)
endif()
