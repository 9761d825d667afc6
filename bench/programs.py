# SPDX-License-Identifier: Apache-2.0
"""Rows of whole programs: what the user waits for."""
import os
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from typing import Callable

from columns import MANY, NATIVE, PROOT, SCRIM, environment

IMPORTS = ("asyncio argparse ast concurrent.futures configparser csv ctypes dataclasses decimal difflib email.message "
           "fractions ftplib gzip html.parser http.client http.server imaplib inspect json logging.handlers lzma mailbox "
           "multiprocessing.pool optparse pdb pickle platform plistlib pydoc shelve smtplib socketserver sqlite3 ssl "
           "statistics tarfile tempfile tomllib tracemalloc turtledemo unittest.mock urllib.request uuid venv wave "
           "xml.dom.minidom xml.etree.ElementTree xml.sax zipapp zipfile zoneinfo").split()


@dataclass
class Program:
    name: str
    argv: list
    where: str
    before: Callable = lambda: None  # not timed, native
    columns: tuple = (NATIVE, SCRIM, PROOT)
    rounds: int = 7
    places: tuple = ("pinned", "free")
    extra: dict = field(default_factory=dict)  # columns of this row only


def run(argv, where, cpus=None):
    """Seconds."""
    began = time.perf_counter()
    result = subprocess.run(argv, cwd=where, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            env=environment(), timeout=3000,
                            preexec_fn=(lambda: os.sched_setaffinity(0, cpus)) if cpus else None)
    took = time.perf_counter() - began
    if result.returncode != 0:
        raise RuntimeError(f"{argv} ended with {result.returncode}\n{result.stderr.decode(errors='replace')[-2000:]}")
    return took


def make_tree(where, files):
    """Files of some hundred bytes, a hundred in a directory; old, so that git need not read them again."""
    old = time.time() - 100_000
    for n in range(files):
        directory = os.path.join(where, f"part-{n // 1000}", f"sub-{n // 100 % 10}")
        if n % 100 == 0:
            os.makedirs(directory)
        path = os.path.join(directory, f"file-{n:05}.txt")
        with open(path, "w", encoding="ascii") as f:
            f.write(f"line of file {n}\n" * (1 + n % 40))
        os.utime(path, (old, old))


def make_repository(where):
    for argv in (["init", "-q"], ["add", "."], ["-c", "user.name=b", "-c", "user.email=b@example.org", "commit", "-qm", "x"],
                 ["status"]):
        run(["git", *argv], where)


def copy_of_source(source, where):
    shutil.copytree(source, where, ignore=shutil.ignore_patterns(".git", "build*", "__pycache__"))
    run(["cmake", "-G", "Ninja", "-S", where, "-B", where + "/out", "-DSCRIM_TESTS=OFF"], where)


def reset(path):
    shutil.rmtree(path, ignore_errors=True)
    os.mkdir(path)


def programs(options):
    """The rows, with their files made."""
    work, quick = options.work, options.quick
    files, execs = (200, 20) if quick else (5000, 300)
    tree, out = os.path.join(work, "tree"), os.path.join(work, "out")
    make_tree(tree, files)
    os.mkdir(out)
    archive = os.path.join(work, "tree.tar")
    run(["tar", "-cf", archive, "tree"], work)
    make_repository(tree)
    shell = f"i=0; while [ $i -lt {execs} ]; do /bin/true; i=$((i+1)); done"
    found = [
        Program("start_true", ["/bin/true"], work, columns=(NATIVE, SCRIM, MANY, PROOT), rounds=30),
        Program("execs_300", ["/bin/sh", "-c", shell], work),
        Program("git_status", ["git", "status", "--porcelain"], tree, columns=(NATIVE, SCRIM, MANY, PROOT)),
        Program("tar_create", ["tar", "-cf", archive + ".new", "tree"], work),
        Program("tar_extract", ["tar", "-xf", archive, "-C", out], work, before=lambda: reset(out)),
        Program("copy", ["cp", "-r", os.path.join(tree, "part-0"), out], work, before=lambda: reset(out)),
        Program("remove", ["rm", "-r", os.path.join(out, "part-0")], work,
                before=lambda: (reset(out), shutil.copytree(tree + "/part-0", out + "/part-0"))),
        Program("find", ["find", tree, "-type", "f", "-newer", archive], work),
        Program("grep_r", ["grep", "-rlE", "line of file [0-9]*7$", tree], work),
        Program("ls_lR", ["ls", "-lR", tree], work),
        Program("python_imports", ["python3", "-c", "import " + ", ".join(IMPORTS)], work),
    ]
    if shutil.which("bwrap"):
        found[0].extra["bwrap"] = ["bwrap", "--dev-bind", "/", "/"]
    if quick:
        for program in found:
            program.rounds = 1
            program.columns = (NATIVE, SCRIM)
        found = [program for program in found if program.name != "python_imports"]
    elif shutil.which("ninja"):
        build = os.path.join(work, "source")
        copy_of_source(options.source, build)
        for place, jobs in (("pinned", "-j1"), ("free", "-j2")):
            found.append(Program("build", ["ninja", "-C", build + "/out", jobs], work, columns=(NATIVE, SCRIM), rounds=3,
                                 before=lambda: run(["ninja", "-C", build + "/out", "-t", "clean"], work),
                                 places=(place,)))
    return found
