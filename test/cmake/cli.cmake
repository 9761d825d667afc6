# The command line, the front process, the launch, the log.
scrim_unit(log LINK scrim_base)
scrim_unit(environment SOURCES ${CMAKE_SOURCE_DIR}/src/cli/environment.c LINK scrim_base)

# The real command line and launch around a stub view (integration/stub_view.c says why).
set(cli ${CMAKE_SOURCE_DIR}/src/cli)
set(intercept ${CMAKE_SOURCE_DIR}/src/intercept)
add_executable(scrim_stub integration/stub_view.c
  ${cli}/main.c ${cli}/message.c ${cli}/run.c ${cli}/front.c ${cli}/summary.c ${cli}/environment.c ${cli}/state_log.c
  ${intercept}/launch.c ${intercept}/reaper.c ${intercept}/command.c)
target_link_libraries(scrim_stub PRIVATE scrim_base)
target_compile_definitions(scrim_stub PRIVATE SCRIM_VERSION="${PROJECT_VERSION}")

# Each is run by python3 with the program to test as its first argument.
foreach(subject contract terminal lifetime)
  add_test(NAME integration.run_${subject}.stub
    COMMAND ${CMAKE_COMMAND} -E env PYTHONDONTWRITEBYTECODE=1
      python3 ${CMAKE_CURRENT_SOURCE_DIR}/integration/run_${subject}.py $<TARGET_FILE:scrim_stub>)
  set_tests_properties(integration.run_${subject}.stub PROPERTIES LABELS integration TIMEOUT 120)
endforeach()
