# What watchers are told (src/vfs/watch).
if(TARGET scrim)
  scrim_driver(integration.watches integration integration/watches.py)
endif()
