"""What the kernel does for a runner: die with its parent, be killed first when memory is short, tell its size.

A `lifeline` is a pipe whose write end only the parent holds and into which nothing is ever written. When the parent
ends, however it ends, the kernel closes it and signals the runner's process group, even if C code holds the GIL
and even if the nursery is gone. (PR_SET_PDEATHSIG would follow the nursery, and the thread that started it.)
"""

import contextlib
import ctypes
import fcntl
import os
import signal
from pathlib import Path
from typing import Final

__all__ = [
    "arm_lifeline",
    "die_before_the_parent",
    "give_memory_back",
    "give_way",
    "keep_freed_memory",
    "kill_group",
    "private_of",
    "rss_of",
    "set_name",
]

_F_SETSIG: Final = 10
_PR_SET_NAME: Final = 15
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_KEPT: Final = 32 << 20
"""Bytes; the most that glibc takes for either."""
_LAST: Final = 19
_OOM_SCORE: Final = "500"
_OF_ITS_OWN: Final = frozenset({"Private_Clean", "Private_Dirty", "Private_Hugetlb", "SwapPss"})


def arm_lifeline(read_end: int) -> None:
    """Kill this process's group when the write end of the pipe is closed."""
    fcntl.fcntl(read_end, fcntl.F_SETOWN, -os.getpgrp())
    fcntl.fcntl(read_end, _F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(read_end, fcntl.F_SETFL, fcntl.fcntl(read_end, fcntl.F_GETFL) | os.O_ASYNC)


def die_before_the_parent() -> None:
    """Where memory runs out, let the kernel choose this process rather than the worker, which answers for it."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE)


def give_way(pid: int) -> None:
    """Let process `pid` have only such time of the processors as nobody else wants; without rights, for ever."""
    with contextlib.suppress(OSError):  # it has just ended
        for thread in Path(f"/proc/{pid}/task").iterdir():
            os.setpriority(os.PRIO_PROCESS, int(thread.name), _LAST)


def set_name(name: str) -> None:
    """How `ps` and `top` show this process; at most 15 bytes are kept."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_NAME, name.encode()[:15], 0, 0, 0)


def keep_freed_memory() -> None:
    """Have malloc keep what is freed for the next batch, up to 32 MiB, instead of giving it back to the kernel, from
    which each page comes back zeroed, one fault at a time. Without glibc nothing is changed.
    """
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, _KEPT)
        libc.mallopt(_M_TRIM_THRESHOLD, _KEPT)


def give_memory_back() -> None:
    """Have malloc give the kernel what is free at the moment. Without glibc nothing happens."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def rss_of(pid: int) -> int:
    """Resident bytes of process `pid`; 0 if it is gone."""
    try:
        resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0
    return resident * os.sysconf("SC_PAGE_SIZE")


def private_of(pid: int) -> int | None:
    """Bytes that process `pid` shares with nobody, swapped ones among them: what its end gives back.

    0 if it is gone; None if it hides from us, as a runner does that could not have a user namespace of its own.
    """
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except PermissionError:
        return None
    except OSError:
        return 0
    fields = (line.partition(":") for line in lines)
    return 1024 * sum(int(value.split()[0]) for name, _, value in fields if name in _OF_ITS_OWN)


def kill_group(pid: int) -> None:
    """Kill the process group that `pid` leads: it and whatever its model started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
