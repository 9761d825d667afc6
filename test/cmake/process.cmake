# Signals, /proc/self, sockets, threads, processes, lives and deaths: inside against outside, as root and as a user.
if(TARGET scrim)
  set(process_programs)
  foreach(program signals proc sockets dumpable threads loop)
    add_executable(process_${program} integration/process_${program}.c)
    target_link_libraries(process_${program} PRIVATE scrim_flags)
    list(APPEND process_programs $<TARGET_FILE:process_${program}>)
  endforeach()
  foreach(user "" ".user")
    set(option)
    if(user)
      set(option --user)
    endif()
    foreach(driver calls life)
      add_test(NAME integration.process_${driver}${user}
        COMMAND ${CMAKE_COMMAND} -E env PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=${CMAKE_CURRENT_SOURCE_DIR}/escape
          python3 ${CMAKE_CURRENT_SOURCE_DIR}/integration/process_${driver}.py ${option} $<TARGET_FILE:scrim>
            ${process_programs})
      set_tests_properties(integration.process_${driver}${user} PROPERTIES LABELS integration TIMEOUT 300)
    endforeach()
  endforeach()
endif()
