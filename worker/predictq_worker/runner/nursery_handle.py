"""The parent's side of the nursery: keep one alive, and have it fork runners."""

import logging
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

import orjson

from predictq_registry import Trust
from predictq_sandbox import Confinement, restrict
from predictq_worker.runner.environment import runner_environment
from predictq_worker.runner.errors import RunnerDied
from predictq_worker.runner.messages import MAX_CONTROL_BYTES
from predictq_worker.runner.scratch import Scratch

__all__ = ["Allowance", "Birth", "Nursery"]

_logger = logging.getLogger(__name__)

_PROGRAM: Final = (
    "from predictq_sandbox import confine; denied = confine(); "
    "from predictq_worker.runner.nursery import main; main(denied)"
)
_PATIENCE: Final = 60.0
"""Seconds a nursery may take to answer; at first it imports scikit-learn, on a busy machine."""
_FAREWELL: Final = 5.0
"""Seconds a nursery may take to end once its socket is closed."""


class Birth(NamedTuple):
    """A runner's process: its pid, and which nursery it was born in."""

    pid: int
    birthplace: int


class Allowance(NamedTuple):
    """What each runner may use.

    Attributes:
        memory: Private bytes of each of its processes; 0: any.
        cpus: Processors; 0: all.
    """

    memory: int = 0
    cpus: int = 0


_ANYTHING: Final = Allowance()


class _Living(NamedTuple):
    process: subprocess.Popen[bytes]
    control: socket.socket


class Nursery:
    """A clean process from which runners are forked in milliseconds. Thread-safe.

    If it dies, the next request starts another one; the runners it had forked go on. `close` ends it and them.
    """

    def __init__(
        self, threads_per_runner: int = 1, *, allowance: Allowance = _ANYTHING, trust: Trust | None = None
    ) -> None:
        """A nursery whose runners may each use that many threads for BLAS, OpenMP and joblib.

        `trust`: whose releases they load; if not given, what `Trust.of` says whenever one is loaded, since a user's
        own key may be younger than this worker.
        """
        self._trust: Final = trust
        self._threads: Final = threads_per_runner
        self._allowance: Final = allowance
        self._lock: Final = threading.Lock()
        self._living: _Living | None = None
        self._confinement: Confinement | None = None
        self._scratch: Scratch | None = None
        self._generation = 0
        self._closed = False

    def start(self) -> None:
        """Start the process, without waiting for its imports; `RunnerDied` if the machine has none to spare."""
        with self._lock:
            self._closed = False
            self._get()

    def close(self) -> None:
        """End it, and every runner that it still has. No runner is forked any more."""
        with self._lock:
            self._closed = True
            self._put_away()
            if self._scratch is not None:
                self._scratch.close()
                self._scratch = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def trust(self) -> Trust:
        """Whose releases its runners load from now on; `InvalidKey` if this user's own key cannot be read."""
        return self._trust or Trust.of()

    @property
    def pid(self) -> int | None:
        """The process; None if it does not run."""
        living = self._living
        return living.process.pid if living else None

    def fork(self, channel: int, lifeline: int) -> Birth:
        """A new runner process that speaks on the socket `channel` and dies with the pipe `lifeline`.

        Raises:
            RunnerDied: if none could be started.
        """
        with self._lock:
            match self._ask(self._get(), {"op": "fork"}, (channel, lifeline)):
                case {"pid": int(pid)}:
                    restrict(pid, *self._allowance)
                    return Birth(pid, self._generation)
                case {"error": str(reason)}:
                    raise RunnerDied(reason)
                case _:
                    raise RunnerDied("no runner could be started: the nursery ended, see its messages on stderr")

    def confinement(self) -> Confinement:
        """What its runners cannot do; `RunnerDied` if it cannot be started."""
        with self._lock:
            try:
                return self._hear(self._get())
            except (OSError, TypeError) as error:
                raise RunnerDied("the nursery ended at once, see its messages on stderr") from error

    def reap(self, birth: Birth) -> int | None:
        """The wait status of a child that has ended; None where nobody knows it any more."""
        with self._lock:
            if self._scratch is not None:
                self._scratch.forget(birth.pid)
            if self._living is None or birth.birthplace != self._generation:
                return _reap_orphan(birth.pid)
            match self._ask(self._living, {"op": "reap", "pid": birth.pid}, ()):
                case {"status": int(status)}:
                    return status
                case _:
                    return _reap_orphan(birth.pid)

    def _ask(self, living: _Living, request: dict[str, Any], descriptors: Sequence[int]) -> object:
        """The nursery's answer; None if it died instead, and is put away. Never asked twice: both might be done."""
        try:
            self._hear(living)
            socket.send_fds(living.control, [orjson.dumps(request)], descriptors)
            answer = living.control.recv(MAX_CONTROL_BYTES)
        except (OSError, TypeError):  # broken, reset, no answer in time, or it ended before it said anything
            answer = b""
        if answer:
            return orjson.loads(answer)
        self._put_away()
        return None

    def _hear(self, living: _Living) -> Confinement:
        """What a nursery says first, once: what the kernel denies its runners."""
        if self._confinement is None:
            self._confinement = Confinement(**orjson.loads(living.control.recv(MAX_CONTROL_BYTES) or b"{}"))
            about = {**self._confinement._asdict(), **self._allowance._asdict()}
            _logger.info("runners are confined", extra=about)
        return self._confinement

    def _get(self) -> _Living:
        """The nursery that lives, or a new one."""
        if self._closed:
            raise RunnerDied("no runner is started any more: the worker is stopping")
        if self._living is not None and self._living.process.poll() is not None:
            self._put_away()
        if self._living is None:
            self._generation += 1
            self._confinement = None
            self._scratch = self._scratch or Scratch.make()
            self._living = _spawn(self._threads, self._scratch.path)
        return self._living

    def _put_away(self) -> None:
        living, self._living = self._living, None
        if living is None:
            return
        living.control.close()
        try:
            living.process.wait(_FAREWELL)
        except subprocess.TimeoutExpired:
            living.process.kill()
            living.process.wait()


def _spawn(threads: int, scratch: Path | None) -> _Living:
    environment = runner_environment(os.environ, sys.path, threads)
    if scratch is not None:
        environment["TMPDIR"] = str(scratch)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        try:
            process = subprocess.Popen(  # noqa: S603  our own program
                [sys.executable, "-P", "-c", _PROGRAM],
                stdin=theirs.fileno(),
                env=environment,
                close_fds=True,
            )
        except OSError as error:
            ours.close()
            raise RunnerDied(f"no nursery could be started: {error}") from error
    ours.settimeout(_PATIENCE)
    return _Living(process, ours)


def _reap_orphan(pid: int) -> int | None:
    """Orphans of a dead nursery come to the process with pid 1, which in a container is this one."""
    try:
        done, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return None
    return status if done else None
