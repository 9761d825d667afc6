# Key files, recovery keys.
file(GLOB key_sources RELATIVE ${CMAKE_SOURCE_DIR}/src CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/crypt/*.c
  ${CMAKE_SOURCE_DIR}/src/crypt/keys/*.c)
scrim_fuzzer(key_file SLOW 4 MAX_LEN 1600 SOURCES ${key_sources} LINK PkgConfig::CRYPTO PkgConfig::SODIUM)
scrim_fuzzer_control(key_file SOURCES ${key_sources} LINK PkgConfig::CRYPTO PkgConfig::SODIUM)
