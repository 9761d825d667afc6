# Run FUZZER for RUNS executions from CORPUS, its findings in WORK. EXPECT=clean: none found, and as many really done.
# EXPECT=bug: one found.
file(REMOVE_RECURSE ${WORK})
file(MAKE_DIRECTORY ${WORK}/new)
execute_process(
  COMMAND ${FUZZER} -runs=${RUNS} -max_len=${MAX_LEN} -seed=1 -timeout=20 -rss_limit_mb=2048 -print_final_stats=1
    -artifact_prefix=${WORK}/ ${WORK}/new ${CORPUS}
  RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(EXPECT STREQUAL "bug")
  if(result EQUAL 0 OR NOT output MATCHES "SUMMARY: (AddressSanitizer|UndefinedBehaviorSanitizer|libFuzzer)")
    message(FATAL_ERROR "the seeded bug was not found:\n${output}")
  endif()
  return()
endif()
if(NOT result EQUAL 0)
  message(FATAL_ERROR "exit status ${result}:\n${output}")
endif()
if(NOT output MATCHES "stat::number_of_executed_units: ([0-9]+)")
  message(FATAL_ERROR "no number of executions:\n${output}")
endif()
if(CMAKE_MATCH_1 LESS RUNS)
  message(FATAL_ERROR "${CMAKE_MATCH_1} executions, not ${RUNS}")
endif()
message(STATUS "${CMAKE_MATCH_1} executions")
