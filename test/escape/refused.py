# SPDX-License-Identifier: Apache-2.0
"""Calls that lead past the view without a path: into other processes, other namespaces, the kernel's own services.

    refused.py    JSON on standard output: each call, "done" or the error. Run in a view, and natively.
"""

import ctypes
import errno
import json
import os
import signal
import sys

from raw_calls import libc, syscall

PAGE = 4096
CLONE_NEWNS, CLONE_NEWUSER = 0x20000, 0x10000000
TEXT = ctypes.create_string_buffer(b"text of the parent", 64)
HERE = ctypes.addressof(TEXT)


class Child:
    """A copy of us that waits: its memory is at the same addresses."""

    def __enter__(self):
        self.pid = os.fork()
        if self.pid == 0:
            signal.pause()
            os._exit(0)
        return self.pid

    def __exit__(self, *_):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def vector(address, length):
    return (ctypes.c_long * 2)(address, length)


def process_vm(number):
    mine = ctypes.create_string_buffer(64)
    with Child() as child:
        syscall(number, child, vector(ctypes.addressof(mine), 16), 1, vector(HERE, 16), 1, 0)


def trace():
    with Child() as child:
        syscall(101, 0x4206, child, 0, 0)  # PTRACE_SEIZE


def memory_file(flags):
    with Child() as child:
        fd = os.open(f"/proc/{child}/mem", flags)
        if flags == os.O_RDWR:
            os.pwrite(fd, b"x", HERE)
        os.close(fd)


def madvise():
    with Child() as child:
        syscall(440, syscall(434, child, 0), vector(HERE & ~(PAGE - 1), PAGE), 1, 20, 0)  # MADV_COLD


def in_child(call):
    """What changes the process for good."""
    child = os.fork()
    if child == 0:
        try:
            call()
        except OSError as error:
            os._exit(error.errno)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status:
        raise OSError(status, "")


def listener():
    program = (ctypes.c_byte * 8)(6, 0, 0, 0, 0, 0, 0xFF, 0x7F)  # return SECCOMP_RET_ALLOW
    wanted = ctypes.create_string_buffer(16)
    ctypes.c_ushort.from_buffer(wanted, 0).value = 1
    ctypes.c_long.from_buffer(wanted, 8).value = ctypes.addressof(program)
    libc.prctl(38, 1, 0, 0, 0)
    syscall(317, 1, 8, wanted)  # SECCOMP_SET_MODE_FILTER, NEW_LISTENER


def perf():
    attributes = ctypes.create_string_buffer(128)
    attributes[0:8] = (1).to_bytes(4, "little") + (128).to_bytes(4, "little")  # PERF_TYPE_SOFTWARE
    attributes[40:48] = (1 << 5 | 1 << 6).to_bytes(8, "little")  # exclude_kernel, exclude_hv
    syscall(298, attributes, 0, -1, -1, 0)


def bpf():
    attributes = ctypes.create_string_buffer(72)
    attributes[0:16] = b"".join(n.to_bytes(4, "little") for n in (2, 4, 8, 1))  # BPF_MAP_TYPE_ARRAY
    syscall(321, 0, attributes, 72)


def listmount():
    request = ctypes.create_string_buffer(24)
    request[0:4] = (24).to_bytes(4, "little")
    request[8:16] = b"\xff" * 8  # LSMT_ROOT
    ids = ctypes.create_string_buffer(8 * 512)
    syscall(458, request, ids, 512, 0)


def setns():
    syscall(308, os.open("/proc/self/ns/ipc", os.O_RDONLY), 0)


CALLS = {  # name: the call. Those that begin with "root_" are natively for root.
    "process_vm_readv": lambda: process_vm(310),
    "process_vm_writev": lambda: process_vm(311),
    "ptrace": trace,
    "PTRACE_TRACEME": lambda: in_child(lambda: syscall(101, 0, 0, 0, 0)),
    "write /proc/PID/mem": lambda: memory_file(os.O_RDWR),
    "process_madvise": madvise,
    "userfaultfd": lambda: syscall(323, 1),  # UFFD_USER_MODE_ONLY
    "add_key": lambda: syscall(248, b"user\0", b"scrim-test\0", b"x", 1, -3),  # the process keyring
    "keyctl": lambda: syscall(250, 0, -3, 1),
    "io_uring_setup": lambda: syscall(425, 4, ctypes.create_string_buffer(120)),
    "listmount": listmount,
    "NEW_LISTENER": lambda: in_child(listener),
    "clone3": lambda: in_child(lambda: syscall(435, ctypes.create_string_buffer(88), 88)),
    "root_perf_event_open": perf,
    "root_bpf": bpf,
    "root_setns": lambda: in_child(setns),
    "root_unshare": lambda: in_child(lambda: syscall(272, CLONE_NEWNS)),
    "root_clone": lambda: os.waitpid(in_clone(CLONE_NEWNS), 0),
}


def in_clone(flags):
    child = syscall(56, flags | signal.SIGCHLD, 0, 0, 0, 0)
    if child == 0:
        os._exit(0)
    return child


def main():
    if str(os.geteuid()) != os.environ["ESCAPE_EUID"]:
        sys.exit("not the user wanted")
    found = []
    for name, call in CALLS.items():
        try:
            call()
            found.append((name, "done"))
        except OSError as error:
            found.append((name, errno.errorcode.get(error.errno, str(error.errno))))
    print(json.dumps(found))


main()
