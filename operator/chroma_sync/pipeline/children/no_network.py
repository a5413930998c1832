"""No network for this process and all that it starts: what hostile input asks for by an address is
never asked for."""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
import sys
from typing import Final

_SET_NO_NEW_PRIVILEGES: Final = 38
_SET_SECCOMP: Final = 22
_FILTER: Final = 2
# Of each kind of machine: its number for the kernel, and that of the system call `socket`.
_MACHINES: Final = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}
_IO_URING_SETUP: Final = 425  # of all machines: it could open a socket too
_X32: Final = 0x40000000  # system calls in another numbering
_LOCAL: Final = 1  # AF_UNIX
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW: Final = 0x7FFF0000
_REFUSE: Final = 0x00050000 | errno.EACCES
_NUMBER, _MACHINE, _FIRST_ARGUMENT = 0, 4, 16  # offsets of what the filter sees


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def forbid_network() -> bool:
    """Let the kernel refuse every socket but those within the machine, for good. Returns whether it
    does: only Linux can, and not in all surroundings."""
    machine = _MACHINES.get(platform.machine())
    if sys.platform != "linux" or machine is None:
        return False
    packed = b"".join(struct.pack("HBBI", *step) for step in _steps(*machine))
    held = ctypes.create_string_buffer(packed, len(packed))
    program = _Program(len(packed) // 8, ctypes.cast(held, ctypes.c_void_p))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0) != 0:
        return False
    done: int = libc.prctl(_SET_SECCOMP, _FILTER, ctypes.byref(program), 0, 0)
    return done == 0


def _steps(machine: int, socket: int) -> list[tuple[int, int, int, int]]:
    """A filter in Berkeley's form: an operation, how far to jump if so and if not, a value."""
    return [
        (_LOAD, 0, 0, _MACHINE),
        (_EQUAL, 0, 7, machine),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 5, 0, _X32),
        (_EQUAL, 4, 0, _IO_URING_SETUP),
        (_EQUAL, 0, 2, socket),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_EQUAL, 0, 1, _LOCAL),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    ]
