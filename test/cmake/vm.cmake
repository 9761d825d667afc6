# On Debian's own kernel in a virtual machine, with Yama as Ubuntu sets it: scripts/vm-test.sh. Without root it is none.
if(TARGET scrim AND NOT SCRIM_SANITIZE)
  add_test(NAME vm.yama COMMAND ${CMAKE_COMMAND} -E env SCRIM_VM_BUILD=${CMAKE_BINARY_DIR}
    ${CMAKE_SOURCE_DIR}/scripts/vm-test.sh)
  set_tests_properties(vm.yama PROPERTIES LABELS vm TIMEOUT 1200 RUN_SERIAL ON)
endif()
