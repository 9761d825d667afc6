# Verdicts, names, attributes: the handlers against the kernel, call by call.
set(vfs_help unit/view_fixture.c unit/fake_caller.c)
scrim_unit(vfs_judge LINK scrim_vfs SOURCES ${vfs_help})
set(handlers ${CMAKE_SOURCE_DIR}/src/intercept)
scrim_unit(vfs_names LINK scrim_vfs SOURCES ${vfs_help} unit/twin.c ${handlers}/handlers_names.c)
scrim_unit(vfs_attr LINK scrim_vfs SOURCES ${vfs_help} unit/twin.c ${handlers}/handlers_attr.c ${handlers}/handlers_xattr.c)
scrim_unit(private LINK scrim_vfs SOURCES ${vfs_help} unit/twin.c ${handlers}/handlers_names.c ${handlers}/handlers_attr.c
  ${handlers}/handlers_stat.c)
set_tests_properties(unit.private PROPERTIES LABELS "unit;tsan")
