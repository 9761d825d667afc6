# SPDX-License-Identifier: Apache-2.0
"""Ways past the view that need no path are refused: other processes' memory, namespaces, services of the kernel."""

import json

from escape_support import WITHOUT_CALLS, check, equal, main

INSIDE = {
    "process_vm_readv": "EPERM",
    "process_vm_writev": "EPERM",
    "ptrace": "EPERM",
    "PTRACE_TRACEME": "EPERM",
    "write /proc/PID/mem": "EACCES",
    "process_madvise": "EPERM",
    "userfaultfd": "ENOSYS",
    "add_key": "ENOSYS",
    "keyctl": "ENOSYS",
    "io_uring_setup": "ENOSYS",
    "listmount": "ENOSYS",
    "NEW_LISTENER": "EBUSY",
    "clone3": "ENOSYS",
    "root_perf_event_open": "EPERM",
    "root_bpf": "EPERM",
    "root_setns": "EPERM",
    "root_unshare": "EPERM",
    "root_clone": "EPERM",
}
# The machine may forbid or lack the others (io_uring, keys, listmount before Linux 6.8, capabilities in a container).
ALWAYS = {"process_vm_readv", "process_vm_writev", "ptrace", "PTRACE_TRACEME", "write /proc/PID/mem", "NEW_LISTENER"}


def body(escape):
    command = [escape.python, escape.tool("refused.py")]
    native = dict(json.loads(escape.native(command).stdout))
    done = {name for name, said in native.items() if said == "done"}
    print(f"natively {len(done)} of {len(native)} succeed")
    check(ALWAYS <= done or WITHOUT_CALLS, f"natively: {native}")
    check(len(done) >= 10 or WITHOUT_CALLS, f"natively only {sorted(done)}")
    for rules in ([], ["hide **/nothing"], ["append **/no.log", "mask **/nothing"]):
        inside = dict(json.loads(escape.view(rules, command, mediated={"openat": 20, "execve": 1}).stdout))
        equal(inside, INSIDE, f"inside, {rules}")


main(body)
