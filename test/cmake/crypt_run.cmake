# Encrypted files in a run: from the command line to the view.
scrim_unit(swap SOURCES ${CMAKE_SOURCE_DIR}/src/cli/swap.c LINK scrim_base)
