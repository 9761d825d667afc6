# SPDX-License-Identifier: Apache-2.0
"""mask redact=: settings of real formats still parse, the secrets are not in them, and saving them anew destroys none."""

import json
import os
import shutil

from escape_support import check, equal, main, read, write

SECRETS = (b"hunter2", b"s3cr3t", b"AKIA", b"MIIEvQ", b"8675309", b"open sesame")

# name, content, options of the rule, a program of the format that prints what it read as JSON ({path}), and what it prints
PARSE = {
    "jq": ["jq", "-c", ".", "{path}"],
    "json": "import json, sys; print(json.dumps(json.load(open(sys.argv[1]))))",
    "yaml": "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1]))))",
    "ini": (
        "import configparser, json, sys; c = configparser.ConfigParser(); c.read_file(open(sys.argv[1])); "
        "print(json.dumps({s: dict(c[s]) for s in c.sections()}))"
    ),
    "dotenv": "import json, sys; from dotenv import dotenv_values; print(json.dumps(dotenv_values(sys.argv[1])))",
    "toml": "import json, sys, tomllib; print(json.dumps(tomllib.load(open(sys.argv[1], 'rb'))))",
    "sh": [
        "sh",
        "-c",
        '. "$0"; printf \'{"USER":"%s","API_KEY":"%s","DB_PASS":"%s","PORT":%s}\\n\' "$USER" "$API_KEY" "$DB_PASS" "$PORT"',
        "{path}",
    ],
}

JSON = b'{"user": "me", "password": "hunter2", "pin": 8675309, "nested": {"token": "s3cr3t", "port": 80}}\n'
YAML = b"""user: me
password: "hunter2"
pin: 8675309
key: |
  -----BEGIN PRIVATE KEY-----
  MIIEvQIBADANBgkqhkiG9w0BAQEFAASC
    MIIEvQ indented
  -----END PRIVATE KEY-----
hosts: [a, b]
"""
INI = b"[server]\nhost = example.org\npassword = hunter2\n\n[cloud]\naccess_key = AKIA1234\nregion = eu\n"
ENV = b"# mine\nUSER=me\nAPI_KEY='s3cr3t'\nDB_PASS=\"open sesame\"\nPORT=8080\n"
TOML = b'title = "x"\n[db]\npassword = "hunter2"\npin = 8675309\nports = [ 1, 2 ]\n'

JSON_RULE = r'redact="\"(?:password|token)\": *\"([^\"]*)\"" redact="\"pin\": *(\d+)"'
JSON_SHOWN = {"user": "me", "password": "xxxxxxx", "pin": 1111111, "nested": {"token": "xxxxxx", "port": 80}}
KEY_SHOWN = "\n".join(["x" * 27, "x" * 32, "  " + "x" * 15, "x" * 25]) + "\n"

CASES = [
    ("settings.json", JSON, JSON_RULE, ("jq", "json"), JSON_SHOWN),
    (
        "token.json",
        JSON,
        r'redact="\"(?:password|token)\": *\"([^\"]*)\"" token=REDACTED redact="\"pin\": *(\d+)" token=0',
        ("jq", "json"),
        {"user": "me", "password": "REDACTED", "pin": 0, "nested": {"token": "REDACTED", "port": 80}},
    ),
    (
        "values.yaml",
        YAML,
        r'redact="^(?:password|pin): *(.*)$" redact="^key: \|\n((?:  .*\n)+)"',
        ("yaml",),
        {"user": "me", "password": "xxxxxxx", "pin": 1111111, "key": KEY_SHOWN, "hosts": ["a", "b"]},
    ),
    (
        "app.ini",
        INI,
        r'redact="^(?:password|access_key) *= *(.*)$"',
        ("ini",),
        {
            "server": {"host": "example.org", "password": "xxxxxxx"},
            "cloud": {"access_key": "xxxxxxxx", "region": "eu"},
        },
    ),
    (
        ".env",
        ENV,
        r'redact="^(?:API_KEY|DB_PASS)=(.*)$"',
        ("dotenv", "sh"),
        {"USER": "me", "API_KEY": "xxxxxx", "DB_PASS": "x" * 11, "PORT": "8080"},
    ),
    (
        "conf.toml",
        TOML,
        r'redact="^(?:password|pin) *= *(.*)$"',
        ("toml",),
        {"title": "x", "db": {"password": "xxxxxxx", "pin": 1111111, "ports": [1, 2]}},
    ),
]


def command_of(escape, how, path):
    parse = PARSE[how]
    if isinstance(parse, str):
        return [escape.python, "-c", parse, path]
    return [word.replace("{path}", path) for word in parse]


def as_json(text, where):
    try:
        got = json.loads(text)
    except ValueError:
        check(False, f"{where}: not parsed: {text!r}")
        return None
    if isinstance(got, dict) and isinstance(got.get("PORT"), int):
        got["PORT"] = str(got["PORT"])  # the shell's has no type
    return got


