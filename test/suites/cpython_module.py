# SPDX-License-Identifier: Apache-2.0
"""Run one module of CPython's own tests; one line of JSON for each start and end of a test.

cpython_module.py MODULE RESULTS [TEST...]

The lines are written as things happen, so that a run that was killed or crashed still tells how far it came. TEST: only
those. What needs the network, a display, or gigabytes of disk is left out, as regrtest leaves it out without -u.
"""
import importlib
import json
import os
import sys
import unittest


# One port of the machine's own, which several runs at a time would share.
LEFT_OUT = {"test.test_socket.ThreadedVSOCKSocketStreamTest.testStream"}


class Result(unittest.TestResult):
    """Writes each verdict; a failing subtest makes its test fail."""

    def __init__(self, out):
        super().__init__()
        self.out = out
        self.worst = None

    def say(self, test, verdict, detail=""):
        name = test.id() if hasattr(test, "id") else str(test)
        # With the pid: a test that forks and forgets to exit would otherwise report twice.
        line = json.dumps({"test": name, "verdict": verdict, "detail": detail[-3000:], "pid": os.getpid()})
        os.write(self.out, line.encode() + b"\n")

    def startTest(self, test):
        super().startTest(test)
        self.worst = None
        self.say(test, "started")

    def stopTest(self, test):
        super().stopTest(test)
        self.say(test, *(self.worst or ("pass",)))

    def note(self, test, verdict, detail):
        # Outside of a test (setUpClass, setUpModule) there is no stopTest.
        if isinstance(test, unittest.TestCase):
            if self.worst is None or self.worst[0] == "skip":
                self.worst = (verdict, detail)
        else:
            self.say(test, verdict, detail)

    def addError(self, test, err):
        super().addError(test, err)
        self.note(test, "fail", self._exc_info_to_string(err, test))

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.note(test, "fail", self._exc_info_to_string(err, test))

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.note(test, "fail", f"{subtest}\n" + self._exc_info_to_string(err, test))

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.note(test, "skip", reason)

    def addExpectedFailure(self, test, err):
        super().addExpectedFailure(test, err)
        self.note(test, "xfail", "")

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self.note(test, "xpass", "")


def only(suite, wanted):
    """SUITE with those tests whose names WANTED holds true, in the same nesting."""
    kept = []
    for part in suite:
        if isinstance(part, unittest.TestSuite):
            kept.append(only(part, wanted))
        elif wanted(part.id()):
            kept.append(part)
    return type(suite)(kept)


def main():
    module, results, *wanted = sys.argv[1:]
    out = os.open(results, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    # Tests look which descriptors are open: a high number is in nobody's way.
    os.dup2(out, 200, inheritable=False)
    os.close(out)
    result = Result(200)
    from test import support
    support.use_resources = ["subprocess", "cpu"]
    support.verbose = 0
    # As `python -m unittest` would have it: tests start themselves anew by their file.
    sys.argv = [f"/{module}"]
    try:
        suite = unittest.defaultTestLoader.loadTestsFromModule(importlib.import_module("test." + module))
    except unittest.SkipTest as why:
        result.say(module, "skip", str(why))
        return 0
    suite = only(suite, lambda name: name in wanted if wanted else name not in LEFT_OUT)
    suite.run(result)
    result.say("the module", "pass")
    return 0


sys.exit(main())
