"""How long to wait before trying again."""

import random

__all__ = ["Backoff", "jittered"]


def jittered(seconds: float) -> float:
    """Between half of `seconds` and all of it, so that many who failed together do not return together."""
    return seconds * random.uniform(0.5, 1.0)  # noqa: S311  jitter is no secret


class Backoff:
    """Waits that double from `first` to `most` seconds, each jittered, until something succeeds."""

    def __init__(self, first: float = 0.05, most: float = 1.0) -> None:
        self._first = first
        self._most = most
        self._next = first

    def next(self) -> float:
        """Seconds to wait after one more failure."""
        seconds = jittered(self._next)
        self._next = min(self._next * 2, self._most)
        return seconds

    def reset(self) -> None:
        """Begin again from the shortest wait."""
        self._next = self._first
