# SPDX-License-Identifier: Apache-2.0
"""Spellings, links, moves, descriptors, strangers: each finds or changes a file natively, and none inside."""

import json
import os
import shutil
import subprocess

import attacks
from escape_support import WITHOUT_CALLS, check, equal, main, read, write

LITERAL = "{top}/{name}/vault/secret"
# How the rules are written (one for each ground, or one for all), and what may be learnt all the same.
RULES = {
    "literal": ("hide " + LITERAL, set()),
    "directory": ("hide {top}/{name}/vault", set()),
    "wildcard": ("hide **/secret*", set()),
    "pattern": ("hide {top}/*/vault/secret", set()),
    "denied": ("deny " + LITERAL, {"listings", "listings_by_small_buffers"}),
    "denied wildcard": ("deny **/secret*", {"listings", "listings_by_small_buffers"}),
    "masked": ("mask " + LITERAL, {"exists"}),
    "masked directory": ("mask {top}/{name}/vault", {"exists"}),
    "masked wildcard": ("mask **/secret*", {"exists"}),
    "readonly": ("readonly " + LITERAL, {"exists", "content"}),
    "readonly wildcard": ("readonly **/secret*", {"exists", "content"}),
}
# Those that go by name alone need not withstand attacks by an older hard link.
LITERALS = ("literal", "denied", "masked", "readonly")
PLACES = {"tmpfs": ("literal", "wildcard", "pattern", "masked", "readonly")}  # the rest says nothing new there


def rules_of(rule_name, top, names):
    form = RULES[rule_name][0]
    return sorted({form.format(top=top, name=name) for name in names})


BY_IDENTITY = ("hard_link", "change_inherited_by_hard_link")
MEDIATED = {"openat": 500, "newfstatat": 100, "openat2": 200, "rename": 5, "renameat2": 4, "linkat": 2, "chdir": 10,
            "symlink": 20, "execve": 10, "unlink": 3, "truncate": 1, "stat": 1, "open": 2}
LISTED = {"getdents64": 5, "getdents": 5}  # only where names can be absent


def make(top, name):
    ground = os.path.join(top, name)
    os.makedirs(os.path.join(ground, "vault"))
    os.makedirs(os.path.join(ground, "open", "deep", "deeper"))
    secret = write(os.path.join(ground, "vault", "secret"), attacks.SECRET)
    write(os.path.join(ground, "pub"), "pub\n")
    os.link(secret, os.path.join(ground, "open", "hard"))
    os.utime(secret, (1000000000, 1000000000))


def identity(top, name):
    """What tells the secret wherever it has been moved: it may only have gone along under its own name."""
    st = os.lstat(os.path.join(top, name, "vault", "secret"))
    return (st.st_dev, st.st_ino)


def state(top, marked):
    """Of each secret: where it is, what it holds, its attributes."""
    names = {key: name for name, key in marked.items()}
    found = {}
    for directory, _, files in os.walk(top):
        if "secret" in files:
            path = os.path.join(directory, "secret")
            st = os.lstat(path)
            name = names.get((st.st_dev, st.st_ino))
            if name:
                attributes = (st.st_mode, st.st_uid, st.st_gid, st.st_nlink, st.st_mtime_ns)
                found[name] = (os.path.relpath(path, os.path.join(top, name)), attributes, read(path), os.listxattr(path))
    return found


class Stranger:
    """A process outside the view, of the same user, that stands in GROUND and holds what is in it."""

    def __init__(self, ground):
        secret = os.open(os.path.join(ground, "vault", "secret"), os.O_RDONLY)
        directory = os.open(ground, os.O_RDONLY)

        def arrange():
            high = [os.dup2(secret, 100), os.dup2(directory, 101)]
            os.dup2(high[0], 9)
            os.dup2(high[1], 8)

        self.process = subprocess.Popen(["sleep", "300"], cwd=ground, preexec_fn=arrange, close_fds=False)
        os.close(secret)
        os.close(directory)

    def end(self):
        self.process.kill()
        self.process.wait()


def attack_all(escape, place, rule_name):
    top = os.path.join(place.path, "a")
    os.mkdir(top)
    names = [n for n in attacks.attacks if escape.uid == 0 or not n.startswith("root_")]
    for name in names:
        make(top, name)
    # The stranger's ground is one that no attack moves.
    make(top, "elsewhere")
    stranger = Stranger(os.path.join(top, "elsewhere"))
    marked = {name: identity(top, name) for name in names}
    before = state(top, marked)
    equal(set(before), set(names), "the files before")
    command = [escape.python, escape.tool("attacks.py"), top, stranger.process.pid] + names
    if rule_name is None:
        result = escape.native(command)
    else:
        result = escape.view(rules_of(rule_name, top, names + ["elsewhere"]), command, mediated=MEDIATED)
        if RULES[rule_name][0].startswith(("hide", "deny")):
            for call, least in LISTED.items():
                seen = escape.stats["mediated"].get(call, 0)
                check(seen >= least or "directory" in rule_name, f"{rule_name}: {call} was mediated {seen} times")
    try:
        found = json.loads(result.stdout)
    except ValueError:
        check(False, f"{rule_name}: no answer: {result.stdout!r} {result.stderr}")
        found = {}
    after = state(top, marked)
    # Where no rule speaks of the way to it, it may move along with a directory: what hides it goes by its name.
    skip = 0 if rule_name in LITERALS or not rule_name or "directory" in rule_name else 1
    changed = {name for name in names if name not in after or after[name][skip:] != before[name][skip:]}
    stranger.end()
    shutil.rmtree(top)
    return names, found, changed


IMPOSSIBLE = {  # attack -> the call it cannot do without, where its name does not say so
    "root_bind_mount": "mount",
    "root_handle": "open_by_handle_at",
}


def body(escape):
    for place in escape.places:
        names, found, changed = attack_all(escape, place, None)
        for name in names:
            if name.startswith("change_"):
                check(name in changed, f"{place.name}: natively {name} changes nothing: {found.get(name)}")
            else:
                # What a filter around us answers is no way to anything.
                if any(call in name for call in WITHOUT_CALLS) or IMPOSSIBLE.get(name) in WITHOUT_CALLS:
                    continue
                wanted = {"exists"} if name.startswith(("listings", "loader")) else {"content"}
                got = found.get(name, [[], []])
                check(wanted <= set(got[0]), f"{place.name}: natively {name} does not succeed: {got}")
        print(f"{place.name}: natively {len(names)} attacks succeed")
        for rule in PLACES.get(place.name, RULES):
            names, found, changed = attack_all(escape, place, rule)
            learnable = RULES[rule][1]
            for name in names:
                if name.startswith(BY_IDENTITY) and rule not in LITERALS:
                    continue
                got = found.get(name, [["no answer"], []])
                more = set() if name in learnable else set(got[0]) - learnable
                equal(more, set(), f"{place.name}, {rule}: {name} found something ({got[1]})")
                check(name not in changed, f"{place.name}, {rule}: {name} changed the file ({got[1]})")


main(body)
