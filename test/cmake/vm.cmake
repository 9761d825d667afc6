# On Debian's own kernels in a virtual machine, with Yama as Ubuntu sets it: scripts/vm-test.sh. Without root it is none.
if(TARGET scrim AND NOT SCRIM_SANITIZE)
  foreach(kernel 6.1 6.12)
    add_test(NAME vm.${kernel} COMMAND ${CMAKE_COMMAND} -E env SCRIM_VM_BUILD=${CMAKE_BINARY_DIR}
      ${CMAKE_SOURCE_DIR}/scripts/vm-test.sh ${kernel})
    set_tests_properties(vm.${kernel} PROPERTIES LABELS vm TIMEOUT 1200 RUN_SERIAL ON)
  endforeach()
  # What runs there by default: all of what Yama decides (who may trace: steering, lending, orphans), what an older kernel has
  # not, and the kernel's keys and ciphers.
  foreach(test integration.features_refused integration.doctor integration.parents integration.parents.user escape.append.user
      unit.memory unit.crypt_vectors unit.crypt_xaes unit.keys_wide unit.keys_kernel)
    get_test_property(${test} LABELS labels)
    set_tests_properties(${test} PROPERTIES LABELS "${labels};kernel")
  endforeach()
endif()
