# SPDX-License-Identifier: Apache-2.0
"""AF_UNIX inside a view against the same outside: names, sends, waits.

unix_calls.py [--user] [--only PART] SCRIM names sends waits   (the programs unix_*)

Each program prints what its calls gave. The rules concern nothing that it touches; those that hide make sendmsg and
sendmmsg mediated, too.
"""

import os
import shutil

from escape_support import ORDINARY, check, equal, main, make_removable

POLICIES = {"no rule": [], "a rule": ["readonly /elsewhere/**"], "a hiding rule": ["hide /elsewhere/**", "mask **/elsewhere"]}
# Which policies, and what must at least have been mediated with any of them, and with the hiding one.
PARTS = {
    "names": (POLICIES, {"bind": 200, "connect": 250}, {}),
    "sends": (POLICIES, {"bind": 10, "sendto": 200, "connect": 9}, {"sendmsg": 300, "sendmmsg": 300}),
    "waits": (["a hiding rule"], {"bind": 37, "connect": 20, "sendto": 100}, {"sendmsg": 6, "sendmmsg": 70}),
}


def run(esc, part, rules=None, mediated=(), drop=False):
    path = os.path.join(esc.places[0].path, "unix")
    if os.path.exists(path):
        make_removable(path)
        shutil.rmtree(path)
    os.mkdir(path)
    argv = [esc.tool("unix_" + part), path]
    if drop:
        os.chmod(path, 0o777)
        argv = ["setpriv", f"--reuid={ORDINARY}", f"--regid={ORDINARY}", "--clear-groups"] + argv
    result = esc.native(argv) if rules is None else esc.view(rules, argv, mediated)
    return result.stdout.splitlines()


def compare(esc, what, native, inside):
    for i in range(max(len(native), len(inside))):
        one = native[i] if i < len(native) else None
        other = inside[i] if i < len(inside) else None
        if not equal(other, one, f"{what}: line {i + 1}, after {native[max(0, i - 6):i]}"):
            break
    equal(esc.stats["steer"]["killed"], 0, "killed by steering")


def body(esc):
    for part, (policies, always, hiding) in PARTS.items():
        if esc.only and esc.only != part:
            continue
        native = run(esc, part)
        check(len(native) > 150, f"{part}: says too little")
        for policy in policies:
            mediated = always | hiding if policy == "a hiding rule" else always
            compare(esc, f"{part} with {policy}", native, run(esc, part, POLICIES[policy], mediated))
        if esc.uid == 0:
            # Root that becomes somebody else inside, who may not look into what root may.
            native = run(esc, part, None, (), True)
            inside = run(esc, part, POLICIES["a hiding rule"], always | hiding, True)
            compare(esc, f"{part} of another user", native, inside)
        print(f"   {part}: {len(native)} lines", flush=True)


main(body)
