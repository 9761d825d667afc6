# The same random sequences of path calls natively and inside, as root and as an ordinary user, on ext4 and tmpfs.
if(TARGET scrim)
  set(here ${CMAKE_CURRENT_SOURCE_DIR}/differential)
  add_executable(differential
    ${here}/composite.c ${here}/composite_data.c ${here}/describe.c ${here}/generate.c ${here}/generate_args.c ${here}/generate_names.c
    ${here}/kinds.c ${here}/main.c ${here}/print_c.c ${here}/run.c ${here}/text.c ${here}/tree.c)
  target_link_libraries(differential PRIVATE scrim_flags)
  add_executable(differential_tiny ${here}/tiny.c)
  target_compile_options(differential_tiny PRIVATE -Wall -Wextra -Os -fno-stack-protector -fno-pie -ffreestanding)
  target_link_options(differential_tiny PRIVATE -static -nostdlib -no-pie)
  set(differ python3 -B ${here}/differential.py)
  # 200,000 calls in all. SCRIM_DIFFERENTIAL_CALLS: how many each of the four makes (scripts/soak.sh).
  foreach(fs ext4 tmpfs)
    foreach(user "" ".user")
      set(option)
      if(user)
        set(option --user)
      endif()
      scrim_test(differential.${fs}${user} ${differ} --fs ${fs} ${option} --calls 50000 $<TARGET_FILE:scrim>
        $<TARGET_FILE:differential>)
      set_tests_properties(differential.${fs}${user} PROPERTIES LABELS differential TIMEOUT 900)
    endforeach()
  endforeach()
  scrim_test(differential.lie ${differ} --lie --user $<TARGET_FILE:scrim> $<TARGET_FILE:differential>)
  set_tests_properties(differential.lie PROPERTIES LABELS differential TIMEOUT 300)
endif()
