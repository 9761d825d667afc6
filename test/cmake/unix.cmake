# AF_UNIX inside against outside, as root and as an ordinary user.
if(TARGET scrim)
  find_package(Threads REQUIRED)
  set(unix_programs)
  foreach(program names sends waits)
    add_executable(unix_${program} integration/unix_${program}.c integration/unix_support.c)
    target_link_libraries(unix_${program} PRIVATE scrim_flags Threads::Threads)
    list(APPEND unix_programs $<TARGET_FILE:unix_${program}>)
  endforeach()
  scrim_driver(integration.unix_calls integration integration/unix_calls.py ${unix_programs})
  # Agents, buses and logs, and their clients.
  scrim_driver(integration.clients integration integration/clients.py)
endif()
