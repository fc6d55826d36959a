"""The parent's side of one child process, and the releases it holds: as a rule one, and many where they share it."""

import contextlib
import itertools
import math
import threading
import time
from collections.abc import Generator, Sequence
from typing import Final, NamedTuple

from predictq_worker.runner.child_process import ChildProcess
from predictq_worker.runner.errors import ReleaseRefused, RunnerDied, RunnerGone, RunnerKilled
from predictq_worker.runner.frames import BadFrame
from predictq_worker.runner.linux import private_of, rss_of
from predictq_worker.runner.messages import (
    Load,
    LoadReport,
    Predicted,
    Question,
    forget_frame,
    load_frame,
    predict_frame,
    read_load_reply,
    read_replies,
    stop_frame,
)
from predictq_worker.runner.nursery_handle import Nursery

__all__ = ["Host"]

_NATURAL_END: Final = 0.5
"""Seconds between a process's closing its socket and its end, before it is killed."""
_FORGETS_WITHIN: Final = 10.0
_SEVERAL: Final = 2
_STAYS_TRUE: Final = 0.5


class _Measured(NamedTuple):
    """Bytes that were found, and until when that is believed."""

    memory: int
    until: float


_UNKNOWN: Final = _Measured(0, -math.inf)


class Host:
    """A process that is asked one thing at a time, from any thread. It ends with the last release that it holds.

    Attributes:
        pid: The process.
    """

    def __init__(self, nursery: Nursery) -> None:
        """A process out of `nursery` that holds nothing yet.

        Raises:
            RunnerDied: if there is none to be had.
        """
        self._child: Final = ChildProcess.fork(nursery)
        self.pid: Final = self._child.pid
        self._lock: Final = threading.Lock()
        self._numbers: Final = itertools.count()
        self._held: Final[set[int]] = set()
        self._to_forget: Final[set[int]] = set()
        self._asked: frozenset[int] = frozenset()
        """The releases whose questions are on their way."""
        self._latest = LoadReport(0.0, 0)
        self._measured = _UNKNOWN
        self._ended: str | None = None

    def load(self, load: Load, timeout: float) -> tuple[int, LoadReport]:
        """Load a release, check it and warm it up; returns the number that it has here, and what that showed.

        Raises:
            ReleaseRefused: if it must not serve; then it is not here.
            RunnerGone: if the process had ended before.
            RunnerKilled: if it took longer than `timeout` seconds.
            RunnerDied: if the process died meanwhile, of it or of something else.
        """
        number = next(self._numbers)
        with self._conversation(frozenset({number}), timeout) as deadline:
            outcome = read_load_reply(self._child.channel.ask(load_frame(number, load), deadline, 0, 0))
            if isinstance(outcome, LoadReport):
                self._held.add(number)
                self._latest = outcome
        if isinstance(outcome, str):
            self.forget(number)
            raise ReleaseRefused(outcome)
        return number, outcome

    def predict(self, questions: Sequence[Question]) -> list[Predicted]:
        """For each question its release's answer to each body, in order.

        Raises:
            RunnerGone: if the process had ended before, or ended while it was asked several questions at once.
            RunnerDied: if it ended of the only one, or was killed since it did not answer in time.
        """
        try:
            return self._ask(questions)
        except RunnerDied as death:
            raise death if len(questions) == 1 else RunnerGone(death.reason) from None

    def _ask(self, questions: Sequence[Question]) -> list[Predicted]:
        asked = frozenset([question.number for question in questions])
        with self._conversation(asked, questions[0].timeout) as deadline:
            if not asked <= self._held:
                raise RunnerGone("closed")
            counts = [len(question.bodies) for question in questions]
            most_bytes = sum([question.most_bytes for question in questions])
            reply = self._child.channel.ask(predict_frame(questions), deadline, sum(counts), most_bytes)
            return read_replies(reply, counts)

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._ended is None and not self._child.is_gone(0)

    @property
    def count(self) -> int:
        """How many releases it holds."""
        return len(self._held)

    def memory(self) -> int:
        """Bytes that the process shares with nobody; 0 once it has ended.

        It takes milliseconds, in which the process gets no new memory. So what was measured for one of several releases
        half a second ago will do for the next.
        """
        if self._ended is not None:
            return 0
        now = time.monotonic()
        if len(self._held) < _SEVERAL or now > self._measured.until:
            self._measured = _Measured(self._measure(), now + _STAYS_TRUE)
        return self._measured.memory

    def _measure(self) -> int:
        private = private_of(self.pid)
        if private is None:  # it hides: what it said itself, and what it grew by since
            return max(self._latest.memory + rss_of(self.pid) - self._latest.rss, 0)
        return private

    def forget(self, number: int, grace: float = 1.0) -> None:
        """Let that release finish what runs within `grace` seconds, then give its memory back: it is free on return.

        If others keep the process busy for longer, it is free once they are done.
        """
        self._held.discard(number)
        self._to_forget.add(number)
        ours = self._lock.acquire(timeout=grace)
        if not ours and number in self._asked:
            self._child.kill()
            ours = self._lock.acquire()
        if ours:
            try:
                self._let_go(grace)
            finally:
                self._lock.release()

    def _let_go(self, grace: float) -> None:
        """Tell the process what it need not hold any more, or let it end if that is all."""
        if self._ended is not None:
            return
        with contextlib.suppress(EOFError, TimeoutError, BadFrame):
            if self._held:
                self._say_forgotten(time.monotonic() + _FORGETS_WITHIN)
                return
            self._child.channel.tell(stop_frame(), time.monotonic() + grace)
            self._child.is_gone(grace)
        self._end("closed")

    def _say_forgotten(self, deadline: float) -> None:
        numbers = list(self._to_forget)
        self._child.channel.ask(forget_frame(numbers), deadline, 0, 0)
        self._to_forget.difference_update(numbers)
        self._measured = _UNKNOWN

    @contextlib.contextmanager
    def _conversation(self, asked: frozenset[int], timeout: float | None) -> Generator[float]:
        """The deadline of one question and its answer; whatever breaks it off is the end of the process."""
        with self._lock:
            if self._ended is not None:
                raise RunnerGone(self._ended)
            self._asked = asked
            try:
                deadline = math.inf if timeout is None else time.monotonic() + timeout
                if self._to_forget:  # by somebody who could not wait
                    self._say_forgotten(deadline)
                yield deadline
            except (TimeoutError, BadFrame, EOFError) as error:
                verdict = self._verdict(error, timeout)
                how = self._end(verdict)
                raise (RunnerKilled(how) if verdict else RunnerDied(how)) from None
            except RunnerGone:
                raise
            except BaseException:
                self._end("killed: the one who asked was interrupted")
                raise
            finally:
                self._asked = frozenset()

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
