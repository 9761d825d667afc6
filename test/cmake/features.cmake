# Kernel features taken away by a filter around the command: scripts/features-off.sh reruns the tests so.
add_executable(without features/without.c)
target_link_libraries(without PRIVATE scrim_flags scrim_filter)

scrim_unit(memory LINK scrim_base PkgConfig::SECCOMP)

find_package(Threads REQUIRED)
add_executable(features_lend features/lend.c)
target_link_libraries(features_lend PRIVATE scrim_flags Threads::Threads)
if(TARGET scrim)
  foreach(user "" 65534)
    set(name integration.features_lend)
    if(user)
      set(name ${name}.user)
    endif()
    scrim_test(${name} ${CMAKE_CURRENT_SOURCE_DIR}/features/lend.sh $<TARGET_FILE:scrim> $<TARGET_FILE:without>
      $<TARGET_FILE:features_lend> ${user})
    set_tests_properties(${name} PROPERTIES LABELS integration TIMEOUT 300 SKIP_RETURN_CODE 77)
  endforeach()
endif()
if(TARGET scrim)
  scrim_test(integration.features_refused ${CMAKE_CURRENT_SOURCE_DIR}/features/refused.sh $<TARGET_FILE:scrim>
    $<TARGET_FILE:without>)
  set_tests_properties(integration.features_refused PROPERTIES LABELS integration TIMEOUT 120)
endif()
