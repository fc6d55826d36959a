"""The processes of a run: producers, subscribers and workers, each with what is needed to harm it and begin it anew."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from faults.chaos.clock import Clock
from workers import WorkerProcess, children, python_env

__all__ = ["QUEUE", "Actor", "Asker", "Reader", "Worker"]

QUEUE: Final = "chaos-results"
"""The durable result queue."""


class Actor:
    """One of our own processes beside the workers; begun anew, it is another life under the same name."""

    def __init__(self, name: str, directory: Path, module: str) -> None:
        self.name = name
        self.life = 0
        self.journal = directory / f"{name}.journal"
        self._module = module
        self._log = (directory / f"{name}.log").open("ab")
        self.process: subprocess.Popen[bytes] | None = None

    def arguments(self) -> Sequence[str]:
        """What to start it with."""
        raise NotImplementedError

    def start(self) -> None:
        """Begin, or begin anew."""
        self.life += 1
        command = [sys.executable, "-m", self._module, *self.arguments()]
        self.process = subprocess.Popen(command, env=python_env(), stderr=self._log)

    @property
    def pid(self) -> int:
        """Its process."""
        assert self.process is not None
        return self.process.pid

    def code(self) -> int | None:
        """Its exit code; None while it runs."""
        assert self.process is not None
        return self.process.poll()

    def kill(self) -> int:
        """kill -9; returns its exit code."""
        assert self.process is not None
        self.process.kill()
        return self.process.wait(10)

    def ask_to_stop(self) -> None:
        """SIGTERM."""
        assert self.process is not None
        self.process.terminate()

    def close(self) -> None:
        """However it stands, it ends now."""
        if self.process is not None and self.process.poll() is None:
            self.kill()
        self._log.close()


class Asker(Actor):
    """A producer."""

    def __init__(self, kind: str, directory: Path, url: str, rate: float, seed: int) -> None:
        super().__init__(kind, directory, "faults.chaos.producer")
        self.kind = kind
        self._settings = (url, rate, seed)

    @property
    def prefix(self) -> str:
        """What the ids of this life begin with."""
        return f"{self.name}.{self.life}"

    def arguments(self) -> Sequence[str]:
        """As `Actor.arguments`."""
        url, rate, seed = self._settings
        return [self.kind, url, str(self.journal), self.prefix, str(seed + self.life), str(rate), QUEUE]


class Reader(Actor):
    """A subscriber."""

    def __init__(self, number: int, directory: Path, url: str) -> None:
        super().__init__(f"subscriber-{number}", directory, "faults.chaos.subscriber")
        self._url = url

    def arguments(self) -> Sequence[str]:
        """As `Actor.arguments`."""
        return [self._url, QUEUE, str(self.journal)]


class Worker(WorkerProcess):
    """A worker with a clock of its own."""

    clock: Clock

    def nursery(self) -> int | None:
        """What forks its runners."""
        return next((pid for pid in self._direct() if _comm(pid) == "pq-nursery"), None)

    def _direct(self) -> list[int]:
        every = children(self.pid)
        indirect = {pid for child in every for pid in children(child)}
        return [pid for pid in every if pid not in indirect]

    def count(self, event: str) -> int:
        """How often its log tells of `event`."""
        return sum(found["event"] == event for found in list(self.events))


def _comm(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""
