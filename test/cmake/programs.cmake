# Real programs inside a view against native output, as root and as an ordinary user.
if(TARGET scrim)
  foreach(scenario git build sqlite tar copy find perl python make go node pipe limits)
    foreach(user root user)
      scrim_test(integration.program_${scenario}.${user}
        ${CMAKE_COMMAND} -E env PYTHONDONTWRITEBYTECODE=1 python3
          ${CMAKE_CURRENT_SOURCE_DIR}/integration/programs.py $<TARGET_FILE:scrim> ${scenario} ${user} /var/tmp
          ${CMAKE_SOURCE_DIR})
      set_tests_properties(integration.program_${scenario}.${user} PROPERTIES LABELS integration TIMEOUT 900)
    endforeach()
  endforeach()
  # The quick ones again on tmpfs.
  foreach(scenario tar copy find perl python limits)
    scrim_test(integration.program_${scenario}.tmpfs
      ${CMAKE_COMMAND} -E env PYTHONDONTWRITEBYTECODE=1 python3
        ${CMAKE_CURRENT_SOURCE_DIR}/integration/programs.py $<TARGET_FILE:scrim> ${scenario} user /dev/shm)
    set_tests_properties(integration.program_${scenario}.tmpfs PROPERTIES LABELS integration TIMEOUT 600)
  endforeach()
endif()
