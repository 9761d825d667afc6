# Compiler flags for every target of the project: warnings, sanitizers, hardening.
add_library(scrim_flags INTERFACE)
target_compile_definitions(scrim_flags INTERFACE _GNU_SOURCE _FILE_OFFSET_BITS=64)
target_include_directories(scrim_flags INTERFACE ${CMAKE_SOURCE_DIR}/src)
target_compile_options(scrim_flags INTERFACE
  -Wall -Wextra -Wshadow -Wvla -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith
  -Wformat=2 -Wundef -Wwrite-strings -Wimplicit-fallthrough -Wno-missing-field-initializers
  -fno-strict-aliasing)
if(SCRIM_WERROR)
  target_compile_options(scrim_flags INTERFACE -Werror)
endif()
if(SCRIM_SANITIZE)
  target_compile_options(scrim_flags INTERFACE -fsanitize=${SCRIM_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(scrim_flags INTERFACE -fsanitize=${SCRIM_SANITIZE})
elseif(SCRIM_HARDENING AND NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
  target_compile_options(scrim_flags INTERFACE
    -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection
    -fcf-protection=full -fPIE -ftrivial-auto-var-init=pattern)
  target_link_options(scrim_flags INTERFACE -pie -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,--as-needed)
endif()
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

# scrim_room(NAME FOLDER... [LINK lib...]): a static library of the C files of these folders (not below them).
function(scrim_room name)
  cmake_parse_arguments(ROOM "" "" "FOLDERS;LINK" ${ARGN})
  set(files)
  foreach(folder ${ROOM_FOLDERS})
    file(GLOB found CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${folder}/*.c)
    list(APPEND files ${found})
  endforeach()
  if(NOT files)
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE scrim_flags ${ROOM_LINK})
    return()
  endif()
  add_library(${name} STATIC ${files})
  target_link_libraries(${name} PUBLIC scrim_flags ${ROOM_LINK})
endfunction()
