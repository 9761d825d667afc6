# The command line, the front process, the launch, the log.
scrim_unit(log LINK scrim_base)
set_tests_properties(unit.log PROPERTIES LABELS "unit;tsan")
scrim_unit(environment SOURCES ${CMAKE_SOURCE_DIR}/src/cli/environment.c LINK scrim_policy)

# The real command line and launch around a stub view, for failures that only a stub can have (stub_view.c says why).
set(cli ${CMAKE_SOURCE_DIR}/src/cli)
set(intercept ${CMAKE_SOURCE_DIR}/src/intercept)
add_executable(scrim_stub integration/stub_view.c
  ${cli}/main.c ${cli}/message.c ${cli}/run.c ${cli}/front.c ${cli}/summary.c ${cli}/environment.c ${cli}/state_log.c ${cli}/arguments.c
  ${intercept}/launch.c ${intercept}/reaper.c ${intercept}/command.c ${intercept}/wards/vault_main.c)
target_link_libraries(scrim_stub PRIVATE scrim_policy scrim_base)
target_compile_definitions(scrim_stub PRIVATE SCRIM_VERSION="${PROJECT_VERSION}")
scrim_test(integration.run_failures ${CMAKE_COMMAND} -E env PYTHONDONTWRITEBYTECODE=1
  python3 ${CMAKE_CURRENT_SOURCE_DIR}/integration/run_contract.py $<TARGET_FILE:scrim_stub>)
set_tests_properties(integration.run_failures PROPERTIES LABELS integration TIMEOUT 300)

# Each is run by python3 with the program to test as its first argument.
foreach(subject contract terminal lifetime)
  scrim_test(integration.run_${subject} ${CMAKE_COMMAND} -E env PYTHONDONTWRITEBYTECODE=1
    python3 ${CMAKE_CURRENT_SOURCE_DIR}/integration/run_${subject}.py $<TARGET_FILE:scrim>)
  scrim_test(integration.run_${subject}_user
    ${CMAKE_CURRENT_SOURCE_DIR}/integration/run_as_user.sh $<TARGET_FILE:scrim> run_${subject}.py)
  # Terminals and lives of processes: one after the other, so that none waits for another's processor.
  set_tests_properties(integration.run_${subject} integration.run_${subject}_user
    PROPERTIES LABELS integration TIMEOUT 300 RUN_SERIAL TRUE)
endforeach()
if(NOT SCRIM_SANITIZE)
  scrim_test(integration.run_completion ${CMAKE_CURRENT_SOURCE_DIR}/integration/run_completion.sh $<TARGET_FILE:scrim>
    ${CMAKE_BINARY_DIR}/completions/scrim.bash)
  set_tests_properties(integration.run_completion PROPERTIES LABELS integration TIMEOUT 60)
  scrim_test(integration.run_completion_shells ${CMAKE_CURRENT_SOURCE_DIR}/integration/run_completion_shells.sh
    $<TARGET_FILE:scrim> ${CMAKE_BINARY_DIR}/completions)
  set_tests_properties(integration.run_completion_shells PROPERTIES LABELS integration TIMEOUT 300)
endif()

find_program(SHELLCHECK shellcheck)
if(SHELLCHECK)
  file(GLOB scripts CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/scripts/*.sh ${CMAKE_SOURCE_DIR}/completions/*.bash
    ${CMAKE_CURRENT_SOURCE_DIR}/integration/run_*.sh)
  add_test(NAME unit.shellcheck COMMAND ${SHELLCHECK} ${scripts})
  set_tests_properties(unit.shellcheck PROPERTIES LABELS unit)
endif()

# The profiles that are shipped, judged by the program that reads them.
if(TARGET scrim)
  foreach(profile credentials agent installer)
    add_test(NAME unit.profile_${profile} COMMAND scrim check -p ${profile})
    set_tests_properties(unit.profile_${profile} PROPERTIES LABELS unit)
  endforeach()
endif()
