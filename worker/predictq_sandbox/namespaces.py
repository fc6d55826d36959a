"""Namespaces of one's own: nobody to talk to, no capability that counts outside, no neighbour who may look in."""

import contextlib
import ctypes
import os
from pathlib import Path
from typing import Final

from predictq_sandbox.rights import libc

__all__ = ["drop_capabilities", "leave_mounts", "leave_neighbours", "leave_network"]

_CLONE_NEWNS: Final = 0x00020000
_CLONE_NEWUSER: Final = 0x10000000
_CLONE_NEWNET: Final = 0x40000000
_CAPABILITY_VERSION: Final = 0x20080522


def leave_network() -> bool:
    """Enter a network in which there is only a loopback, and it is down; whether that could be."""
    return _enter(_CLONE_NEWUSER | _CLONE_NEWNET)


def leave_mounts() -> bool:
    """See the files that others see, and mount over them unseen by others; needs a user namespace of one's own."""
    return int(libc.unshare(_CLONE_NEWNS)) == 0


def leave_neighbours() -> bool:
    """Be where other processes of this user, but not their common parent, may not look into our memory; if possible."""
    return _enter(_CLONE_NEWUSER)


def _enter(flags: int) -> bool:
    user, group = os.geteuid(), os.getegid()
    if libc.unshare(flags) != 0:
        return False
    with contextlib.suppress(OSError):  # unmapped, one is nobody, with the same rights to files
        Path("/proc/self/setgroups").write_text("deny")
    with contextlib.suppress(OSError):
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    return True


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def drop_capabilities() -> bool:
    """Have no capability, not even in one's own namespace; whether there is none now."""
    header = _Header(_CAPABILITY_VERSION, 0)
    return int(libc.capset(ctypes.byref(header), ctypes.byref((_Sets * 2)()))) == 0
