# Attacks on the view: each works natively and fails inside. As we are and as an ordinary user.
set(escape ${CMAKE_CURRENT_SOURCE_DIR}/escape)

function(scrim_escape_program name)
  add_executable(escape_${name} ${escape}/${name}.c ${escape}/escape.c)
  target_link_libraries(escape_${name} PRIVATE scrim_flags Threads::Threads)
endfunction()

# scrim_escape(SUBJECT PROGRAM...): the driver escape_SUBJECT.py with scrim and these programs.
function(scrim_escape subject)
  set(files)
  foreach(program ${ARGN})
    list(APPEND files $<TARGET_FILE:escape_${program}>)
  endforeach()
  scrim_driver(escape.${subject} escape escape/escape_${subject}.py ${files})
endfunction()

scrim_escape_program(oracle)
scrim_escape(hide oracle)
scrim_escape_program(append)
scrim_escape(append append)
scrim_escape(crypt_append append)
scrim_escape_program(mask)
scrim_escape(mask mask)
scrim_escape(moves)
scrim_escape_program(races)
target_sources(escape_races PRIVATE ${escape}/races_words.c ${escape}/races_exec.c ${escape}/races_sockets.c
  ${escape}/races_descriptors.c ${escape}/races_places.c)
# Programs that are nothing but their exit status, and run as somebody's loader too.
foreach(status 3 7)
  add_executable(races_exit${status} ${escape}/races_exit.c)
  target_compile_definitions(races_exit${status} PRIVATE EXIT_STATUS=${status})
  target_compile_options(races_exit${status} PRIVATE -ffreestanding -fno-stack-protector -fPIE)
  target_link_options(races_exit${status} PRIVATE -nostdlib -static-pie)
endforeach()
scrim_driver(escape.races escape escape/escape_races.py
  $<TARGET_FILE:escape_races> $<TARGET_FILE:races_exit3> $<TARGET_FILE:races_exit7>)
# A race that is to be run needs a processor for each side.
set_tests_properties(escape.races escape.races.user PROPERTIES RUN_SERIAL TRUE TIMEOUT 5400)
scrim_escape(verdicts)
add_executable(escape_abi ${escape}/abi.c ${escape}/abi_table.c ${escape}/escape.c)
target_link_libraries(escape_abi PRIVATE scrim_flags)
scrim_escape(abi abi)
add_executable(escape_fuzz_calls ${escape}/fuzz_calls.c ${escape}/fuzz_arguments.c ${escape}/fuzz_table.c ${escape}/escape.c)
target_link_libraries(escape_fuzz_calls PRIVATE scrim_flags)
scrim_escape(fuzz_calls fuzz_calls)
scrim_test(escape.procfs ${CMAKE_COMMAND} -E env PYTHONDONTWRITEBYTECODE=1
  python3 ${escape}/escape_procfs.py $<TARGET_FILE:scrim>)
set_tests_properties(escape.procfs PROPERTIES LABELS escape TIMEOUT 120)
scrim_escape_program(order)
scrim_escape(order order)
scrim_escape(tells)
scrim_escape(descriptors)
scrim_escape(refused)
