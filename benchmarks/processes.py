"""Processes of a turn: started in sessions of their own, ended by their ids, and what they have used."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

__all__ = ["Child", "cpu_seconds", "family", "memory_bytes"]

_TICKS = os.sysconf("SC_CLK_TCK")
_LEAVE = 10.0


class Child:
    """A process of ours, and whatever it starts.

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
                command,
                env=environment,
                cwd=cwd,
                stdin=pipe if talks else subprocess.DEVNULL,
                stdout=pipe if talks else file,
                stderr=file,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Of the process itself."""
        return self.process.pid

    def last_words(self) -> str:
        """The end of its log."""
        lines = [line for line in self._log.read_text(errors="replace").splitlines() if line.strip()]
        return " | ".join(lines[-3:])[-500:] or "it said nothing"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Ask it to leave, and end what is left of its session."""
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        members = list(family(self.pid))
        self._signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(_LEAVE)
        self._signal(signal.SIGKILL)
        self.process.wait()
        for member in members:  # some start a session of their own
            _end(member)

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self.pid, number)  # its session's group has its id
        except ProcessLookupError:
            return


def _end(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def family(pid: int) -> Iterator[int]:
    """The process and all its descendants that live now."""
    yield pid
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = tasks.read_text().split()
        except OSError:  # a thread that has ended meanwhile
            continue
        for child in children:
            yield from family(int(child))


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
