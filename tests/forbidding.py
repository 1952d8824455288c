"""Runs a program where the system forbids something, as some sandboxes and containers do: Linux on x86-64 and ARM64.

python forbidding.py WHAT COMMAND..., where WHAT is "fork" (new processes; threads are allowed) or "setsid" (sessions).
A filter of the kernel (seccomp) refuses the system calls, in this process and in all that it becomes.
"""

import ctypes
import errno
import os
import platform
import struct
import sys

CALLS = {
    "x86_64": {"setsid": 112, "clone": 56, "clone3": 435, "fork": 57, "vfork": 58},
    "aarch64": {"setsid": 157, "clone": 220, "clone3": 435},
}
CLONE_THREAD = 0x10000

LOAD, IF_EQUAL, IF_BIT, RETURN = 0x20, 0x15, 0x45, 0x06
NUMBER, FIRST_ARGUMENT = 0, 16
"""Where the kernel's description of a system call has its number, and the low half of its first argument."""
ALLOW, REFUSE = 0x7FFF0000, 0x00050000

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2

Instruction = tuple[int, int, int, int]


def program(what: str) -> list[Instruction]:
    """The filter: its code, where to go on if a condition holds and if not, and a value."""
    calls = CALLS[platform.machine()]
    if what == "setsid":
        return [(LOAD, 0, 0, NUMBER), *refused(calls["setsid"], errno.EPERM), (RETURN, 0, 0, ALLOW)]
    steps = [(LOAD, 0, 0, NUMBER), *refused(calls["clone3"], errno.ENOSYS)]
    for name in ("fork", "vfork"):
        if name in calls:
            steps += refused(calls[name], errno.EAGAIN)
    # Without clone3, threads come from clone as well.
    steps += [(IF_EQUAL, 0, 3, calls["clone"]), (LOAD, 0, 0, FIRST_ARGUMENT), (IF_BIT, 1, 0, CLONE_THREAD)]
    return [*steps, (RETURN, 0, 0, REFUSE | errno.EAGAIN), (RETURN, 0, 0, ALLOW)]


def refused(number: int, error: int) -> list[Instruction]:
    return [(IF_EQUAL, 0, 1, number), (RETURN, 0, 0, REFUSE | error)]


def forbid(what: str) -> None:
    steps = b"".join(struct.pack("=HBBI", *step) for step in program(what))
    code = ctypes.create_string_buffer(steps, len(steps))
    described = struct.pack("@HP", len(steps) // 8, ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    for arguments in ((PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, described, 0, 0)):
        if libc.prctl(*arguments) != 0:
            raise OSError(ctypes.get_errno(), "the kernel takes no filter")


if __name__ == "__main__":
    forbid(sys.argv[1])
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606 - no shell is wanted