def parsed(escape, place, directory):
    for name, content, options, programs, shown in CASES:
        path = write(os.path.join(directory, name), content)
        rule = f"mask {path} {options}"
        for how in programs:
            where = f"{place.name}: {name} by {how}"
            natively = as_json(escape.native(command_of(escape, how, path)).stdout, where)
            check(natively is not None and natively != shown, f"{where}: natively the secrets are there: {natively}")
            said = escape.view([rule], command_of(escape, how, path), mediated={"openat": 1})
            equal(as_json(said.stdout, where), shown, where)
        raw = escape.view([rule], ["cat", path], mediated={"openat": 1}, binary=True).stdout
        for secret in SECRETS:
            check(secret not in raw, f"{place.name}: {name} shows {secret}")
        if "token=" not in options:
            equal(len(raw), len(content), f"{place.name}: {name} is as long as it is")
        equal(read(path), content, f"{place.name}: {name} itself")


# Programs that read, change and save. Whether they say so or not, the file is what it was, secrets and all.
SAVE = {
    "python open w": "import sys; p = sys.argv[1]; t = open(p).read().replace('me', 'you'); open(p, 'w').write(t)",
    "python rename": (
        "import os, sys; p = sys.argv[1]; t = open(p).read().replace('me', 'you'); "
        "open(p + '.new', 'w').write(t); os.rename(p + '.new', p)"
    ),
    "python r+": (
        "import sys; f = open(sys.argv[1], 'r+'); t = f.read().replace('me', 'you'); f.seek(0); f.write(t); f.truncate()"
    ),
    "python backup and new": (
        "import os, sys; p = sys.argv[1]; t = open(p).read().replace('me', 'you'); os.rename(p, p + '~'); open(p, 'w').write(t)"
    ),
    "python unlink and new": (
        "import os, sys; p = sys.argv[1]; t = open(p).read().replace('me', 'you'); os.unlink(p); open(p, 'w').write(t)"
    ),
    "sed -i": ["sed", "-i", "s/me/you/", "{path}"],
    "sh": ["sh", "-c", "t=$(sed s/me/you/ \"$0\"); printf '%s\\n' \"$t\" > \"$0\"", "{path}"],
    "perl -i": ["perl", "-pi", "-e", "s/me/you/", "{path}"],
    "perl -i.bak": ["perl", "-pi.bak", "-e", "s/me/you/", "{path}"],
    "cp over": ["sh", "-c", 'cp "$0" "$0.copy" && sed -i s/me/you/ "$0.copy" && cp -f --remove-destination "$0.copy" "$0"', "{path}"],
    "mv over": ["sh", "-c", 'sed s/me/you/ "$0" > "$0.copy" && mv -f "$0.copy" "$0"', "{path}"],
    "dd": ["sh", "-c", 'sed s/me/you/ "$0" | dd of="$0" conv=notrunc', "{path}"],
    "tee": ["sh", "-c", 'sed s/me/you/ "$0" | tee "$0"', "{path}"],
    "truncate": ["truncate", "-s", "3", "{path}"],
}


def saved(escape, place, directory):
    for name, content, options, _, _ in (CASES[0], CASES[4]):
        for how, save in SAVE.items():
            if how.startswith("perl") and not shutil.which("perl"):
                continue
            work = os.path.join(directory, "save")
            shutil.rmtree(work, ignore_errors=True)
            os.mkdir(work)
            path = os.path.join(work, name)
            command = [escape.python, "-c", save, path] if isinstance(save, str) else [w.replace("{path}", path) for w in save]
            write(path, content)
            escape.native(command, expect=None)
            check(not os.path.exists(path) or read(path) != content, f"{place.name}: natively {how} changes {name}")
            for discard in ("", " write=discard"):
                shutil.rmtree(work)
                os.mkdir(work)
                write(path, content)
                said = escape.view([f"mask {path} {options}{discard}"], command, mediated={"openat": 1}, expect=None)
                where = f"{place.name}: {name}: {how}{discard}: {said.stderr[-200:]}"
                if check(os.path.exists(path), where):
                    equal(read(path), content, where)


def without_match(escape, place, directory):
    path = write(os.path.join(directory, "other.env"), b"NAME=value\nPASSWD=hunter2\n")
    rule = f"mask {path} redact=^PASSWORD=(.*)$"
    for nomatch, status, shown in (("", 1, ""), (" nomatch=deny", 1, ""), (" nomatch=empty", 0, ""),
                                   (" nomatch=show", 0, "NAME=value\nPASSWD=hunter2\n")):
        said = escape.view([rule + nomatch], ["cat", path], mediated={"openat": 1}, expect=status)
        equal(said.stdout, shown, f"{place.name}: nothing found{nomatch}")
        check(status == 0 or "Permission denied" in said.stderr, f"{place.name}: {said.stderr}")


def body(escape):
    for place in escape.places:
        directory = os.path.join(place.path, "r")
        os.mkdir(directory)
        parsed(escape, place, directory)
        without_match(escape, place, directory)
        if place is escape.places[0]:
            saved(escape, place, directory)
        shutil.rmtree(directory)


main(body)
