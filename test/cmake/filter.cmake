# The filter: its table against the kernel's headers and docs/PARITY.md, then the calls themselves.

# {number, "name"} of every system call in the build machine's headers.
add_custom_command(OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/filter/kernel_numbers.h
  COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_CURRENT_BINARY_DIR}/filter
  COMMAND sh -c "echo '#include <asm/unistd_64.h>' | \"\$1\" -E -dM - | sed -n 's/^#define __NR_\\([a-z0-9_]*\\) \\([0-9][0-9]*\\)\$/{\\2, \"\\1\"},/p' > \"$2\""
          sh ${CMAKE_C_COMPILER} ${CMAKE_CURRENT_BINARY_DIR}/filter/kernel_numbers.h
  VERBATIM)
scrim_unit(syscalls LINK scrim_filter SOURCES ${CMAKE_CURRENT_BINARY_DIR}/filter/kernel_numbers.h)
target_include_directories(unit_syscalls PRIVATE ${CMAKE_CURRENT_BINARY_DIR}/filter)
target_compile_definitions(unit_syscalls PRIVATE PARITY_FILE="${CMAKE_SOURCE_DIR}/docs/PARITY.md")

# What we assemble against what libseccomp makes of the same table.
scrim_unit(filter_numbers LINK scrim_filter PkgConfig::SECCOMP)

foreach(subject calls requirements)
  add_executable(filter_${subject} integration/filter_${subject}.c)
  target_link_libraries(filter_${subject} PRIVATE scrim_flags scrim_filter PkgConfig::CMOCKA)
  scrim_test(integration.filter_${subject} filter_${subject})
  set_tests_properties(integration.filter_${subject} PROPERTIES LABELS integration TIMEOUT 900)
endforeach()
# filter_calls becomes one itself.
scrim_as_user(integration.filter_requirements integration 300 filter_requirements)
target_link_libraries(filter_requirements PRIVATE PkgConfig::SECCOMP)
target_compile_definitions(filter_requirements PRIVATE SCRIM_PROGRAM="$<TARGET_FILE:scrim>")
add_dependencies(filter_requirements scrim)
target_sources(filter_calls PRIVATE integration/filter_cell.c)
