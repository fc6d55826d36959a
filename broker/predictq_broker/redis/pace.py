"""How often many streams are read at once."""

import time
from typing import Final

__all__ = ["Pace"]

_FEW: Final = 64
_EACH: Final = 3e-6
_MUCH: Final = 32
_LONGER: Final = 2.0


class Pace:
    """Reads of many streams, so far apart that they take the server less than half of its time.

    Each stream that a read names costs the server about a microsecond, whether there is something in it or not. Who has
    not read for a while does not wait; under load more comes with each read. Whom a read has brought much waits up to
    three times as long for the next: nobody is idle meanwhile.
    """

    def __init__(self) -> None:
        self._next = 0.0
        self._pause = 0.0

    def keep(self, streams: int, most: float) -> None:
        """Before a read of so many streams: wait for its time, `most` seconds at most."""
        if streams <= _FEW:
            return
        pause = min(self._next - time.monotonic(), most)
        if pause > 0:
            time.sleep(pause)
        self._pause = streams * _EACH
        self._next = time.monotonic() + self._pause

    def brought(self, count: int) -> None:
        """After a read: so many messages came."""
        self._next += self._pause * min(count / _MUCH, _LONGER)
        self._pause = 0.0
