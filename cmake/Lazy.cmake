# scrim_lazy(TARGET FILES file... LIBRARIES pkg-config-prefix...): TARGET does not need these shared libraries to start;
# what FILES (archives and objects) call of them is bound by the first call (src/lazy/lazy.c). x86-64 ELF. TARGET is linked
# with --as-needed: of libraries all of whose functions are there already the linker takes none.
function(scrim_lazy target)
  cmake_parse_arguments(LAZY "" "" "FILES;LIBRARIES" ${ARGN})
  set(libraries)
  foreach(prefix ${LAZY_LIBRARIES})
    list(GET ${prefix}_LINK_LIBRARIES 0 library)
    list(APPEND libraries ${library})
  endforeach()
  string(REPLACE ";" "," libraries "${libraries}")
  set(folder ${CMAKE_CURRENT_BINARY_DIR}/lazy)
  file(MAKE_DIRECTORY ${folder})
  add_custom_command(OUTPUT ${folder}/lazy_list.h
    COMMAND ${CMAKE_COMMAND} -D NM=${CMAKE_NM} -D OBJDUMP=${CMAKE_OBJDUMP} -D "FILES=$<JOIN:${LAZY_FILES},,>"
            -D "LIBRARIES=${libraries}" -D OUTPUT=${folder}/lazy_list.h -P ${CMAKE_SOURCE_DIR}/cmake/lazy_list.cmake
    DEPENDS ${LAZY_FILES} ${CMAKE_SOURCE_DIR}/cmake/lazy_list.cmake
    COMMENT "Libraries that are loaded when they are called" VERBATIM)
  target_sources(${target} PRIVATE ${CMAKE_SOURCE_DIR}/src/lazy/lazy.c ${folder}/lazy_list.h)
  target_include_directories(${target} PRIVATE ${folder})
  target_link_options(${target} PRIVATE -Wl,--as-needed)
  target_link_libraries(${target} PRIVATE ${CMAKE_DL_LIBS})
endfunction()
