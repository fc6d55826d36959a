"""Files that a process may no longer write, and processes that it may no longer signal: Landlock, see landlock(7)."""

import ctypes
import os
import stat
import struct
from collections.abc import Iterable
from typing import Final

from predictq_sandbox.rights import libc

__all__ = ["deny_writing", "landlock_version"]

_CREATE, _ADD, _RESTRICT = 444, 445, 446
_VERSION_PLEASE: Final = 1
_PATH_BENEATH: Final = 1

_CHANGES: Final = 0x1FF2
"""To write to a file, to make and to remove one of any kind."""
_RENAMES, _TRUNCATES = 0x2000, 0x4000
_ON_A_FILE: Final = 0x2 | _TRUNCATES
_SIGNALS_AND_ABSTRACT_SOCKETS: Final = 0x3


def landlock_version() -> int:
    """What this kernel knows of it; 0: nothing."""
    return max(int(libc.syscall(_CREATE, None, ctypes.c_size_t(0), _VERSION_PLEASE)), 0)


def deny_writing(but: Iterable[str]) -> bool:
    """Let this process, and what it starts, change no file but these and what is below them; whether that could be.

    Where the kernel can, it sends no signal to a process that is not so confined, either. `gain_no_privileges` comes
    first. What is open already stays so; of `but`, what is not there is left out.
    """
    version = landlock_version()
    if not version:
        return False
    rights = _CHANGES | (_RENAMES if version >= 2 else 0) | (_TRUNCATES if version >= 3 else 0)
    asked = struct.pack("=QQQ", rights, 0, _SIGNALS_AND_ABSTRACT_SOCKETS)
    size = 24 if version >= 6 else 8
    ruleset = int(libc.syscall(_CREATE, asked, ctypes.c_size_t(size), 0))
    if ruleset < 0:
        return False
    try:
        for path in but:
            _allow(ruleset, path, rights)
        return int(libc.syscall(_RESTRICT, ruleset, 0)) == 0
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        folder = stat.S_ISDIR(os.fstat(place).st_mode)
        rule = struct.pack("=Qi", rights if folder else rights & _ON_A_FILE, place)
        libc.syscall(_ADD, ruleset, _PATH_BENEATH, rule, 0)
    finally:
        os.close(place)
