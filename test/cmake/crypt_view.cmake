# Encrypted files in a view, as real programs use them (test/crypt): shortened here, whole by scripts/soak.sh.
if(TARGET scrim)
  set(crypt ${CMAKE_CURRENT_SOURCE_DIR}/crypt)
  foreach(program fsx acks)
    add_executable(crypt_${program} ${crypt}/${program}.c)
    target_link_libraries(crypt_${program} PRIVATE scrim_flags)
  endforeach()
endif()
