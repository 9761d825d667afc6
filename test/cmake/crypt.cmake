# The encrypted file: crash simulation.
add_executable(store_sim crash/store_sim.c crash/disk.c crash/quick_aead.c)
target_link_libraries(store_sim PRIVATE scrim_flags scrim_crypt)
target_include_directories(store_sim PRIVATE crash)
# More than 200,000 moments at which the process or the power is gone; scripts/soak.sh makes millions.
add_test(NAME crash.store COMMAND store_sim 1 7500)
add_test(NAME crash.store_more COMMAND store_sim 100001 7500)
set_tests_properties(crash.store crash.store_more PROPERTIES LABELS crash TIMEOUT 600)

# The simulation is worth what it finds: with any rule of docs/FORMAT.md taken out it must see a promise broken.
if(NOT SCRIM_SANITIZE)
  file(GLOB store_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/crypt/*.c ${CMAKE_SOURCE_DIR}/src/crypt/store/*.c)
  foreach(rule 1 2 21 3 4 5 6 61 7 8 81 9)
    add_executable(store_sim_without_${rule} crash/store_sim.c crash/disk.c crash/quick_aead.c ${store_sources})
    target_compile_definitions(store_sim_without_${rule} PRIVATE SCRIM_WITHOUT_RULE=${rule})
    target_include_directories(store_sim_without_${rule} PRIVATE crash)
    target_link_libraries(store_sim_without_${rule} PRIVATE scrim_flags scrim_base PkgConfig::CRYPTO PkgConfig::SODIUM)
    add_test(NAME crash.store_without_rule_${rule} COMMAND store_sim_without_${rule} --expect-failure 1 20000)
    set_tests_properties(crash.store_without_rule_${rule} PROPERTIES LABELS crash TIMEOUT 600)
  endforeach()
endif()

scrim_unit(crypt_xaes LINK scrim_crypt)
foreach(name store_model store_integrity)
  scrim_unit(${name} SOURCES ${CMAKE_SOURCE_DIR}/test/crash/disk.c LINK scrim_crypt)
  target_include_directories(unit_${name} PRIVATE crash)
endforeach()
scrim_unit(store_lock LINK scrim_crypt)
