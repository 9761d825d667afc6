# Kernel features taken away by a filter around the command: scripts/features-off.sh reruns the tests so.
add_executable(without features/without.c)
target_link_libraries(without PRIVATE scrim_flags)

scrim_unit(memory LINK scrim_base PkgConfig::SECCOMP)
