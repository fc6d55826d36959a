"""How many rows become a bounded window of chunks in flight; the plan is the same for threads and for asyncio."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from typing import Generic, NamedTuple, Protocol, TypeVar, assert_never

from predictq.asking import Options
from predictq.backoff import jittered
from predictq.blocking import PredictionFuture
from predictq.errors import InvalidInput, QueueFull
from predictq.prediction import Prediction
from predictq.rows import chunks
from predictq.values import Rows

__all__ = ["Plan", "run", "run_async", "with_timeout"]


def with_timeout(options: Options, timeout: float | None) -> Options:
    """The options with `timeout` as deadline, unless a nearer one is given."""
    if timeout is None:
        return options
    deadline = options.get("deadline")
    return {**options, "deadline": timeout if deadline is None else min(deadline, timeout)}


class Cancellable(Protocol):
    """What a plan must be able to do with a future."""

    def cancel(self) -> bool:
        """Want it no more."""
        ...


F = TypeVar("F", bound=Cancellable)


class Start(NamedTuple):
    """Submit this chunk next."""

    rows: Rows


class Collect(NamedTuple, Generic[F]):
    """Wait for this future next, and yield what it brings."""

    future: F


class Pause(NamedTuple):
    """Wait this many seconds: the queue is full, and nothing of ours is in it."""

    seconds: float


class Finished(NamedTuple):
    """There is nothing left."""


class Plan(Generic[F]):
    """What to do next, given what is in flight: fill the window, then collect the oldest, and so on.

    A chunk that found the queue full is tried again when one of ours has come back, and after a pause if none
    was on its way.
    """

    def __init__(self, rows: Rows, chunk: int, window: int, options: Options) -> None:
        if "id" in options:
            raise InvalidInput("map gives every chunk an id of its own: leave out id")
        if window < 1:
            raise InvalidInput(f"window must be at least 1 chunk, not {window}")
        self._chunks = chunks(rows, chunk)
        self._window = window
        self._in_flight: deque[F] = deque()
        self._refused: Rows = None
        self._retry_after = 0.0

    def next(self) -> Start | Collect[F] | Pause | Finished:
        """The next step."""
        if self._in_flight and (self._retry_after or len(self._in_flight) >= self._window):
            self._retry_after = 0.0
            return Collect(self._in_flight.popleft())
        if self._retry_after:
            seconds, self._retry_after = jittered(self._retry_after), 0.0
            return Pause(seconds)
        rows = self._next_chunk()
        if rows is not None:
            return Start(rows)
        return Collect(self._in_flight.popleft()) if self._in_flight else Finished()

    def _next_chunk(self) -> Rows:
        if self._refused is not None:
            rows, self._refused = self._refused, None
            return rows
        return next(self._chunks, None)

    def started(self, future: F) -> None:
        """The chunk is on its way."""
        self._in_flight.append(future)

    def refused(self, start: Start, full: QueueFull) -> None:
        """There was no room for the chunk."""
        self._refused = start.rows
        self._retry_after = full.retry_after or 0.5

    def cancel(self) -> None:
        """Want nothing more of what is in flight."""
        for future in self._in_flight:
            future.cancel()
        self._in_flight.clear()


def run(plan: Plan[PredictionFuture], submit: Callable[[Rows], PredictionFuture]) -> Generator[Prediction, None, None]:
    """Follow the plan in this thread."""
    try:
        while not isinstance(step := plan.next(), Finished):
            match step:
                case Start(rows):
                    try:
                        plan.started(submit(rows))
                    except QueueFull as full:
                        plan.refused(step, full)
                case Collect(future):
                    yield future.result()
                case Pause(seconds):
                    time.sleep(seconds)
                case _:
                    assert_never(step)
    finally:
        plan.cancel()


async def run_async(
    plan: Plan["asyncio.Future[Prediction]"], submit: Callable[[Rows], Awaitable["asyncio.Future[Prediction]"]]
) -> AsyncGenerator[Prediction, None]:
    """Follow the plan in this task."""
    try:
        while not isinstance(step := plan.next(), Finished):
            match step:
                case Start(rows):
                    try:
                        plan.started(await submit(rows))
                    except QueueFull as full:
                        plan.refused(step, full)
                case Collect(future):
                    yield await future
                case Pause(seconds):
                    await asyncio.sleep(seconds)
                case _:
                    assert_never(step)
    finally:
        plan.cancel()
