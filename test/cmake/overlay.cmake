# Listings, masked content, pinned objects and the state of the view.
scrim_unit(listing LINK scrim_vfs SOURCES unit/view_fixture.c unit/fake_caller.c)
scrim_unit(mask LINK scrim_vfs PkgConfig::JANSSON SOURCES unit/view_fixture.c)
scrim_unit(pins LINK scrim_vfs SOURCES unit/view_fixture.c)
scrim_driver(integration.redact integration integration/redact.py)
scrim_driver(integration.learn integration integration/learn.py)
scrim_driver(integration.rand_fd integration integration/rand_fd.py)
scrim_driver(integration.fstype integration integration/fstype.py)
scrim_driver(integration.private integration integration/private.py)
scrim_driver(integration.fileattr integration integration/fileattr.py)
# They have threads.
set_tests_properties(unit.listing unit.mask PROPERTIES LABELS "unit;tsan")
