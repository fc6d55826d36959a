"""Which calls end when, for as long as they are open."""

import heapq
import math

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
        self._last = (0.0, math.inf, math.inf)

    @property
    def next(self) -> float:
        """When to look again, on the monotonic clock; `inf` if there is no deadline."""
        return self._ends[0] if self._ends else math.inf

    def add(self, call: Call, now: float) -> None:
        """End this call at its deadline, if it has one."""
        if call.expires == math.inf:
            return
        begin, end, ttl = self._last
        if not (begin < call.expires <= end and ttl == call.request.ttl):  # most come in rows of equal ones
            begin, end = _slot(call.expires, call.expires - now)
            self._last = begin, end, call.request.ttl or math.inf
        call.due = end
        slot = self._slots.get(end)
        if slot is None:
            slot = self._slots[end] = set()
            heapq.heappush(self._ends, end)
        slot.add(call)

    def discard(self, call: Call) -> None:
        """It has ended."""
        if call.expires != math.inf:
            slot = self._slots.get(call.due)
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
