# SPDX-License-Identifier: Apache-2.0
"""scrim learn: what it proposes lets the same run do the same, and hides the rest of the home directory."""

import os
import re
import shutil

from escape_support import check, equal, main, read, write

WORK = r"""
cat ~/.config/tool/conf .env src/a.c
ls src
echo made > src/new && cat src/new && rm src/new
mkdir -p ~/.cache/tool/deep && echo c > ~/.cache/tool/deep/file
cat "$HOME/odd [name]*/q\"uote \$x" 
grep -c . /etc/passwd > /dev/null
test -e ~/.looked-at
"""
SECRET = "nobody used this"


def make_home(place):
    home = os.path.join(place.path, "home")
    for directory in ("proj/src", ".config/tool", ".cache/tool", "odd [name]*", "other", ".ssh"):
        os.makedirs(os.path.join(home, directory))
    for name, text in {
        ".config/tool/conf": "conf\n",
        "proj/.env": "TOKEN=1\n",
        "proj/src/a.c": "int a;\n",
        'odd [name]*/q"uote $x': "odd\n",
        "odd [name]*/unused": SECRET,
        "other/file": SECRET,
        ".ssh/id_rsa": SECRET,
        ".looked-at": SECRET,
    }.items():
        write(os.path.join(home, name), text)
    return home


def learns(escape, place):
    home = make_home(place)
    project = os.path.join(home, "proj")
    policy = os.path.join(place.path, "learned.conf")
    os.environ["HOME"] = home
    command = ["sh", "-c", WORK]
    native = escape.native(command, cwd=project)
    shutil.rmtree(os.path.join(home, ".cache/tool/deep"))
    learned = escape.native([escape.scrim, "learn", "-o", policy, "--"] + command, cwd=project)
    equal(learned.stdout, native.stdout, f"{place.name}: what the command printed")
    equal(learned.stderr, "", f"{place.name}: learn is silent without a terminal")
    shutil.rmtree(os.path.join(home, ".cache/tool/deep"))
    text = read(policy).decode()
    rules = [re.sub(r"  # .*", "", line).split(None, 1) for line in text.splitlines() if line and line[0] != "#"]
    mine = [rule for rule in rules if rule[1].lstrip('"').startswith("~")]
    equal(mine[0], ["hide", "~"], f"{place.name}: the home directory is hidden first")
    shown = [pattern for verb, pattern in mine if verb == "show"]
    wanted = ["~/.cache/tool", "~/.config/tool/conf", '"~/odd \\[name\\]\\*/q\\"uote \\$x"', "~/proj"]
    equal(shown, wanted, f"{place.name}: what is shown of it")
    kept = [pattern for verb, pattern in mine if verb == "readonly"]
    equal(kept, ["~/.config/tool/conf", '"~/odd \\[name\\]\\*/q\\"uote \\$x"'], f"{place.name}: only read")
    check("readonly  /etc " in text and "readonly  /usr " in text, f"{place.name}: what was only read elsewhere:\n{text}")
    check("# hide  ~/proj/.env\n" in text, f"{place.name}: a secret that was used is pointed at:\n{text}")
    check(not any("looked-at" in pattern for _, pattern in rules), f"{place.name}: what was only looked at is no use")

    said = escape.native([escape.scrim, "check", policy])
    check("good" in said.stdout, f"{place.name}: {said.stdout}")
    again = escape.native([escape.scrim, "run", "-c", policy, "--"] + command[:2] + [WORK.replace("test -e", "! test -e")],
                          cwd=project)
    equal(again.stdout, native.stdout, f"{place.name}: the same run with the policy")
    hidden = escape.native(
        [escape.scrim, "run", "-c", policy, "--", "sh", "-c", 'ls -A ~; cat ~/.ssh/id_rsa ~/other/file ~/odd*/unused; echo x > ~/.config/tool/conf'],
        cwd=project, expect=None)
    equal(hidden.stdout.split("\n"), [".cache", ".config", "odd [name]*", "proj", ""], f"{place.name}: the rest is hidden")
    check(SECRET not in hidden.stdout and hidden.returncode != 0, f"{place.name}: {hidden.stderr}")
    shutil.rmtree(home)
    os.unlink(policy)


def contract(escape, place):
    os.environ["HOME"] = place.path
    out = os.path.join(place.path, "p")
    equal(escape.native([escape.scrim, "learn", "-o", out, "sh", "-c", "exit 7"], expect=7).stdout, "", "the command's status")
    check(read(out).startswith(b"# Proposed by scrim learn"), "a policy was written")
    before = read(out)
    said = escape.native([escape.scrim, "learn", "-o", out, "touch", os.path.join(place.path, "ran")], expect=125)
    check("is there already" in said.stderr and not os.path.exists(os.path.join(place.path, "ran")), said.stderr)
    equal(read(out), before, "what was there stays")
    os.unlink(out)
    piped = escape.native([escape.scrim, "learn", "echo", "line\nof \x1b[1mtext"])
    check(piped.stdout.startswith("line\n") and "\\x1b[1mtext\n" in piped.stdout.partition("# Proposed by")[2], piped.stdout)
    killed = escape.native([escape.scrim, "learn", "sh", "-c", "kill -TERM $$"], expect=143)
    check("# Proposed by" in killed.stdout, "also of a command that was killed")
    absent = escape.native([escape.scrim, "learn", "/absent/command"], expect=127)
    check("/absent/command" in absent.stderr, absent.stderr)
    equal(escape.native([escape.scrim, "learn"], expect=125).stdout, "", "no command")
    check("usage: scrim learn" in escape.native([escape.scrim, "learn", "--help"]).stdout, "help")
    # With rules: what these hide is not there to be learned.
    write(os.path.join(place.path, "x"), "x")
    ruled = escape.native([escape.scrim, "learn", "--hide", os.path.join(place.path, "x"), "cat", os.path.join(place.path, "x")], expect=1)
    check("~/x" not in ruled.stdout, ruled.stdout)


def body(escape):
    for place in escape.places:
        learns(escape, place)
    contract(escape, escape.places[0])


main(body)
