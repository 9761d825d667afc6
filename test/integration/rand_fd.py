# SPDX-License-Identifier: Apache-2.0
"""option rand-fd: descriptors get unpredictable free numbers below RLIMIT_NOFILE."""

import os

from escape_support import check, equal, main, write

OPENS = r"""
import errno, os, resource, sys
path, limit, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
content, got = {}, []
for i in range(count):
    name = path + str(i)
    try:
        fd = os.open(name, os.O_RDWR | os.O_CREAT)
    except OSError as e:
        print("error", errno.errorcode[e.errno], len(got))
        break
    assert fd not in content, "a number twice"
    os.write(fd, str(i).encode())
    content[fd] = str(i)
    got.append(fd)
for fd, text in content.items():
    assert os.pread(fd, 10, 0).decode() == text, "another's descriptor was replaced"
    assert not os.get_inheritable(fd)
print(*got)
"""

def numbers(escape, rules, path, limit, count):
    lines = escape.view(rules, [escape.python, "-c", OPENS, path, limit, count], mediated={"openat": 1}).stdout.splitlines()
    return [int(n) for n in lines[-1].split()], lines[:-1]


def body(escape):
    place = escape.places[0]
    path = os.path.join(place.path, "f")
    plain, _ = numbers(escape, ["hide /absent"], path, 1024, 50)
    equal(plain, list(range(plain[0], plain[0] + 50)), "without the option: the lowest")
    one, _ = numbers(escape, ["option rand-fd"], path, 1024, 200)
    two, _ = numbers(escape, ["option rand-fd=yes"], path, 1024, 200)
    equal((len(one), len(two)), (200, 200), "all opens succeed")
    check(max(one + two) < 1024 and min(one + two) >= 3, f"within the limit: {min(one + two)} to {max(one + two)}")
    check(one != two and one != sorted(one), "not the same, and in no order")
    check(len([n for n in one if n > 300]) > 80, f"spread over all of it: {sorted(one)}")
    taken, _ = numbers(escape, ["option rand-fd", "option rand-fd=no"], path, 1024, 50)
    equal(taken, plain, "taken back")
    # Nearly full: what is left is found, then it is EMFILE as ever.
    few, said = numbers(escape, ["option rand-fd"], path, 24, 40)
    equal(sorted(few), list(range(min(few), 24)), "every number below the limit is used")
    check(said and said[0].startswith("error EMFILE"), f"and then none: {said}")
    write(path, "x")
    said = escape.view(["option rand-fd"], ["sh", "-c", 'exec 7<"$0"; read x <&7; echo $x; cat <"$0"; echo; cat "$0" "$0" | wc -c', path])
    equal(said.stdout, "x\nx\n2\n", "a shell, which moves its descriptors itself")


main(body)
