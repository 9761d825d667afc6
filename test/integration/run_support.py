# SPDX-License-Identifier: Apache-2.0
"""What the run_*.py tests share: start scrim, with a deadline, in a throw-away home."""
import os
import subprocess
import sys
import tempfile

from drivers import expect, main  # noqa: F401: for those who import us

SCRIM = os.path.abspath(sys.argv[1])
STUB = os.path.basename(SCRIM) == "scrim_stub"
DEADLINE = 60
HOME = tempfile.TemporaryDirectory(prefix="scrim-run-")


def environment(**changes):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "STUB_"))}
    env.update({"HOME": HOME.name, "LC_ALL": "C", **changes})
    return env


def rules():
    """Rules that concern nothing the tests touch, so that the real scrim has a policy and does not warn."""
    return [] if STUB else ["--hide", "/nonexistent-scrim-test"]


def run(*args, **kwargs):
    """scrim run ARGS...; the finished process with its output as bytes."""
    kwargs.setdefault("stdin", subprocess.DEVNULL)
    kwargs.setdefault("env", environment())
    return subprocess.run([SCRIM, "run", *rules(), *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=DEADLINE, **kwargs)


def start(*args, **kwargs):
    kwargs.setdefault("env", environment())
    return subprocess.Popen([SCRIM, "run", *rules(), *args], **kwargs)
