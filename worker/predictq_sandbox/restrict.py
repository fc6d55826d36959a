"""Limits that a parent sets for one child."""

import os
import resource
from typing import Final

__all__ = ["restrict"]

_NO_LIMIT: Final = 0


def restrict(pid: int, memory: int, cpus: int) -> None:
    """Let process `pid`, and each that it starts, have at most `memory` private bytes and `cpus` processors; 0: any.

    What counts is what can be written and is shared with nobody (RLIMIT_DATA): neither programs and libraries nor
    address space that is only reserved, of which threads and BLAS take gigabytes. More is a MemoryError there.

    Raises:
        OSError: if the kernel refuses, or there is no such process.
    """
    if memory != _NO_LIMIT:
        resource.prlimit(pid, resource.RLIMIT_DATA, (memory, memory))
    if cpus != _NO_LIMIT:
        os.sched_setaffinity(pid, _some_of(sorted(os.sched_getaffinity(0)), cpus, pid))


def _some_of(processors: list[int], count: int, turn: int) -> list[int]:
    """`count` of them, beginning elsewhere for each turn, so that children are spread over all."""
    first = turn % len(processors)
    return [*processors[first:], *processors[:first]][:count]
