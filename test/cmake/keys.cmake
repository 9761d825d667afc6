# Keys: texts, key files, the commands.
scrim_unit(keys_text LINK scrim_crypt)
scrim_unit(keys_file LINK scrim_crypt)
target_compile_definitions(unit_keys_file PRIVATE SCRIM_TEST_DATA="${CMAKE_CURRENT_SOURCE_DIR}/data/keys")
scrim_unit(keys_dir LINK scrim_crypt)
foreach(call openat openat64 fchmod write fsync flock renameat renameat2 linkat unlinkat)
  target_link_options(unit_keys_dir PRIVATE -Wl,--wrap=${call})
endforeach()
