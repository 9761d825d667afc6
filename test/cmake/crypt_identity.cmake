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
set(handlers ${CMAKE_SOURCE_DIR}/src/intercept)
scrim_unit(vfs_crypt LINK scrim_vfs SOURCES unit/vnode_help.c unit/fake_caller.c ${handlers}/handlers_open.c
  ${handlers}/handlers_stat.c ${handlers}/handlers_attr.c ${handlers}/handlers_sync.c)
scrim_unit(maps LINK scrim_proc)
