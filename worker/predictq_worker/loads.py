"""Loading in turns: a few releases at a time, however many are asked for at once."""

import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from predictq_worker.deployment import Deployment

__all__ = ["Loads"]

_AT_ONCE: Final = 4
"""One may wait for a slow store while another keeps a processor busy."""


class Loads:
    """Threads that bring deployments to serving, first come, first served; there while there is something to load."""

    def __init__(self, load: Callable[[Deployment], None]) -> None:
        self._load: Final = load
        self._lock: Final = threading.Lock()
        self._waiting: deque[Deployment] = deque()
        self._running = 0

    @property
    def crowded(self) -> bool:
        """Whether more wait for their turn than load."""
        return len(self._waiting) > _AT_ONCE

    def put(self, deployment: Deployment) -> None:
        """Load it in its turn.

        Raises:
            RuntimeError: if there is no thread to be had.
        """
        with self._lock:
            self._waiting.append(deployment)
            if self._running < _AT_ONCE:
                self._start()

    def _start(self) -> None:
        name = f"load-{self._running + 1}"
        try:
            threading.Thread(target=self._run, name=name, daemon=True).start()
        except RuntimeError:
            if not self._running:  # nobody would ever come to it
                self._waiting.pop()
                raise
        else:
            self._running += 1

    def clear(self) -> None:
        """Begin with no more of those that wait."""
        with self._lock:
            self._waiting.clear()

    def _run(self) -> None:
        while (deployment := self._next()) is not None:
            self._load(deployment)

    def _next(self) -> Deployment | None:
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            self._running -= 1
            return None
