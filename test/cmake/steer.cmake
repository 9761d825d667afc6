# The steering engine with a supervisor of the tests' own, as we are and as an ordinary user.
find_package(Threads REQUIRED)
add_executable(steer_bare integration/steer_bare.c)
target_compile_options(steer_bare PRIVATE -O1 -fno-stack-protector -fno-pie)
target_link_options(steer_bare PRIVATE -nostdlib -static $<$<C_COMPILER_ID:GNU>:-no-pie>)
set_target_properties(steer_bare PROPERTIES POSITION_INDEPENDENT_CODE OFF)
foreach(subject calls exec)
  if(NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/integration/steer_${subject}.c)
    continue()
  endif()
  add_executable(steer_${subject} integration/steer_${subject}.c integration/steer_harness.c
    integration/steer_vault.c)
  target_include_directories(steer_${subject} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
  target_link_libraries(steer_${subject} PRIVATE scrim_flags scrim_steer PkgConfig::CMOCKA Threads::Threads)
  add_dependencies(steer_${subject} steer_bare)
  scrim_test(steer.${subject} steer_${subject})
  scrim_test(steer.${subject}.user steer_${subject} --user)
  # Storms of signals and waits for stops: a neighbour takes the time they count on.
  set_tests_properties(steer.${subject} steer.${subject}.user PROPERTIES LABELS "integration;steer;tsan" TIMEOUT 300
    RUN_SERIAL ON)
endforeach()
