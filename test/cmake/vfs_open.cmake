# Opening, looking, walking: the handlers against the kernel on one tree, and every verdict by every way to look or open.
set(duel_help unit/view_fixture.c unit/fake_caller.c unit/duel.c)
set(duel_handlers ${CMAKE_SOURCE_DIR}/src/intercept)
scrim_unit(vfs_open LINK scrim_vfs SOURCES ${duel_help} ${duel_handlers}/handlers_open.c)
scrim_unit(vfs_stat LINK scrim_vfs SOURCES ${duel_help} ${duel_handlers}/handlers_stat.c)
scrim_unit(vfs_walk LINK scrim_vfs SOURCES ${duel_help} ${duel_handlers}/handlers_open.c ${duel_handlers}/handlers_stat.c)
scrim_unit(known LINK scrim_vfs SOURCES ${duel_help} ${duel_handlers}/handlers_open.c ${duel_handlers}/handlers_stat.c
  ${duel_handlers}/handlers_names.c)
if(TARGET scrim)
  scrim_driver(integration.fifo_in_place integration integration/fifo_in_place.py)
endif()
