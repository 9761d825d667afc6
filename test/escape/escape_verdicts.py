# SPDX-License-Identifier: Apache-2.0
"""deny, readonly with an exception, hide with a way down: each call against its answer; what is covered is unchanged."""

import json
import os
import shutil
import socket

from escape_support import check, equal, fingerprint, main, write

RULES = {  # name: how the rule is written, what of the tree may change
    "deny": [["deny {tree}"], ["deny **/tre[e]"]],
    "readonly": [["readonly {tree}", "free {tree}/out"], ["readonly ~", "free {tree}/out", "free {free}"]],
    "way": [
        ["hide {tree}", "show {tree}/way/down/shown"],
        ["hide ~", "show {tree}/way/down/shown", "show {free}"],
    ],
}
MEDIATED = {"openat": 50, "newfstatat": 10, "rename": 5, "renameat2": 10, "link": 3, "linkat": 2, "mkdir": 3, "mknodat": 2,
            "symlink": 2, "unlink": 3, "chmod": 2, "chown": 2, "utimensat": 4, "setxattr": 2, "truncate": 2,
            "bind": 2, "inotify_add_watch": 2}
CHECKS = {"deny": 140, "readonly": 110, "way": 240}


def make(top):
    tree = os.path.join(top, "tree")
    for directory in ("dir", "out", "way/down/shown/deep"):
        os.makedirs(os.path.join(tree, directory))
    os.mkdir(os.path.join(top, "free"))
    for name in ("file", "dir/deep", "way/file", "way/down/file", "way/down/shown/file", "way/down/shown/deep/file"):
        write(os.path.join(tree, name), "content\n")
    shutil.copy("/bin/true", os.path.join(tree, "program"))
    os.mkfifo(os.path.join(tree, "fifo"))
    os.chdir(tree)
    s = socket.socket(socket.AF_UNIX)
    s.bind("socket")
    s.close()
    os.chdir("/")
    if os.geteuid() == 0:
        os.mknod(os.path.join(tree, "null"), 0o20666, os.makedev(1, 3))
        os.chmod(os.path.join(tree, "null"), 0o666)
    os.utime(os.path.join(tree, "file"), (1000000000, 1000000000))


def covered(tree, rule):
    """What may not change, and its state. Exceptions are left out, and what their changes show in their directory."""
    leave = {"readonly": os.path.join(tree, "out"), "way": os.path.join(tree, "way/down/shown")}.get(rule, "/none")
    return {path: what for path, what in fingerprint(tree).items() if not (path + "/").startswith(leave + "/")}


def one(escape, place, rule, forms):
    # The home directory for `~` is the one above.
    home = os.path.join(place.path, "home")
    top = os.path.join(home, "t")
    os.makedirs(top)
    make(top)
    tree, free = os.path.join(top, "tree"), os.path.join(top, "free")
    os.environ["HOME"] = home
    before = covered(tree, rule)
    written = [form.format(tree=tree, free=free) for form in forms]
    result = escape.view(written, [escape.python, escape.tool("verdicts.py"), rule, top], mediated=MEDIATED)
    where = f"{place.name}: {written}"
    try:
        rows = json.loads(result.stdout)
    except ValueError:
        rows = []
        check(False, f"{where}: {result.stdout!r} {result.stderr}")
    check(len(rows) >= CHECKS[rule], f"{where}: {len(rows)} calls")
    for what, got, wanted in rows:
        equal(got, wanted, f"{where}: {what}")
    after = covered(tree, rule)
    for path in sorted(set(before) | set(after)):
        equal(after.get(path), before.get(path), f"{where}: {path} afterwards")
    shutil.rmtree(home)


def body(escape):
    for place in escape.places:
        for rule, ways in RULES.items():
            for forms in ways:
                if escape.only in (None, rule):
                    one(escape, place, rule, forms)


main(body)
