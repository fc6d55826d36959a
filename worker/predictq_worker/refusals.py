"""Releases that did not load: why, and when they may be tried again."""

import threading
import time
from typing import Final, NamedTuple

__all__ = ["Refusals"]

_RETRY: Final = 5.0
_RETRY_MOST: Final = 300.0
"""Seconds before a release that did not load is tried again; twice as long each time it is itself to blame."""


class Refusal(NamedTuple):
    """One that did not load."""

    reason: str
    again: float
    """When it may be tried again, on the monotonic clock."""
    tries: int


class Refusals:
    """Remembers each until it loads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._refused: dict[tuple[str, int], Refusal] = {}

    def add(self, model: str, version: int, reason: str, *, to_blame: bool) -> None:
        """That one did not load; whether it is itself to blame."""
        with self._lock:
            before = self._refused.get((model, version))
            tries = before.tries + 1 if before is not None else 1
            pause = min(_RETRY * 2 ** (tries - 1), _RETRY_MOST if to_blame else _RETRY)
            self._refused[model, version] = Refusal(reason, time.monotonic() + pause, tries)

    def forget(self, model: str, version: int) -> None:
        """That one has loaded."""
        with self._lock:
            self._refused.pop((model, version), None)

    def reason(self, model: str, version: int) -> str:
        """Why that one is not tried now; empty if it may be."""
        refused = self._refused.get((model, version))
        return refused.reason if refused is not None and time.monotonic() < refused.again else ""

    def last(self, model: str) -> str:
        """Why the last of the model's releases that did not load did not; empty if all did."""
        with self._lock:
            reasons = [refused.reason for (name, _), refused in self._refused.items() if name == model]
        return reasons[-1] if reasons else ""
