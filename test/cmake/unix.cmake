# AF_UNIX inside against outside, as root and as an ordinary user.
if(TARGET scrim)
  find_package(Threads REQUIRED)
  set(unix_programs)
  foreach(program names sends waits)
    add_executable(unix_${program} integration/unix_${program}.c integration/unix_support.c)
    target_link_libraries(unix_${program} PRIVATE scrim_flags Threads::Threads)
    list(APPEND unix_programs $<TARGET_FILE:unix_${program}>)
  endforeach()
  foreach(user "" ".user")
    set(option)
    if(user)
      set(option --user)
    endif()
    add_test(NAME integration.unix_calls${user}
      COMMAND ${CMAKE_COMMAND} -E env PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=${CMAKE_CURRENT_SOURCE_DIR}/escape
        python3 ${CMAKE_CURRENT_SOURCE_DIR}/integration/unix_calls.py ${option} $<TARGET_FILE:scrim> ${unix_programs})
    set_tests_properties(integration.unix_calls${user} PROPERTIES LABELS integration TIMEOUT 300)
  endforeach()
endif()
# Agents, buses and logs, and their clients.
if(TARGET scrim)
  foreach(user "" ".user")
    set(option)
    if(user)
      set(option --user)
    endif()
    add_test(NAME integration.clients${user}
      COMMAND ${CMAKE_COMMAND} -E env PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=${CMAKE_CURRENT_SOURCE_DIR}/escape
        python3 ${CMAKE_CURRENT_SOURCE_DIR}/integration/clients.py ${option} $<TARGET_FILE:scrim>)
    set_tests_properties(integration.clients${user} PROPERTIES LABELS integration TIMEOUT 300)
  endforeach()
endif()
