# Encrypted files in a run: from the command line to the view.
scrim_unit(swap SOURCES ${CMAKE_SOURCE_DIR}/src/cli/swap.c LINK scrim_base)
if(TARGET scrim)
  scrim_driver(integration.crypt_keys integration integration/crypt_keys.py)
endif()
