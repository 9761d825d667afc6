# What can be asserted of speed on any machine: how many system calls a mediated call costs, and memory that stays flat.
# Its programs are built in bench/, whose directory comes after this one, where it is there at all.
if(TARGET scrim AND EXISTS ${CMAKE_SOURCE_DIR}/bench/CMakeLists.txt)
  add_test(NAME integration.call_counts
    COMMAND ${CMAKE_COMMAND} -E env PYTHONDONTWRITEBYTECODE=1
      python3 ${CMAKE_CURRENT_SOURCE_DIR}/integration/call_counts.py $<TARGET_FILE:scrim> $<TARGET_FILE:bench_count>
        $<TARGET_FILE:bench_calls>)
  set_tests_properties(integration.call_counts PROPERTIES LABELS integration TIMEOUT 300)
  add_test(NAME integration.memory_flat
    COMMAND ${CMAKE_COMMAND} -E env PYTHONDONTWRITEBYTECODE=1
      python3 ${CMAKE_CURRENT_SOURCE_DIR}/integration/memory_flat.py $<TARGET_FILE:scrim> $<TARGET_FILE:bench_calls>)
  set_tests_properties(integration.memory_flat PROPERTIES LABELS integration TIMEOUT 900)
  # An ordinary user's view, looked at by root: nobody else may look at a supervisor.
  scrim_test(integration.call_counts.user python3 -B ${CMAKE_CURRENT_SOURCE_DIR}/integration/call_counts.py --user
    $<TARGET_FILE:scrim> $<TARGET_FILE:bench_count> $<TARGET_FILE:bench_calls>)
  scrim_test(integration.memory_flat.user python3 -B ${CMAKE_CURRENT_SOURCE_DIR}/integration/memory_flat.py --user
    $<TARGET_FILE:scrim> $<TARGET_FILE:bench_calls>)
  set_tests_properties(integration.call_counts.user integration.memory_flat.user PROPERTIES LABELS "integration;user"
    TIMEOUT 900)
endif()
