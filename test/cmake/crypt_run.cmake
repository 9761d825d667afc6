# Encrypted files in a run: from the command line to the view.
scrim_unit(ending SOURCES ${CMAKE_SOURCE_DIR}/src/intercept/ending.c LINK scrim_base)
target_link_options(unit_ending PRIVATE -Wl,--wrap=nanosleep)
scrim_unit(swap SOURCES ${CMAKE_SOURCE_DIR}/src/cli/swap.c LINK scrim_base)
if(TARGET scrim)
  scrim_driver(integration.crypt_keys integration integration/crypt_keys.py)
  scrim_driver(integration.crypt_run integration integration/crypt_run.py ${CMAKE_SOURCE_DIR}/README.md)
  scrim_driver(integration.scratch integration integration/scratch.py)
endif()
