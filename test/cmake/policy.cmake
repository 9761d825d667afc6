# The policy: patterns, rules, the matcher.
scrim_unit(glob LINK scrim_policy)
scrim_unit(policy_parse LINK scrim_policy)
scrim_unit(policy_match LINK scrim_policy)
scrim_unit(policy_move LINK scrim_policy)
scrim_unit(policy_files LINK scrim_policy)
scrim_unit(policy_scale LINK scrim_policy)
scrim_unit(policy_seal LINK scrim_policy)
# The subcommands that only read policies.
set(policy_cli_sources check explain explain_last tree marked_tree json_value places policy_options state_log message)
list(TRANSFORM policy_cli_sources PREPEND ${CMAKE_SOURCE_DIR}/src/cli/)
list(TRANSFORM policy_cli_sources APPEND .c)
scrim_unit(policy_cli SOURCES ${policy_cli_sources} LINK scrim_policy scrim_base PkgConfig::JANSSON)
