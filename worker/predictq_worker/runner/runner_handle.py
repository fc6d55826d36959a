"""The parent's side of one runner: a child process that holds one release and answers batches for it."""

import contextlib
import math
import threading
import time
from collections.abc import Generator, Sequence
from typing import Final, Self

from predictq_registry import Package
from predictq_worker.inference import Limits
from predictq_worker.runner.child_process import ChildProcess
from predictq_worker.runner.errors import ReleaseRefused, RunnerDied, RunnerKilled
from predictq_worker.runner.frames import BadFrame
from predictq_worker.runner.linux import private_of, rss_of
from predictq_worker.runner.messages import (
    Load,
    LoadReport,
    Predicted,
    load_frame,
    predict_frame,
    read_load_reply,
    read_predict_reply,
    stop_frame,
)
from predictq_worker.runner.nursery_handle import Nursery

__all__ = ["Runner"]

_NATURAL_END: Final = 0.5
"""Seconds between a runner's closing its socket and its end, before it is killed."""


class Runner:
    """One release in one process. One `predict` at a time; everything may be called from any thread.

    Attributes:
        pid: The process.
        loaded: What loading the release showed.
    """

    loaded: LoadReport

    def __init__(self, child: ChildProcess, limits: Limits) -> None:
        """A process that holds nothing yet; use `start`."""
        self.pid: Final = child.pid
        self._child: Final = child
        self._limits: Final = limits
        self._lock: Final = threading.Lock()
        self._ended: str | None = None

    @classmethod
    def start(cls, nursery: Nursery, package: Package, limits: Limits, load_timeout: float) -> Self:
        """A runner in which the release in `package` is loaded, checked and warm.

        Raises:
            ReleaseRefused: if the release must not serve.
            RunnerKilled: if it took longer than `load_timeout` seconds.
            RunnerDied: if the process died while it loaded, of it or of something else, or never stood.
        """
        runner = cls(ChildProcess.fork(nursery), limits)
        outcome = runner._load(Load(package, limits, nursery.trust), load_timeout)
        if isinstance(outcome, str):
            runner.close()
            raise ReleaseRefused(outcome)
        runner.loaded = outcome
        return runner

    def _load(self, load: Load, timeout: float) -> LoadReport | str:
        with self._conversation(timeout) as deadline:
            return read_load_reply(self._child.channel.ask(load_frame(load), deadline, 0, 0))

    def predict(
        self, method: str, content_type: str, bodies: Sequence[bytes], timeout: float | None = None
    ) -> Predicted:
        """One answer for each body, in order.

        Raises:
            RunnerDied: if the process is gone, or was killed since it did not answer within `timeout` seconds.
        """
        with self._conversation(timeout) as deadline:
            frame = predict_frame(method, content_type, bodies)
            most_bytes = len(bodies) * self._limits.max_answer_bytes
            reply = self._child.channel.ask(frame, deadline, len(bodies), most_bytes)
            return read_predict_reply(reply, len(bodies))

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._ended is None and not self._child.is_gone(0)

    def memory(self) -> int:
        """Bytes that the process shares with nobody; 0 once it has ended. Takes milliseconds."""
        if self._ended is not None:
            return 0
        private = private_of(self.pid)
        if private is None:  # it hides: what it said itself, and what it grew by since
            return max(self.loaded.memory + rss_of(self.pid) - self.loaded.rss, 0)
        return private

    def close(self, grace: float = 1.0) -> None:
        """Let what runs finish within `grace` seconds, then end the process. Its memory is free on return."""
        if not self._lock.acquire(timeout=grace):
            self._child.kill()
            self._lock.acquire()
        try:
            if self._ended is None:
                self._stop(grace)
                self._end("closed")
        finally:
            self._lock.release()

    def _stop(self, grace: float) -> None:
        with contextlib.suppress(EOFError, TimeoutError):
            self._child.channel.tell(stop_frame(), time.monotonic() + grace)
            self._child.is_gone(grace)

    @contextlib.contextmanager
    def _conversation(self, timeout: float | None) -> Generator[float]:
        """The deadline of one question and its answer; whatever breaks it off is the end of the process."""
        with self._lock:
            if self._ended is not None:
                raise RunnerDied(self._ended)
            try:
                yield math.inf if timeout is None else time.monotonic() + timeout
            except (TimeoutError, BadFrame, EOFError) as error:
                verdict = self._verdict(error, timeout)
                how = self._end(verdict)
                raise (RunnerKilled(how) if verdict else RunnerDied(how)) from None
            except BaseException:
                self._end("killed: the one who asked was interrupted")
                raise

    def _verdict(self, error: Exception, timeout: float | None) -> str | None:
        """Why we kill it; None if it ended by itself."""
        match error:
            case TimeoutError():
                return f"killed: no answer within {timeout:g} s"
            case BadFrame():
                return f"killed: it broke the protocol: {error}"
            case _:
                return None if self._child.is_gone(_NATURAL_END) else "killed: it closed its socket"

    def _end(self, verdict: str | None) -> str:
        how = self._child.bury()
        self._ended = verdict or how
        return self._ended
