"""System calls that no model needs, refused by the kernel with EPERM: a seccomp filter in classic BPF.

What is left of sockets is pairs of local ones. See seccomp(2), and linux/filter.h for the instructions.
"""

import ctypes
import os
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from predictq_sandbox.rights import libc

__all__ = ["refuse_calls"]

_PR_SET_SECCOMP: Final = 22
_FILTER: Final = 2
_SPEC_ALLOW: Final = 4
"""Without it old kernels slow the process down against an attack that this filter is not about."""

_LOAD: Final = 0x20
_EQUAL: Final = 0x15
_AT_LEAST: Final = 0x35
_RETURN: Final = 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_ALLOW: Final = 0x7FFF0000
_EPERM: Final = 0x00050001
_AF_UNIX: Final = 1
_FOREIGN: Final = 0x40000000
"""Calls of the x32 ABI have this bit; no number of the others comes near it."""


class _Machine(NamedTuple):
    """How one processor architecture numbers the calls."""

    architecture: int
    seccomp: int
    socket: int
    refused: tuple[int, ...]


# In this order: connect ptrace process_vm_readv process_vm_writev pidfd_getfd bpf perf_event_open userfaultfd
# io_uring_setup setns mount umount2 pivot_root chroot add_key request_key keyctl open_by_handle_at
# init_module finit_module kexec_load kexec_file_load reboot sched_setaffinity
_X86_64: Final = (
    *(42, 101, 310, 311, 438, 321, 298, 323, 425, 308, 165, 166, 155, 161),
    *(248, 249, 250, 304, 175, 313, 246, 320, 169, 203),
)
_AARCH64: Final = (
    *(203, 117, 270, 271, 438, 280, 241, 282, 425, 268, 40, 39, 41, 51),
    *(217, 218, 219, 265, 105, 273, 104, 294, 142, 122),
)
_MACHINES: Final = {
    "x86_64": _Machine(0xC000003E, 317, 41, _X86_64),
    "aarch64": _Machine(0xC00000B7, 277, 198, _AARCH64),
}


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def refuse_calls() -> bool:
    """Install the filter, for this process and its children; whether it could. `gain_no_privileges` comes first."""
    machine = _MACHINES.get(os.uname().machine)
    if machine is None:
        return False
    code = b"".join(_instructions(machine))
    program = ctypes.byref(_Program(len(code) // 8, code))
    return (
        int(libc.syscall(machine.seccomp, 1, _SPEC_ALLOW, program)) == 0
        or int(libc.prctl(_PR_SET_SECCOMP, _FILTER, program, 0, 0)) == 0
    )


def _instructions(machine: _Machine) -> Iterator[bytes]:
    """Eight bytes each. A jump counts the instructions that it skips, if it is true and if it is not."""
    refused = machine.refused
    yield _instruction(_LOAD, _ARCHITECTURE)
    yield _instruction(_EQUAL, machine.architecture, 1, 0)
    yield _instruction(_RETURN, _EPERM)
    yield _instruction(_LOAD, _NUMBER)
    yield _instruction(_AT_LEAST, _FOREIGN, len(refused) + 3, 0)
    for place, number in enumerate(refused):
        yield _instruction(_EQUAL, number, len(refused) - place + 2, 0)
    yield _instruction(_EQUAL, machine.socket, 0, 3)
    yield _instruction(_LOAD, _FIRST_ARGUMENT)
    yield _instruction(_EQUAL, _AF_UNIX, 1, 0)
    yield _instruction(_RETURN, _EPERM)
    yield _instruction(_RETURN, _ALLOW)


def _instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)
