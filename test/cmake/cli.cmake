# The command line, the front process, the launch, the log.
scrim_unit(log LINK scrim_base)
set_tests_properties(unit.log PROPERTIES LABELS "unit;tsan")
scrim_unit(environment SOURCES ${CMAKE_SOURCE_DIR}/src/cli/environment.c LINK scrim_policy)

# The real command line and launch around a stub view (integration/stub_view.c says why).
set(cli ${CMAKE_SOURCE_DIR}/src/cli)
set(intercept ${CMAKE_SOURCE_DIR}/src/intercept)
add_executable(scrim_stub integration/stub_view.c
  ${cli}/main.c ${cli}/message.c ${cli}/run.c ${cli}/front.c ${cli}/summary.c ${cli}/environment.c ${cli}/state_log.c
  ${intercept}/launch.c ${intercept}/reaper.c ${intercept}/command.c)
target_link_libraries(scrim_stub PRIVATE scrim_policy scrim_base)
target_compile_definitions(scrim_stub PRIVATE SCRIM_VERSION="${PROJECT_VERSION}")

# Each is run by python3 with the program to test as its first argument; on the stub, and on the real one.
function(scrim_run_tests suffix target)
  foreach(subject contract terminal lifetime)
    scrim_test(integration.run_${subject}${suffix}
      ${CMAKE_COMMAND} -E env PYTHONDONTWRITEBYTECODE=1
        python3 ${CMAKE_CURRENT_SOURCE_DIR}/integration/run_${subject}.py $<TARGET_FILE:${target}>)
    set_tests_properties(integration.run_${subject}${suffix} PROPERTIES LABELS integration TIMEOUT 300)
    scrim_test(integration.run_${subject}_user${suffix}
      ${CMAKE_CURRENT_SOURCE_DIR}/integration/run_as_user.sh $<TARGET_FILE:${target}> run_${subject}.py)
    set_tests_properties(integration.run_${subject}_user${suffix} PROPERTIES LABELS integration TIMEOUT 300)
    # Terminals and lives of processes: one after the other, so that none waits for another's processor.
    set_tests_properties(integration.run_${subject}${suffix} integration.run_${subject}_user${suffix}
      PROPERTIES RESOURCE_LOCK run)
  endforeach()
  scrim_test(integration.run_completion${suffix}
    ${CMAKE_CURRENT_SOURCE_DIR}/integration/run_completion.sh $<TARGET_FILE:${target}>
      ${CMAKE_SOURCE_DIR}/completions/scrim.bash)
  set_tests_properties(integration.run_completion${suffix} PROPERTIES LABELS integration TIMEOUT 60)
endfunction()
scrim_run_tests(.stub scrim_stub)
if(TARGET scrim AND EXISTS ${intercept}/supervisor.c)
  scrim_run_tests("" scrim)
endif()

find_program(SHELLCHECK shellcheck)
if(SHELLCHECK)
  file(GLOB scripts CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/scripts/*.sh ${CMAKE_SOURCE_DIR}/completions/*.bash
    ${CMAKE_CURRENT_SOURCE_DIR}/integration/run_*.sh)
  add_test(NAME unit.shellcheck COMMAND ${SHELLCHECK} ${scripts})
  set_tests_properties(unit.shellcheck PROPERTIES LABELS unit)
endif()

# The profiles that are shipped, judged by the program that reads them.
if(TARGET scrim AND EXISTS ${intercept}/supervisor.c)
  foreach(profile credentials agent installer)
    add_test(NAME unit.profile_${profile} COMMAND scrim check -p ${profile})
    set_tests_properties(unit.profile_${profile} PROPERTIES LABELS unit)
  endforeach()
endif()
