# What every handler makes of the arguments and the memory of a caller. The calls of guard.c stand before libc's.
set(decoder_sources ../fuzz/guest.c ../fuzz/guard.c intercept/dispatch.c intercept/dumpable.c)
foreach(folder proc vfs vfs/overlay vfs/policy vfs/vnode vfs/watch crypt crypt/store crypt/keys crypt/files)
  file(GLOB found RELATIVE ${CMAKE_SOURCE_DIR}/src CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${folder}/*.c)
  list(APPEND decoder_sources ${found})
endforeach()
file(GLOB found RELATIVE ${CMAKE_SOURCE_DIR}/src CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/intercept/handlers_*.c)
list(APPEND decoder_sources ${found} intercept/filter/table.c)
set(guarded)
foreach(call mkdirat symlinkat linkat unlinkat chmod fchownat truncate truncate64 setxattr removexattr utimensat bind
    sendto openat openat64 open open64 syscall)
  list(APPEND guarded -Wl,--wrap=${call})
endforeach()
scrim_fuzzer(decoders PUBLIC SLOW 4 MAX_LEN 4400 SOURCES ${decoder_sources}
  LINK PkgConfig::JANSSON PkgConfig::PCRE2 PkgConfig::CRYPTO PkgConfig::SODIUM ${guarded} DEFINE SCRIM_VERSION="fuzz")
scrim_fuzzer_control(decoders PUBLIC SOURCES ${decoder_sources}
  LINK PkgConfig::JANSSON PkgConfig::PCRE2 PkgConfig::CRYPTO PkgConfig::SODIUM ${guarded} DEFINE SCRIM_VERSION="fuzz")
