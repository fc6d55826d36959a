"""How to wait for a broker that is away: longer each time, and never all at once."""

import random
import threading

__all__ = ["Patience"]


class Patience:
    """Jittered waits that double from 50 ms to 2 s, cut short when `stop` is set."""

    def __init__(self, stop: threading.Event, first: float = 0.05, most: float = 2.0) -> None:
        self._stop = stop
        self._first = first
        self._most = most
        self._next = first

    def wait(self) -> None:
        """Wait a little longer than the last time."""
        self._stop.wait(self._next * random.uniform(0.5, 1.0))  # noqa: S311  no secret depends on it
        self._next = min(self._next * 2, self._most)

    def reset(self) -> None:
        """It worked: the next trouble begins with a short wait."""
        self._next = self._first
