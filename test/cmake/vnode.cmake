# Encrypted files in a view: src/vfs/vnode without a caller.
foreach(name vnode_basic vnode_errors vnode_threads)
  scrim_unit(${name} SOURCES unit/vnode_help.c LINK scrim_vfs)
  set_tests_properties(unit.${name} PROPERTIES LABELS "unit;tsan")
endforeach()
