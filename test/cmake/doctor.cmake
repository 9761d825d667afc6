# scrim doctor: what this machine has, and what a filter around it takes away.
if(TARGET scrim)
  scrim_test(integration.doctor ${CMAKE_COMMAND} -E env PYTHONDONTWRITEBYTECODE=1
    python3 ${CMAKE_CURRENT_SOURCE_DIR}/integration/doctor.py $<TARGET_FILE:scrim> $<TARGET_FILE:without>)
  set_tests_properties(integration.doctor PROPERTIES LABELS integration TIMEOUT 300)
endif()
