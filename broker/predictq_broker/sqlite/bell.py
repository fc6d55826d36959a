"""Waiting for a message where the broker cannot wake anyone: SQLite knows no signals between processes."""

from collections.abc import Callable, Sequence
from threading import Condition
from time import monotonic
from typing import Final, TypeVar

from predictq_broker.sqlite.database import Database

__all__ = ["Bell"]

_SHORTEST: Final = 0.0005
_LONGEST: Final = 0.005
_GROWTH: Final = 0.1
"""Seconds between two looks: a tenth of the time it has been quiet, within these bounds."""

T = TypeVar("T")


class Bell:
    """Wakes those of this process that wait for one kind of message, at once if the writer is of this process.

    Other processes are noticed by looking at the database's version every 0.5 ms just after something happened,
    and up to ten times more rarely the longer nothing does.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._changed = Condition()
        self._rings = 0
        self._last_change = monotonic()

    def ring(self) -> None:
        """Wake those who wait: something for them was committed, or was closed."""
        with self._changed:
            self._rings += 1
            self._changed.notify_all()

    def until(self, take: Callable[[], Sequence[T]], wait: float, stop: Callable[[], bool]) -> Sequence[T]:
        """What `take` finds, as soon as it finds something; empty after `wait` seconds, or once `stop` says so."""
        deadline = monotonic() + wait
        while not stop():
            seen = self._rings, self._database.version()
            if found := take():
                self._last_change = monotonic()
                return found
            if monotonic() >= deadline:
                break
            self._sleep_until_changed(*seen, deadline)
        return []

    def _sleep_until_changed(self, rings: int, version: int, deadline: float) -> None:
        while (now := monotonic()) < deadline:
            pause = min(_LONGEST, max(_SHORTEST, (now - self._last_change) * _GROWTH), deadline - now)
            with self._changed:
                if self._rings != rings or self._changed.wait(pause):
                    break
            if self._database.version() != version:
                break
        else:
            return
        self._last_change = monotonic()
