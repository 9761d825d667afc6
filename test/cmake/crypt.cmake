# The encrypted file: crash simulation.
add_executable(store_sim crash/store_sim.c crash/disk.c)
target_link_libraries(store_sim PRIVATE scrim_flags scrim_crypt)
target_include_directories(store_sim PRIVATE crash)
add_test(NAME crash.store COMMAND store_sim 1 2000)
set_tests_properties(crash.store PROPERTIES LABELS crash TIMEOUT 600)

# The simulation is worth what it finds: with any rule of docs/FORMAT.md taken out it must see a promise broken.
file(GLOB store_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/crypt/*.c ${CMAKE_SOURCE_DIR}/src/crypt/store/*.c)
foreach(rule 1 2 21 3 4 5 6 61 7 8 81)
  add_executable(store_sim_without_${rule} EXCLUDE_FROM_ALL crash/store_sim.c crash/disk.c ${store_sources})
  target_compile_definitions(store_sim_without_${rule} PRIVATE SCRIM_WITHOUT_RULE=${rule})
  target_include_directories(store_sim_without_${rule} PRIVATE crash)
  target_link_libraries(store_sim_without_${rule} PRIVATE scrim_flags scrim_base PkgConfig::CRYPTO PkgConfig::SODIUM)
endforeach()
