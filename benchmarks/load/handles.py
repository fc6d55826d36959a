"""A client for libraries that give a handle for each request and block until its answer is there."""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

from load.client import Answer, Asked, Failed

__all__ = ["PENDING", "Handles", "look_again"]

PENDING = object()
"""There is no answer yet."""
_LOOK = 0.0005


class Handles:
    """Keeps the handles in the order of asking and waits for the oldest: the cheapest way to have many on their way."""

    def __init__(self) -> None:
        self._handles: deque[tuple[int, Any]] = deque()

    async def open(self) -> None:
        """Connect; nothing to do unless overridden."""

    def begin(self, row: Any) -> Any:  # noqa: ANN401  a row of any model; a handle of any library
        """Put one request on its way."""
        raise NotImplementedError

    def take(self, handle: Any, wait: float) -> Any:  # noqa: ANN401  as `begin`
        """The label, or `PENDING` after `wait` seconds."""
        raise NotImplementedError

    async def send(self, asked: Sequence[Asked]) -> None:
        """Ask one by one, as these libraries do."""
        for number, row in asked:
            self._handles.append((number, self.begin(row)))

    async def receive(self, wait: float) -> Sequence[Answer]:
        """The oldest one's answer, if it comes in time."""
        if not self._handles:
            await asyncio.sleep(wait)
            return ()
        number, handle = self._handles[0]
        try:
            answer = self.take(handle, wait)
        except Exception as error:  # noqa: BLE001  whatever went wrong is what is counted
            answer = Failed(f"{type(error).__name__}: {error}")
        if answer is PENDING:
            return ()
        self._handles.popleft()
        return ((number, answer),)

    async def close(self) -> None:
        """Forget the handles."""
        self._handles.clear()


def look_again(until: float) -> bool:
    """For a library that can only wait for whole seconds: sleep a moment, and say whether time is left."""
    time.sleep(_LOOK)
    return time.perf_counter() < until
