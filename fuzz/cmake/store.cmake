# Encrypted files: what somebody with the key can put on the disk, and operations on it.
file(GLOB store_sources RELATIVE ${CMAKE_SOURCE_DIR}/src CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/crypt/*.c
  ${CMAKE_SOURCE_DIR}/src/crypt/store/*.c)
list(APPEND store_sources ../test/crash/disk.c)
scrim_fuzzer(store SLOW 25 MAX_LEN 400 SOURCES ${store_sources} LINK PkgConfig::CRYPTO PkgConfig::SODIUM)
scrim_fuzzer_control(store SOURCES ${store_sources} LINK PkgConfig::CRYPTO PkgConfig::SODIUM)
foreach(target fuzz_store fuzz_store_seeded)
  target_include_directories(${target} PRIVATE ${CMAKE_SOURCE_DIR}/test/crash)
endforeach()
