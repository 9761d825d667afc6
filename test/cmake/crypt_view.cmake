# Encrypted files in a view, as real programs use them (test/crypt): shortened here, whole by scripts/soak.sh.
if(TARGET scrim)
  set(crypt ${CMAKE_CURRENT_SOURCE_DIR}/crypt)
  foreach(program fsx acks)
    add_executable(crypt_${program} ${crypt}/${program}.c)
    target_link_libraries(crypt_${program} PRIVATE scrim_flags)
  endforeach()

  # scrim_crypt(SUBJECT USERS SECONDS ARGUMENT...): the driver SUBJECT.py; USERS: "" as we are, ".user" as an ordinary user.
  function(scrim_crypt subject users seconds)
    foreach(user IN LISTS users)
      set(name crypt.${subject})
      set(option)
      if(user STREQUAL "user")
        set(name crypt.${subject}.user)
        set(option --user)
      endif()
      scrim_test(${name} ${CMAKE_COMMAND} -E env PYTHONDONTWRITEBYTECODE=1
        python3 ${crypt}/${subject}.py ${option} $<TARGET_FILE:scrim> ${ARGN})
      set_tests_properties(${name} PROPERTIES LABELS crypt TIMEOUT ${seconds})
    endforeach()
  endfunction()
  scrim_crypt(vectors "self;user" 600)
  scrim_crypt(fsx "self;user" 600 $<TARGET_FILE:crypt_fsx>)
  scrim_crypt(killed "self;user" 900 $<TARGET_FILE:crypt_acks>)
  scrim_crypt(full "self;user" 600)
  scrim_crypt(limits "self;user" 600)
  scrim_crypt(memory "self;user" 600)
  set(source ${CMAKE_CURRENT_BINARY_DIR}/source.tar)
  add_custom_target(crypt_source ALL
    COMMAND tar -C ${CMAKE_SOURCE_DIR} -cf ${source} CMakeLists.txt cmake completions docs profiles src
    BYPRODUCTS ${source})
  scrim_crypt(programs "self;user" 900 ${source})

  # 200,000 calls, for root and the ordinary user, in scripts/soak.sh.
  foreach(user "" ".user")
    set(option)
    if(user)
      set(option --user)
    endif()
    scrim_test(crypt.differential${user} python3 -B ${CMAKE_CURRENT_SOURCE_DIR}/differential/differential.py --fs ext4
      --rules crypt ${option} --calls 8000 $<TARGET_FILE:scrim> $<TARGET_FILE:differential>)
    set_tests_properties(crypt.differential${user} PROPERTIES LABELS crypt TIMEOUT 900)
  endforeach()
  add_test(NAME crypt.suites_cpython
    COMMAND /usr/bin/python3 -B ${CMAKE_CURRENT_SOURCE_DIR}/suites/suites.py $<TARGET_FILE:scrim> --suite cpython
      --view crypt --user user --only test_mmap --only test_io --only test_fileio)
  set_tests_properties(crypt.suites_cpython PROPERTIES LABELS crypt TIMEOUT 900)
endif()
