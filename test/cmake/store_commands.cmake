# The commands on encrypted files, as we are and as an ordinary user.
foreach(subject convert fresh)
  foreach(user "" .user)
    set(option)
    if(user)
      set(option --user)
    endif()
    scrim_test(integration.store_${subject}${user} ${CMAKE_COMMAND} -E env PYTHONDONTWRITEBYTECODE=1
      python3 ${CMAKE_CURRENT_SOURCE_DIR}/integration/store_${subject}.py ${option} $<TARGET_FILE:scrim>)
    set_tests_properties(integration.store_${subject}${user} PROPERTIES LABELS integration TIMEOUT 300)
  endforeach()
endforeach()
