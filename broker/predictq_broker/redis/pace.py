"""How often many streams are read at once."""

import time
from typing import Final

__all__ = ["Pace"]

_FEW: Final = 64
_EACH: Final = 3e-6


class Pace:
    """Reads of many streams, so far apart that they take the server less than half of its time.

    Each stream that a read names costs the server about a microsecond, whether there is something in it or not. Who has
    not read for a while does not wait; under load more comes with each read.
    """

    def __init__(self) -> None:
        self._next = 0.0

    def keep(self, streams: int, most: float) -> None:
        """Before a read of so many streams: wait for its time, `most` seconds at most."""
        if streams <= _FEW:
            return
        pause = min(self._next - time.monotonic(), most)
        if pause > 0:
            time.sleep(pause)
        self._next = time.monotonic() + streams * _EACH
