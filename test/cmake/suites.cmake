# A part of CPython's own tests inside views against native verdicts, as an ordinary user and, run by root, as root too.
# scripts/suites.sh runs all of all suites.
if(TARGET scrim)
  add_test(NAME integration.suites_cpython
    COMMAND /usr/bin/python3 -B ${CMAKE_CURRENT_SOURCE_DIR}/suites/suites.py $<TARGET_FILE:scrim> --suite cpython
      --extent quick)
  set_tests_properties(integration.suites_cpython PROPERTIES LABELS integration TIMEOUT 1500 PROCESSORS 2)
endif()
