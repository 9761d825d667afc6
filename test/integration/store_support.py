# SPDX-License-Identifier: Apache-2.0
"""What the store_*.py drivers share: where they work and as whom, how a command is run, how they fail.

Usage of a driver: DRIVER.py [--user] SCRIM [ARGUMENT...]    (--user: when we are root, become an ordinary user first)
Every function test_*(place) is run on a disk (TMPDIR) and on a tmpfs (/dev/shm).
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile

import drivers
from drivers import expect  # noqa: F401: for those who import us

ORDINARY = 54321  # no such user, no such group
LIMIT = 120


class Place:
    """A directory of our own, with a key in it."""

    def __init__(self, kind, path, scrim, libraries):
        self.kind = kind
        self.path = path
        self.scrim = scrim
        self.libraries = libraries
        self.key = self.file(".key", os.urandom(32), 0o600)
        self.other = self.file(".other", os.urandom(32), 0o600)

    def name(self, name):
        return os.path.join(self.path, name)

    def file(self, name, content=b"", mode=0o644):
        path = self.name(name)
        with open(path, "wb") as file:
            file.write(content)
        os.chmod(path, mode)
        return path

    def run(self, command, *args, key=None, status=0, text=None, **kwargs):
        """scrim COMMAND --key-file KEY ARGS; its output as bytes. TEXT stands on standard error."""
        kwargs.setdefault("stdin", subprocess.DEVNULL)
        keys = [] if key is False else ["--key-file", key or self.key]
        done = subprocess.run([self.scrim, command, *keys, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=LIMIT, **kwargs)
        error = done.stderr.decode(errors="replace")
        if (status is not None and done.returncode != status) or (text is not None and text not in error):
            raise AssertionError(f"scrim {command} {args}: status {done.returncode}, wanted {status}; wanted on standard"
                                 f" error: {text!r}\n{error}{done.stdout[:1000]!r}")
        self.error = error
        return done.stdout

    def json(self, command, *args, **kwargs):
        return [json.loads(line) for line in self.run(command, "--json", *args, **kwargs).decode().splitlines()]

    def leftovers(self):
        return [name for _, _, names in os.walk(self.path) for name in names if name.startswith(".scrim-")]

    def content(self, name, key=None):
        """What the encrypted file holds."""
        return self.run("cat", self.name(name), key=key)


def is_encrypted(path):
    with open(path, "rb") as file:
        return file.read(8) == b"\x89scrim\r\n"


def run_everywhere(namespace, only, tools, roots):
    failed = 0
    for kind, root in roots.items():
        def place(name):
            os.mkdir(os.path.join(root, name))
            return (Place(kind, os.path.join(root, name), tools[0], tools[1:]),)

        def clean():
            for name in os.listdir(root):
                if name.startswith("test_"):
                    shutil.rmtree(os.path.join(root, name), ignore_errors=True)
        chosen = [name for name in namespace if only and only in name]
        failed += drivers.run_tests(namespace, chosen, place, kind, clean)
    return failed


def main(namespace, kinds=("disk", "shm")):
    argv = sys.argv[1:]
    user = "--user" in argv
    argv = [a for a in argv if a != "--user"]
    only = None
    if "--only" in argv:
        at = argv.index("--only")
        only = argv[at + 1]
        del argv[at:at + 2]
    os.umask(0o022)
    roots = {"disk": tempfile.mkdtemp(prefix="scrim-files-"), "shm": tempfile.mkdtemp(prefix="scrim-files-", dir="/dev/shm")}
    home = os.path.join(roots["disk"], "home")
    os.mkdir(home)
    # Copies, since an ordinary user may not reach the place where they were built.
    tools = [shutil.copy(program, roots["disk"]) for program in argv]
    for path in [*roots.values(), home]:
        os.chmod(path, 0o755)
        if user and os.geteuid() == 0:
            os.chown(path, ORDINARY, ORDINARY)
    child = os.fork()
    if child == 0:
        if user and os.geteuid() == 0:
            os.setgroups([])
            os.setresgid(ORDINARY, ORDINARY, ORDINARY)
            os.setresuid(ORDINARY, ORDINARY, ORDINARY)
        for name in list(os.environ):
            if name.startswith("XDG_") or name in ("CREDENTIALS_DIRECTORY", "NO_COLOR", "TERM"):
                del os.environ[name]
        os.environ.update(HOME=home, LC_ALL="C.UTF-8")
        status = 1
        try:
            status = 1 if run_everywhere(namespace, only, tools, {kind: roots[kind] for kind in kinds}) else 0
        finally:
            sys.stdout.flush()
            os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    for path in roots.values():  # whoever made them removes them
        shutil.rmtree(path, ignore_errors=True)
    sys.exit(status)
