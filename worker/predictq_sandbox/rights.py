"""Rights that a process gives up by prctl."""

import ctypes
from typing import Final

__all__ = ["gain_no_privileges", "hide", "libc"]

_PR_SET_DUMPABLE: Final = 4
_PR_SET_NO_NEW_PRIVS: Final = 38

libc: Final = ctypes.CDLL(None, use_errno=True)


def gain_no_privileges() -> bool:
    """No program started from here can have more rights than this one, by setuid or otherwise."""
    return int(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) == 0


def hide() -> bool:
    """Other processes of this user can neither look into this one's memory nor read its environment."""
    return int(libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)) == 0
