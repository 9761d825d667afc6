# SPDX-License-Identifier: Apache-2.0
"""What drivers of all kinds share: their functions test_* run one after the other, and a line for each."""
import sys
import traceback


def expect(got, wanted, what=""):
    if got != wanted:
        raise AssertionError(f"{what}: got {got!r:.500}, wanted {wanted!r:.500}")


def is_sanitized(program):
    """Was it built with a sanitizer? Under those locking memory does nothing."""
    with open(program, "rb") as file:
        code = file.read()
    return b"__asan_init" in code or b"__tsan_init" in code or b"__msan_init" in code


def run_tests(namespace, chosen=(), arguments=lambda name: (), what="", after=lambda: None):
    """Call every function test_* (or the CHOSEN) with ARGUMENTS(its name), and AFTER behind each. How many failed."""
    failed = 0
    for name, function in list(namespace.items()):
        if not name.startswith("test_") or (chosen and name not in chosen):
            continue
        try:
            function(*arguments(name))
            print("ok", name, what, flush=True)
        except Exception:
            failed += 1
            print("FAILED", name, what, flush=True)
            traceback.print_exc(file=sys.stdout)
        after()
    return failed


def main(namespace, chosen=()):
    """Run them; exit 1 if one failed."""
    sys.exit(1 if run_tests(namespace, chosen) else 0)
