# Encrypted files are to a program inside what plain ones are outside; with other rules, at the edges of their trees.
scrim_driver(crypt.identity integration crypt/identity.py)
foreach(user "" ".user")
  set(option)
  if(user)
    set(option --user)
  endif()
  scrim_test(crypt.combine${user} ${CMAKE_COMMAND} -E env PYTHONDONTWRITEBYTECODE=1
    python3 ${CMAKE_CURRENT_SOURCE_DIR}/crypt/combine.py ${option} $<TARGET_FILE:scrim>)
  set_tests_properties(crypt.combine${user} PROPERTIES LABELS integration TIMEOUT 300)
endforeach()
scrim_unit(maps LINK scrim_proc)
