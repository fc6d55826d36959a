"""Stopping a process with SIGSTOP."""

import os
import signal
from pathlib import Path

from workers import eventually

__all__ = ["freeze", "stop"]


def stop(pid: int) -> None:
    """Stop it in mid-air, every thread of it."""
    os.kill(pid, signal.SIGSTOP)
    eventually(lambda: _stands(pid), "all its threads stand")


def freeze(pid: int) -> None:
    """Stop it, but not while it holds the one lock of an embedded broker, which would stop everybody with it."""
    stop(pid)
    while _holds_a_lock(pid):
        os.kill(pid, signal.SIGCONT)
        eventually(lambda: not _holds_a_lock(pid), "it gives the lock back")
        stop(pid)


def _stands(pid: int) -> bool:
    states = {_state(task) for task in Path(f"/proc/{pid}/task").iterdir()}
    assert states <= set("RSDTt"), f"pid {pid} ended"
    return states <= set("Tt")


def _state(task: Path) -> str:
    try:
        return (task / "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:  # a thread that ended while we looked
        return "T"


def _holds_a_lock(pid: int) -> bool:
    """Whether it may write to a file that others share: SQLite's locks, and no others here, are POSIX locks."""
    locks = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    return any(["POSIX", "ADVISORY", "WRITE", str(pid)] == lock[1:5] for lock in locks)
