"""Somebody who asks a model without a pause, for tests of what may not be noticed by those who ask."""

import itertools
import threading
import time
from types import TracebackType
from typing import Any, NamedTuple, Self

from predictq import Client, PredictqError

__all__ = ["Answer", "Traffic"]


class Answer(NamedTuple):
    """What one question came to."""

    key: str
    at: float
    """When it was asked, on the monotonic clock."""
    seconds: float
    outputs: Any
    version: int
    route: str
    error: str


class Traffic:
    """Threads that ask one after the other, each with many keys, while the block lasts.

    Attributes:
        answers: What came back so far, errors too.
    """

    def __init__(
        self,
        broker_url: str,
        rows: Any,
        *,
        model: str = "iris",
        threads: int = 4,
        keys: int = 200,
        pause: float = 0.002,
    ) -> None:
        self.answers: list[Answer] = []
        self._client = Client(broker_url)
        self._model, self._rows, self._keys, self._pause = model, rows, keys, pause
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(n,), daemon=True) for n in range(threads)]

    def _ask(self, thread: int) -> None:
        for n in itertools.count(thread):
            if self._stop.wait(self._pause):
                return
            self.answers.append(self._answer(n, f"user-{n % self._keys}"))

    def _answer(self, n: int, key: str) -> Answer:
        began = time.monotonic()
        row = [self._rows[n % len(self._rows)]]
        try:
            told = self._client.predict(self._model, row, key=key, timeout=30)
        except PredictqError as error:
            return Answer(key, began, time.monotonic() - began, None, 0, "", f"{type(error).__name__}: {error}")
        return Answer(key, began, time.monotonic() - began, told.outputs, told.version, told.route, "")

    def since(self, moment: float) -> list[Answer]:
        """The answers to what was asked after that moment."""
        return [answer for answer in list(self.answers) if answer.at > moment]

    def end(self) -> list[str]:
        """Ask no more, and wait for the last answers, for a lost request shows only then; returns the errors."""
        self._stop.set()
        for thread in self._threads:
            thread.join(40)
        return [answer.error for answer in self.answers if answer.error]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()
        self._client.close()
