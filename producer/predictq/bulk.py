"""How many rows become a bounded window of chunks in flight; the plan is the same for threads and for asyncio."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence, Sized
from itertools import islice
from typing import Generic, NamedTuple, Protocol, TypeVar, assert_never

from predictq.asking import Options
from predictq.backoff import jittered
from predictq.blocking import PredictionFuture
from predictq.errors import InvalidInput, QueueFull
from predictq.prediction import Prediction
from predictq.rows import chunks
from predictq.settings import Settings
from predictq.values import Rows

__all__ = ["Plan", "run", "run_async"]


class Cancellable(Protocol):
    """What a plan must be able to do with a future."""

    def cancel(self) -> bool:
        """Want it no more."""
        ...


F = TypeVar("F", bound=Cancellable)


class Start(NamedTuple):
    """Submit these chunks next, together."""

    parts: list[Rows]


class Collect(NamedTuple, Generic[F]):
    """Wait for this future next, and yield what it brings."""

    future: F


class Pause(NamedTuple):
    """Wait this many seconds: the queue is full, and nothing of ours is in it."""

    seconds: float


class Finished(NamedTuple):
    """There is nothing left."""


class Plan(Generic[F]):
    """What to do next, given what is in flight: fill the window, collect the oldest, and so on.

    Rows that are all there go in bursts of half a window: what it costs to send, read and settle is then paid once for
    several chunks, and the other half keeps the workers busy. A generator's chunks go as they come.

    A chunk that found the queue full is tried again when one of ours has come back, and after a pause if none
    was on its way.
    """

    def __init__(self, rows: Rows, chunk: int | None, window: int | None, options: Options, settings: Settings) -> None:
        if "id" in options:
            raise InvalidInput("map gives every chunk an id of its own: leave out id")
        if window is None:
            window = settings.window
        if window < 1:
            raise InvalidInput(f"window must be at least 1 chunk, not {window}")
        self._chunks = chunks(rows, chunk, settings)
        self._window = window
        self._burst = max(window // 2, 1) if isinstance(rows, Sized) else 1
        self._in_flight: deque[F] = deque()
        self._refused: list[Rows] = []
        self._retry_after = 0.0

    def next(self) -> Start | Collect[F] | Pause | Finished:
        """The next step."""
        if self._in_flight and (self._retry_after or len(self._in_flight) > self._window - self._burst):
            self._retry_after = 0.0
            return Collect(self._in_flight.popleft())
        if self._retry_after:
            seconds, self._retry_after = jittered(self._retry_after), 0.0
            return Pause(seconds)
        parts = self._next_chunks()
        if parts:
            return Start(parts)
        return Collect(self._in_flight.popleft()) if self._in_flight else Finished()

    def _next_chunks(self) -> list[Rows]:
        parts, self._refused = self._refused, []
        return parts or list(islice(self._chunks, self._burst))

    def told(self, start: Start, outcomes: Sequence[F | QueueFull]) -> None:
        """What became of these chunks: each is on its way, or found no room. What is behind one that found none is
        withdrawn and goes after it, for answers come in order.
        """
        for part, outcome in zip(start.parts, outcomes, strict=True):
            if isinstance(outcome, QueueFull):
                self._retry_after = self._retry_after or outcome.retry_after or 0.5
            elif not self._refused:
                self._in_flight.append(outcome)
                continue
            else:
                outcome.cancel()
            self._refused.append(part)

    def cancel(self) -> None:
        """Want nothing more of what is in flight."""
        for future in self._in_flight:
            future.cancel()
        self._in_flight.clear()


def run(
    plan: Plan[PredictionFuture], submit: Callable[[list[Rows]], Sequence[PredictionFuture | QueueFull]]
) -> Generator[Prediction, None, None]:
    """Follow the plan in this thread."""
    try:
        while not isinstance(step := plan.next(), Finished):
            match step:
                case Start(parts):
                    plan.told(step, submit(parts))
                case Collect(future):
                    yield future.result()
                case Pause(seconds):
                    time.sleep(seconds)
                case _:
                    assert_never(step)
    finally:
        plan.cancel()


async def run_async(
    plan: Plan["asyncio.Future[Prediction]"],
    submit: Callable[[list[Rows]], Awaitable[Sequence["asyncio.Future[Prediction] | QueueFull"]]],
) -> AsyncGenerator[Prediction, None]:
    """Follow the plan in this task."""
    try:
        while not isinstance(step := plan.next(), Finished):
            match step:
                case Start(parts):
                    plan.told(step, await submit(parts))
                case Collect(future):
                    yield await future
                case Pause(seconds):
                    await asyncio.sleep(seconds)
                case _:
                    assert_never(step)
    finally:
        plan.cancel()
