"""Which calls end when, for as long as they are open."""

import heapq
import math
from collections.abc import Iterable

from predictq.call import Call

__all__ = ["Due"]

_FINEST = 0.01
_STEPS = 1024


class Due:
    """Calls by deadline, in slots as wide as a thousandth of the time that is left, and 10 ms at least.

    A call that ends is taken out, so no finished one keeps its rows in memory; and however far deadlines lie apart,
    there are only some thousand slots. Not thread-safe: `Pending` guards it.
    """

    def __init__(self) -> None:
        self._slots: dict[float, set[Call]] = {}
        self._ends: list[float] = []
        self._last: tuple[object, float, float] = (None, 0.0, 0.0)  # the form, and where its last slot began and ended

    @property
    def next(self) -> float:
        """When to look again, on the monotonic clock; `inf` if there is no deadline."""
        return self._ends[0] if self._ends else math.inf

    def add(self, calls: Iterable[Call], now: float) -> None:
        """End these calls at their deadlines, if they have any."""
        form, begin, end = self._last
        slot: set[Call] | None = None
        for call in calls:
            expires = call.expires
            if call.form is not form or not begin < expires <= end:  # most come in rows of equal ones
                if expires == math.inf:
                    continue
                form = call.form
                begin, end = _slot(expires, expires - now)
                slot = None
            slot = slot or self._from(end)
            slot.add(call)
            call.slot = slot
        self._last = form, begin, end

    def _from(self, end: float) -> set[Call]:
        slot = self._slots.get(end)
        if slot is None:
            slot = self._slots[end] = set()
            heapq.heappush(self._ends, end)
        return slot

    def discard(self, call: Call) -> None:
        """It has ended."""
        slot = call.slot
        if slot:
            slot.discard(call)
            if not slot:
                slot.clear()  # a set that shrinks keeps its table, and this one stays until its time has come

    def pop(self, now: float) -> list[Call]:
        """Take out the calls whose deadline has passed."""
        due: list[Call] = []
        while self._ends and self._ends[0] <= now:
            due += self._slots.pop(heapq.heappop(self._ends))
        return due


def _slot(expires: float, left: float) -> tuple[float, float]:
    """When the slot of this deadline begins and ends."""
    doublings = math.frexp(left / (_FINEST * _STEPS))[1]
    width = math.ldexp(_FINEST, max(doublings, 0))
    end = math.ceil(expires / width) * width
    return end - width, end
