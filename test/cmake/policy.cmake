# The policy: patterns, rules, the matcher.
scrim_unit(glob LINK scrim_policy)
scrim_unit(policy_parse LINK scrim_policy)
scrim_unit(policy_match LINK scrim_policy)
scrim_unit(policy_move LINK scrim_policy)
scrim_unit(policy_files LINK scrim_policy)
scrim_unit(policy_scale LINK scrim_policy)
scrim_unit(policy_seal LINK scrim_policy)
