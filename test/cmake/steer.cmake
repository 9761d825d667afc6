# The steering engine with a supervisor of the tests' own, as we are and as an ordinary user.
find_package(Threads REQUIRED)
foreach(subject calls exec)
  if(NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/integration/steer_${subject}.c)
    continue()
  endif()
  add_executable(steer_${subject} integration/steer_${subject}.c integration/steer_harness.c
    integration/steer_vault.c)
  target_include_directories(steer_${subject} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
  target_link_libraries(steer_${subject} PRIVATE scrim_flags scrim_steer PkgConfig::CMOCKA Threads::Threads)
  add_test(NAME steer.${subject} COMMAND steer_${subject})
  add_test(NAME steer.${subject}.user COMMAND steer_${subject} --user)
  set_tests_properties(steer.${subject} steer.${subject}.user PROPERTIES LABELS integration TIMEOUT 120)
endforeach()
