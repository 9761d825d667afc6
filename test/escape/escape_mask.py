# SPDX-License-Identifier: Apache-2.0
"""A masked file shows exactly its mask by every way of reading; the real one is never shown nor changed."""

import json
import os
import shutil

from escape_support import check, equal, fingerprint, main, read, write

SECRET = b"hunter2"
ENV = b"USER=me\npassword=hunter2 hunter2\nHOST=example.org\npassword=\nTAIL=hunter2x\n"
JSON = b'{\n  "user": "me",\n  "password": "hunter2",\n  "nested": {"token": "hunter2-token", "port": 80}\n}\n'

MEDIATED = {
    "open": 4,
    "openat": 30,
    "stat": 3,
    "lstat": 1,
    "newfstatat": 4,
    "statx": 2,
    "fstat": 2,
    "readlink": 2,
    "link": 1,
    "linkat": 1,
    "truncate": 1,
    "chmod": 1,
    "fchmod": 1,
    "chown": 1,
    "fchown": 1,
    "utimensat": 3,
    "setxattr": 1,
    "fsetxattr": 1,
    "rename": 1,
    "renameat2": 1,
    "unlink": 1,
    "execve": 2,
}
# The file is as large as the buffer programs use at first, larger, and empty.
LARGE = b"".join(b"%06d hunter2 line\n" % i for i in range(9000))


def identity(path, size):
    st = os.stat(path)
    fields = (st.st_dev, st.st_ino, "%o" % st.st_mode, st.st_nlink, st.st_uid, st.st_gid, size, int(st.st_mtime))
    return " ".join(str(f) for f in fields)


def every_way(escape, place, directory, rule, path, shown, discards):
    scratch = os.path.join(directory, "scratch")
    os.makedirs(scratch, exist_ok=True)
    expected = write(os.path.join(directory, "expected"), shown)
    result = escape.view([rule], [escape.tool("escape_mask"), path, expected, scratch], mediated=MEDIATED)
    seen = {"read": 0, "stat": 0, "change": 0, "discard": 0}
    for line in result.stdout.splitlines():
        group, way, said = line.split("\t")
        seen[group] += 1
        where = f"{place.name}: {rule}: {group} {way}"
        opens = way.startswith(("open", "creat", "reopen"))
        if group == "read":
            equal(said, "ok", where)
        elif group == "stat":
            equal(said, identity(path, len(shown)), where)
        elif group == "change":
            equal(said, "ok" if opens and discards else "EACCES", where)
        else:
            equal(said, "ok ok" if discards else "EACCES", where)
    equal(seen, {"read": 25, "stat": 12, "change": 25, "discard": 5}, f"{place.name}: {rule}: ways tried")


PROGRAMS = {  # what they print is what is in the file
    "cat": ["cat", "{path}"],
    "cat <": ["sh", "-c", 'cat <"$0"', "{path}"],
    "cp": ["sh", "-c", 'cp "$0" "$1/copied" && cat "$1/copied"', "{path}", "{dir}"],
    "cp reflink": ["sh", "-c", 'cp --reflink=auto --sparse=always "$0" "$1/c2" && cat "$1/c2"', "{path}", "{dir}"],
    "tar": ["sh", "-c", 'tar -C / -cf - "${{0#/}}" | tar -xOf -', "{path}"],
    "dd": ["dd", "if={path}", "status=none", "bs=1000"],
    "grep": ["grep", "-a", "", "{path}"],
    "head": ["head", "-c", "1000000", "{path}"],
    "tail": ["tail", "-c", "+1", "{path}"],
    "sed": ["sed", "", "{path}"],
    "mv through a link": ["sh", "-c", 'ln -sf "$0" "$1/l" && cat "$1/l"', "{path}", "{dir}"],
    "python": ["{python}", "-c", "import sys; sys.stdout.buffer.write(open(sys.argv[1], 'rb').read())", "{path}"],
    "python mmap": [
        "{python}",
        "-c",
        "import sys, mmap; f = open(sys.argv[1], 'rb'); sys.stdout.buffer.write(mmap.mmap(f.fileno(), 0, prot=1)[:])",
        "{path}",
    ],
    "python shutil": [
        "{python}",
        "-c",
        "import sys, shutil; shutil.copy(sys.argv[1], sys.argv[2] + '/s'); "
        "sys.stdout.buffer.write(open(sys.argv[2] + '/s', 'rb').read())",
        "{path}",
        "{dir}",
    ],
    "perl": ["perl", "-e", "undef $/; open F, '<', $ARGV[0]; print <F>", "{path}"],
    "awk": ["awk", "{{print}}", "{path}"],
}


