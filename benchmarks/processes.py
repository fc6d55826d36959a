"""Processes of a turn: how they are started and ended, and what they have used."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

from leash import children

__all__ = ["Child", "cpu_seconds", "family", "memory_bytes", "settle_down"]

_TICKS = os.sysconf("SC_CLK_TCK")
_LEASH = str(Path(__file__).with_name("leash.py"))


class Child:
    """A process of ours, on a leash: nothing that it starts outlives it, or us; see `leash`.

    Args:
        command: What to run.
        environment: All of it.
        log: Where its error output goes, and its output unless that is piped.
        cwd: Where it runs.
        talks: It reads and writes lines.
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], log: Path, cwd: Path, *, talks: bool = False
    ) -> None:
        pipe = subprocess.PIPE
        self._log = log
        with log.open("ab") as file:
            self.process: subprocess.Popen[bytes] = subprocess.Popen(  # noqa: S603  our own
                [sys.executable, "-S", _LEASH, str(os.getpid()), *command],
                env=environment,
                cwd=cwd,
                stdin=pipe if talks else subprocess.DEVNULL,
                stdout=pipe if talks else file,
                stderr=file,
                start_new_session=True,
            )
        self.pid = self._started()

    def _started(self) -> int:
        """The command's own id; the leash's, if it has ended already."""
        while self.process.poll() is None:
            if found := children(self.process.pid):
                return found[0]
            time.sleep(0.005)
        return self.process.pid

    def last_words(self) -> str:
        """The end of its log."""
        lines = [line for line in self._log.read_text(errors="replace").splitlines() if line.strip()]
        return " | ".join(lines[-3:])[-500:] or "it said nothing"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Have it and all that it has started ended; nothing of it lives when this returns."""
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        self.process.terminate()
        self.process.wait()


def family(pid: int) -> Iterator[int]:
    """The process and all its descendants that live now."""
    yield pid
    for child in children(pid):
        yield from family(child)


def cpu_seconds(pids: Sequence[int]) -> float:
    """Processor time of these and of the children they have buried."""
    return sum(_cpu(pid) for pid in pids)


def _cpu(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:  # it has ended
        return 0.0
    return sum(map(int, fields[11:15])) / _TICKS


def memory_bytes(pids: Sequence[int]) -> int:
    """What these processes hold, memory that is shared counted once in all (the kernel's `Pss`)."""
    return sum(_pss(pid) for pid in pids)


def _pss(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:  # it has ended
        return 0
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:")), 0)


def settle_down(pid: int, within: float = 5.0) -> None:
    """Return when the family uses no processor time any more, or after `within` seconds."""
    deadline = time.monotonic() + within
    used = -1.0
    while time.monotonic() < deadline:
        now = cpu_seconds(list(family(pid)))
        if now - used < 0.02:
            return
        used = now
        time.sleep(0.3)
