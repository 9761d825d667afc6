# SPDX-License-Identifier: Apache-2.0
"""Registered binary formats inside a view against the same outside, as root and as an ordinary user.

binfmt.py SCRIM SPACE SHOW    (the programs binfmt_space and binfmt_show)

All happens in a user namespace of its own: the machine's registered formats are not touched.
"""

import json
import os
import py_compile
import shutil
import stat
import subprocess
import sys
import tempfile

SCRIM, SPACE, SHOW = (os.path.abspath(path) for path in sys.argv[1:4])
CALLS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "binfmt_calls.py")
ORDINARY = 54321
CANNOT = 77

base = tempfile.mkdtemp(prefix="scrim-binfmt-")
work = os.path.join(base, "work")


def write(name, text, mode=0o755):
    path = os.path.join(work, name)
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, mode)


def populate(inside):
    shutil.rmtree(work, ignore_errors=True)
    os.mkdir(work)
    os.mkdir(work + "/sub")
    shutil.copy(SHOW, work + "/show")
    shutil.copy(SHOW, work + "/elf.scrimx")
    for name in ("plain.scrimx", "keeps.scrimp", "open.scrimo", "creds.scrimc", "all.scrimpo", "fixed.scrimf", "by-script.scrims",
                 "keeps-by-script.scrimsp", "opens-by-script.scrimso", "chain.scrimk", "absent.scrima", "relative.scrimr",
                 "dir.scrimd", "plainfile.scrimm", "hidden.scrimh", "denied.scrimn", "loop.scriml", "off.scrimoff",
                 "twice.scrimtwice", "two.dots.scrimx", "nothing.none", "dot.", "late.scrimlate", "long-" + "n" * 200 + ".scrimx"):
        write(name, f"text of {name[:30]}\n")
    write("not-executable.scrimx", "text\n", 0o644)
    write("magic", "SCRM the rest\n")
    write("masked", "SCxyzM the rest\n")
    write("shifted", "..SHIFTED\n")
    write("scripted.scrimx", f"#!{work}/show by script\n")
    write("by-show", f"#!{work}/show an argument\n")
    write("script-of-misc", f"#!{work}/magic with this\n")
    write("script-of-open", f"#!{work}/open.scrimo\n")
    write("script-of-keeping", f"#!{work}/keeps.scrimp with this\n")
    write("plain-file", "no program\n", 0o644)
    # What is really used: a compiled program.
    write("program.py", "import sys\nprint('compiled', sys.argv)\nsys.exit(7)\n")
    py_compile.compile(work + "/program.py", work + "/program.pyc")
    os.chmod(work + "/program.pyc", 0o755)
    os.symlink("plain.scrimx", work + "/link.scrimx")
    os.symlink("plain.scrimx", work + "/link")
    # Natively the hidden one is not there, and the denied one may not be executed by anybody.
    if inside:
        shutil.copy(SHOW, work + "/hidden-show")
    shutil.copy(SHOW, work + "/denied-show")
    os.chmod(work + "/denied-show", 0o755 if inside else 0o644)
    for name in os.listdir(work):
        assert not os.stat(os.path.join(work, name), follow_symlinks=False).st_mode & stat.S_ISUID


def formats():
    def extension(name, interpreter, flags=""):
        return f":x-{name}:E::{name}::{interpreter}:{flags}"

    show = work + "/show"
    return [
        extension("scrimx", show), extension("scrimp", show, "P"), extension("scrimo", show, "O"),
        extension("scrimc", show, "C"), extension("scrimpo", show, "PO"), extension("scrimf", show, "F"),
        extension("scrims", work + "/by-show"), extension("scrimsp", work + "/by-show", "P"),
        extension("scrimso", work + "/by-show", "O"), extension("scrimk", work + "/plain.scrimx", "P"),
        extension("pyc", sys.executable), extension("scrima", work + "/absent"), extension("scrimr", "./show"), extension("scrimd", work + "/sub"),
        extension("scrimm", work + "/plain-file"), extension("scrimh", work + "/hidden-show"),
        extension("scrimn", work + "/denied-show"), extension("scriml", work + "/loop.scriml"),
        ":twice-1:E::scrimtwice::/absent:", f":twice-2:E::scrimtwice::{show}:",
        f":magic:M::SCRM::{show}:", f":masked:M::SC\\x00\\x00\\x00M:\\xff\\xff\\x00\\x00\\x00\\xff:{show}:P",
        f":shifted:M:2:SHIFTED::{show}:OC",
    ]


RULES = ["hide **/hidden-*", "deny **/denied-*"]


def run(uid, inside, drop=False):
    populate(inside)
    stats = os.path.join(base, "stats", f"stats-{uid}")
    command = [SCRIM, "run", "--stats", stats] + [word for rule in RULES for word in ("-r", rule)] + ["--"] if inside else []
    home = os.path.join(base, "stats")
    if drop:
        command += ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
    mapped = [str(uid), *(["stay"] if drop else [])]
    done = subprocess.run([SPACE, *mapped, *formats(), "--", *command, "python3", "-S", CALLS, work], cwd="/",
                          env={"PATH": os.environ["PATH"], "HOME": home, "LC_ALL": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"},
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120)
    if done.returncode == CANNOT:
        print("no binfmt_misc of our own here:", done.stderr.strip())
        return None
    assert done.returncode == 0, f"uid {uid}, inside {inside}: {done.returncode}\n{done.stderr}\n{done.stdout[-2000:]}"
    if inside:
        with open(stats) as file:
            counts = json.load(file)
        # Python makes some, too.
        assert counts["mediated"]["execve"] >= 40 and counts["steer"]["execs"] >= 30, counts
        assert counts["steer"]["killed"] == 0, counts
    return done.stdout.splitlines()


def compare(uid, drop=False):
    """DROP: it is root who starts the view, and UID who is inside."""
    native = run(uid, False)
    if native is None:
        return None
    inside = run(uid, True, drop)
    assert sum(line.startswith("binary: ") for line in native) >= 8, native
    assert sum(line == "status 7" for line in native) >= 30, native
    failed = 0
    section = ""
    for i in range(max(len(native), len(inside))):
        one = native[i] if i < len(native) else None
        other = inside[i] if i < len(inside) else None
        section = one if one and one.startswith("-- ") else section
        if one != other:
            print(f"uid {uid}, {section}:\n  native {one}\n  inside {other}")
            failed += 1
            if one is None or other is None or one.startswith("-- ") or failed > 20:
                break
    print(f"uid {uid}: {len(native)} lines, {failed} differ")
    return failed == 0


def main():
    os.mkdir(base + "/stats")
    os.chmod(base, 0o755)
    os.chmod(base + "/stats", 0o777)
    os.umask(0o022)
    users = [0, ORDINARY] if os.geteuid() == 0 else [os.geteuid()]
    try:
        results = [compare(uid) for uid in users]
        if os.geteuid() == 0:
            results.append(compare(ORDINARY, True))
        # That there is none is the kernel's; what it would show is tested by unit.binfmt_misc all the same.
        if False in results or (None in results and os.environ.get("SCRIM_MUST_RUN")):
            sys.exit(1)
        sys.exit(CANNOT if None in results else 0)
    finally:
        shutil.rmtree(base, ignore_errors=True)


main()