def programs(escape, place, directory, rule, path, shown):
    for name, command in PROGRAMS.items():
        out = os.path.join(directory, "out")
        shutil.rmtree(out, ignore_errors=True)
        os.mkdir(out)
        if not shown and name == "python mmap":
            continue  # an empty file cannot be mapped
        command = [word.format(path=path, dir=out, python=escape.python) for word in command]
        result = escape.view([rule], command, mediated={"openat": 2, "execve": 1}, binary=True, expect=None)
        equal(result.stdout, shown, f"{place.name}: {rule}: {name}: {result.stderr}")
    size = escape.view([rule], ["stat", "-c", "%s", path], mediated={"statx": 1})
    equal(size.stdout.strip(), str(len(shown)), f"{place.name}: {rule}: stat")
    listed = escape.view([rule], ["find", path, "-printf", "%s %i %m"], mediated={"newfstatat": 1})
    st = os.stat(path)
    equal(listed.stdout, f"{len(shown)} {st.st_ino} {st.st_mode & 0o7777:o}", f"{place.name}: {rule}: find")


def parses(escape, place, directory):
    """What redact leaves of settings can still be read as such."""
    path = write(os.path.join(directory, "settings.json"), JSON)
    rule = f"mask {path} " + r'redact="\"(?:password|token)\": *\"([^\"]*)\""'
    said = escape.view([rule], [escape.python, "-c", "import json, sys; print(json.dumps(json.load(open(sys.argv[1]))))", path])
    try:
        got = json.loads(said.stdout)
    except ValueError:
        got = said.stdout
    wanted = {"user": "me", "password": "xxxxxxx", "nested": {"token": "x" * 13, "port": 80}}
    equal(got, wanted, f"{place.name}: redacted JSON")
    equal(read(path), JSON, f"{place.name}: the real JSON")


def executing(escape, place, directory):
    """Neither the real content nor the mask of a masked file is run: by exec, as #!, as PT_INTERP."""
    program = shutil.copy("/bin/true", os.path.join(directory, "program"))
    script = write(os.path.join(directory, "script"), f"#!{program}\n", 0o755)
    plain = write(os.path.join(directory, "plain"), "#!/bin/sh\nexit 0\n", 0o755)
    for victim, run in ((program, program), (program, script), (plain, plain)):
        equal(escape.native([run]).returncode, 0, f"{place.name}: natively {run}")
        said = escape.view(
            [f"mask {victim}"],
            [escape.python, "-c", "import os, sys\ntry: os.execv(sys.argv[1], sys.argv[1:])\nexcept OSError as e: print(e.errno)", run],
            mediated={"execve": 2},
        )
        equal(said.stdout.strip(), "13", f"{place.name}: exec of {run} with masked {victim}")
    # A program whose loader is masked.
    with open("/bin/true", "rb") as f:
        image = f.read()
    at = image.find(b"/lib64/ld-linux-x86-64.so.2\0")
    if check(at > 0, "the loader's name in /bin/true"):
        link = "/tmp/ld%020d" % os.getpid()  # as long as the name it stands for, with its NULs
        link = link[:27]
        loader = os.path.join(directory, "loader")
        shutil.copy(os.path.realpath("/lib64/ld-linux-x86-64.so.2"), loader)
        os.chmod(loader, 0o755)
        os.symlink(loader, link)
        try:
            patched = image[:at] + link.encode().ljust(27, b"\0") + image[at + 27 :]
            odd = write(os.path.join(directory, "odd"), patched, 0o755)
            equal(escape.native([odd]).returncode, 0, f"{place.name}: natively with that loader")
            said = escape.view(
                [f"mask {loader}"],
                [escape.python, "-c", "import os, sys\ntry: os.execv(sys.argv[1], sys.argv[1:])\nexcept OSError as e: print(e.errno)", odd],
                mediated={"execve": 2},
            )
            equal(said.stdout.strip(), "13", f"{place.name}: exec with a masked loader")
        finally:
            os.unlink(link)


