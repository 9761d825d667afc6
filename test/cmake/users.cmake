# Callers with other credentials than the supervisor's: inside against outside, and what they may not do.
if(TARGET scrim)
  foreach(program walk race)
    add_executable(users_${program} integration/users_${program}.c)
    target_link_libraries(users_${program} PRIVATE scrim_flags Threads::Threads)
    list(APPEND users_programs $<TARGET_FILE:users_${program}>)
  endforeach()
  foreach(user "" ".user")
    set(option)
    if(user)
      set(option --user)
    endif()
    scrim_test(integration.users${user}
      ${CMAKE_COMMAND} -E env PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=${CMAKE_CURRENT_SOURCE_DIR}/escape
        python3 ${CMAKE_CURRENT_SOURCE_DIR}/integration/users.py ${option} $<TARGET_FILE:scrim> ${users_programs})
    set_tests_properties(integration.users${user} PROPERTIES LABELS integration TIMEOUT 300)
  endforeach()
endif()
scrim_unit(threads LINK scrim_intercept)
