"""A client for libraries of asyncio: each request is a task that awaits its answer."""

import asyncio
from collections.abc import Sequence
from typing import Any

from load.client import Answer, Asked, Failed

__all__ = ["Tasks"]


class Tasks:
    """To be given an `ask`, and whatever has to be opened and closed."""

    def __init__(self) -> None:
        self._done: list[Answer] = []
        self._running: set[asyncio.Task[None]] = set()
        self._wake: asyncio.Future[None] | None = None

    async def open(self) -> None:
        """Connect; nothing to do unless overridden."""

    async def ask(self, row: Any) -> Any:  # noqa: ANN401  a row of any model
        """The label of one row."""
        raise NotImplementedError

    async def send(self, asked: Sequence[Asked]) -> None:
        """Start a task for each."""
        for number, row in asked:
            task = asyncio.create_task(self._one(number, row))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        await asyncio.sleep(0)

    async def _one(self, number: int, row: Any) -> None:  # noqa: ANN401  as `ask`
        try:
            answer = await self.ask(row)
        except Exception as error:  # noqa: BLE001  whatever went wrong is what is counted
            answer = Failed(f"{type(error).__name__}: {error}")
        self.done(number, answer)

    def done(self, number: int, answer: Any) -> None:  # noqa: ANN401  the label of one row, or `Failed`
        """It has been answered; whoever waits is woken."""
        self._done.append((number, answer))
        if self._wake is not None:
            _wake_up(self._wake)

    async def receive(self, wait: float) -> Sequence[Answer]:
        """What tasks have brought."""
        if not self._done and wait > 0:
            await self._sleep(wait)
        done, self._done = self._done, []
        return done

    async def _sleep(self, wait: float) -> None:
        loop = asyncio.get_running_loop()
        self._wake = wake = loop.create_future()
        timer = loop.call_later(wait, _wake_up, wake)
        try:
            await wake
        finally:
            timer.cancel()

    async def close(self) -> None:
        """Cancel what still runs."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)


def _wake_up(sleeper: asyncio.Future[None]) -> None:
    if not sleeper.done():
        sleeper.set_result(None)