def special(escape, place, directory):
    """Devices, FIFOs and sockets have no content to mask: EACCES, stat as it is. Names in a directory are listed."""
    tree = os.path.join(directory, "tree")
    os.makedirs(os.path.join(tree, "sub"))
    os.mkfifo(os.path.join(tree, "fifo"))
    write(os.path.join(tree, "sub", "file"), SECRET)
    os.symlink(os.path.join(directory, "target"), os.path.join(tree, "link"))
    write(os.path.join(directory, "target"), b"free\n")
    os.symlink(os.path.join(tree, "sub", "file"), os.path.join(directory, "alias"))
    script = r"""
cd "$1"
ls tree tree/sub
stat -c %F tree/fifo
cat tree/link
cat alias tree/sub/file | wc -c
timeout 5 cat tree/fifo 2>&1 | sed 's/.*: //'
(echo x >tree/new) 2>&1 | sed 's/.*: //'
mkdir tree/new 2>&1 | sed 's/.*: //'
"""
    result = escape.view([f"mask {tree}"], ["sh", "-c", script, "sh", directory], mediated={"openat": 8, "mkdir": 1})
    wanted = "tree:\nfifo\nlink\nsub\n\ntree/sub:\nfile\nfifo\nfree\n0\n" + "Permission denied\n" * 3
    equal(result.stdout, wanted, f"{place.name}: a masked directory: {result.stderr}")


def body(escape):
    for place in escape.places:
        directory = os.path.join(place.path, "m")
        os.mkdir(directory)
        shown_file = write(os.path.join(place.path, "shown"), b"SHOWN=1\n" * 1000)
        cases = [  # what the file holds, the rule's options, what is shown
            (ENV, "", b"", False),
            (ENV, f" with={shown_file}", b"SHOWN=1\n" * 1000, False),
            (LARGE, " redact=hunter2 token=[redacted]", LARGE.replace(SECRET, b"[redacted]"), False),
            (
                ENV,
                " redact=^password=(.*)$",
                ENV.replace(b"hunter2 hunter2", b"x" * 15),
                False,
            ),
            (ENV, f" with={shown_file} write=discard", b"SHOWN=1\n" * 1000, True),
            (ENV, " write=discard", b"", True),
            (b"", f" with={shown_file}", b"SHOWN=1\n" * 1000, False),
        ]
        for number, (real, options, shown, discards) in enumerate(cases):
            path = write(os.path.join(directory, f".env{number}"), real, 0o751)
            os.utime(path, (1000000000, 1000000000))
            before = fingerprint(path)
            for rule in (f"mask {path}{options}", f"mask **/.env{number}*{options}"):
                every_way(escape, place, directory, rule, path, shown, discards)
                equal(fingerprint(path), before, f"{place.name}: the real file after {rule}")
            if number < 5 and place is escape.places[0]:
                programs(escape, place, directory, f"mask {path}{options}", path, shown)
                equal(fingerprint(path), before, f"{place.name}: the real file after programs, {options}")
        parses(escape, place, directory)
        special(escape, place, directory)
        executing(escape, place, directory)
        shutil.rmtree(directory)


main(body)
