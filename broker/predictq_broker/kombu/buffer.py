"""Requests of one model that were delivered to us and not yet handed out."""

from bisect import insort
from collections.abc import Iterator
from typing import Final

from predictq_broker.kombu.fields import Arrival
from predictq_broker.messages import Priority
from predictq_broker.port import Capacity

__all__ = ["Buffer"]

_URGENT: Final = {priority: n * 2 for n, priority in enumerate((Priority.HIGH, Priority.NORMAL, Priority.LOW))}


class Buffer:
    """Sorted: by priority, in each what was given back first, then as they came."""

    def __init__(self) -> None:
        self._waiting: list[Arrival] = []
        self.largest = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[Arrival]:
        return iter(self._waiting)

    def add(self, arrival: Arrival) -> None:
        """One came."""
        self.largest = max(self.largest, len(arrival.fields[b"body"]))
        if self._waiting and _order(self._waiting[-1]) > _order(arrival):
            insort(self._waiting, arrival, key=_order)
        else:
            self._waiting.append(arrival)

    def left(self, capacity: Capacity) -> Capacity:
        """What would be left of `capacity` after taking what it allows."""
        left = capacity
        for _, left in self._allowed(capacity):  # noqa: B007  the last one is what is left
            pass
        return left

    def take(self, capacity: Capacity) -> list[Arrival]:
        """What `capacity` allows, in order; the rest stays."""
        taken = [n for n, _ in self._allowed(capacity)]
        found = [self._waiting[n] for n in taken]
        if taken == list(range(len(taken))):
            del self._waiting[: len(taken)]
        else:
            gone = set(taken)
            self._waiting = [arrival for n, arrival in enumerate(self._waiting) if n not in gone]
        return found

    def _allowed(self, capacity: Capacity) -> Iterator[tuple[int, Capacity]]:
        """The places of those that may be taken, each with what is left after it."""
        for n, arrival in enumerate(self._waiting):
            if not capacity.any:
                return
            if arrival.attempt > 1:
                if capacity.suspects <= 0:
                    continue
                capacity = capacity._replace(suspects=capacity.suspects - 1)
            capacity = capacity.after(arrival.request)
            yield n, capacity


def _order(arrival: Arrival) -> int:
    return _URGENT[arrival.request.priority] + (not arrival.returned)
