"""Runs a command, and lets nothing that it has started outlive it: `python leash.py PARENT COMMAND…`.

It ends everything when the command ends, when it is told to (SIGTERM), and when the process PARENT that started it
dies, however that dies. Orphans become its own children, so that none gets away: some servers leave theirs behind.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

__all__ = ["children", "main"]

_GRACE = 8.0
_AWAITED = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT}
_SET_PDEATHSIG, _SET_CHILD_SUBREAPER = 1, 36


def children(pid: int) -> list[int]:
    """Those that live now, the oldest first."""
    found: list[int] = []
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # a thread that has ended meanwhile
            found += map(int, tasks.read_text().split())
    return found


def main() -> int:
    """Returns what the command returned."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    signal.pthread_sigmask(signal.SIG_BLOCK, _AWAITED)
    _prctl(_SET_CHILD_SUBREAPER, 1)
    _prctl(_SET_PDEATHSIG, signal.SIGTERM)
    process = subprocess.Popen(command, preexec_fn=_in_command)  # noqa: PLW1509, S603  our own; it has no threads
    _close_what_it_talks_through()
    told = False
    while process.poll() is None and not told and os.getppid() == parent:
        found = signal.sigtimedwait(_AWAITED, 1.0)
        told = found is not None and found.si_signo != signal.SIGCHLD
    _end(process)
    return process.returncode


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _in_command() -> None:
    """Before the command begins: signals as usual, and the end if we are killed."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _AWAITED)
    _prctl(_SET_PDEATHSIG, signal.SIGKILL)


def _close_what_it_talks_through() -> None:
    """A pipe ends when nobody holds it any more: not we."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for pipe in (0, 1):
        os.dup2(nothing, pipe)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask the command to leave, and then end whoever is left."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_GRACE)
    while left := list(_living()):
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)  # orphans come to us
    process.wait()


def _living() -> Iterator[int]:
    """Our children that have not ended; those that have are buried."""
    for pid in children(os.getpid()):
        with contextlib.suppress(ChildProcessError):
            if os.waitpid(pid, os.WNOHANG) == (0, 0):
                yield pid


if __name__ == "__main__":
    sys.exit(main())
