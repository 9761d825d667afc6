# No copy of a caller's open file description outlives the reply; and the control supervisor that must be seen to fail.
if(TARGET scrim)
  # Its own notify.c stands before the library's; it is never installed.
  file(GLOB control_cli CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/cli/*.c)
  add_executable(scrim_control ${control_cli} ${CMAKE_SOURCE_DIR}/src/intercept/notify.c)
  target_link_libraries(scrim_control PRIVATE scrim_intercept scrim_crypt scrim_vfs scrim_policy scrim_base PkgConfig::JANSSON)
  target_compile_definitions(scrim_control PRIVATE SCRIM_CONTROL_ADDFD_SEND SCRIM_VERSION="${PROJECT_VERSION}-control"
    SCRIM_PROFILE_DIR="" SCRIM_SOURCE_PROFILE_DIR="${CMAKE_SOURCE_DIR}/profiles")

  add_executable(lifetime_of_descriptions integration/lifetime_of_descriptions.c)
  target_link_libraries(lifetime_of_descriptions PRIVATE scrim_flags)
  add_executable(lifetime_tiny integration/lifetime_tiny.c)
  target_compile_options(lifetime_tiny PRIVATE -O1 -fno-stack-protector -fno-pie)
  target_link_options(lifetime_tiny PRIVATE -nostdlib -static $<$<C_COMPILER_ID:GNU>:-no-pie>)
  set_target_properties(lifetime_tiny PROPERTIES POSITION_INDEPENDENT_CODE OFF)

  scrim_driver(integration.lifetime integration integration/lifetime_of_descriptions.py $<TARGET_FILE:scrim_control>
    $<TARGET_FILE:lifetime_of_descriptions> $<TARGET_FILE:lifetime_tiny>)
  # Its neighbours would take the processors it is about.
  set_tests_properties(integration.lifetime integration.lifetime.user PROPERTIES TIMEOUT 3600 RUN_SERIAL ON)
endif()
