# SPDX-License-Identifier: Apache-2.0
"""Another procfs than the one at /proc: natively a way to one's own and others' memory, inside refused.

escape_procfs.py SCRIM. Mounting needs root; the attack is made as root and as an ordinary user (asserted).
"""
import json
import os
import subprocess
import sys
import tempfile

SCRIM = os.path.abspath(sys.argv[1])
ORDINARY = 65534
ATTACK = r"""
import json, os, sys
place, stranger = sys.argv[1:]
answers = {"uid": os.geteuid()}
def attack(name, call, *args):
    try:
        call(*args)
        answers[name] = "done"
    except OSError as error:
        answers[name] = error.errno
attack("self", os.readlink, place + "/self")
attack("thread-self", os.stat, place + "/thread-self/comm")
attack("memory", os.open, f"{place}/{stranger}/mem", os.O_RDWR)
attack("environment", os.open, f"{place}/{stranger}/environ", os.O_RDONLY)
attack("listing", os.listdir, place)
attack("link", os.open, "link/version", os.O_RDONLY)
attack("directory", os.chdir, place)
print(json.dumps(answers))
"""


def attack(directory, uid, stranger, *prefix):
    out = subprocess.run([*prefix, "python3", "-c", ATTACK, os.path.join(directory, "proc"), str(stranger)], cwd=directory,
                         user=uid, group=uid, extra_groups=[], stdout=subprocess.PIPE, check=True, timeout=60,
                         env={"PATH": os.environ["PATH"], "HOME": directory})
    return json.loads(out.stdout)


def main():
    assert os.geteuid() == 0, "mounting another procfs needs root"
    with tempfile.TemporaryDirectory(prefix="scrim-procfs-") as directory:
        os.chmod(directory, 0o755)
        os.mkdir(os.path.join(directory, "proc"))
        os.symlink("proc", os.path.join(directory, "link"))
        subprocess.run(["mount", "-t", "proc", "proc", os.path.join(directory, "proc")], check=True)
        try:
            for uid in (0, ORDINARY):
                stranger = subprocess.Popen(["sleep", "60"], user=uid, group=uid, extra_groups=[])
                try:
                    natively = attack(directory, uid, stranger.pid)
                    inside = attack(directory, uid, stranger.pid, SCRIM, "run", "--hide", "/**/hidden-x", "--")
                finally:
                    stranger.kill()
                    stranger.wait()
                assert natively.pop("uid") == uid and inside.pop("uid") == uid, (natively, inside)
                assert set(natively.values()) == {"done"}, natively
                assert set(inside.values()) == {13}, inside
                print(f"as {uid}: {len(inside)} attacks succeed natively, none inside")
        finally:
            subprocess.run(["umount", os.path.join(directory, "proc")], check=True)


main()
