"""The calls that wait in this process to be sent, in order; bounded, so that a slow broker is felt by who asks."""

import threading
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, islice

from predictq.call import Call
from predictq.settings import Settings

__all__ = ["WaitingLine"]


class WaitingLine:
    """First come, first sent. Safe for any number of threads on either side."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        lock = threading.Lock()
        self._work = threading.Condition(lock)
        self._room = threading.Condition(lock)
        self._lookouts: list[Callable[[], object]] = []
        self._calls: deque[Call] = deque()
        self._withdrawn: deque[Call] = deque()
        self._size = 0
        self._closed = False

    @property
    def is_full(self) -> bool:
        """Whether a caller should wait before it puts more."""
        return len(self._calls) >= self._settings.waiting_requests or self._size >= self._settings.waiting_bytes

    @property
    def limit(self) -> int:
        """How many may wait."""
        return self._settings.waiting_requests

    @property
    def room(self) -> int:
        """How many more may join now; at least one if the line is not full, and everybody once it is closed."""
        if self._closed:
            return 1 << 30
        return 0 if self.is_full else self.limit - len(self._calls)

    def put(self, calls: Sequence[Call], *, wake: bool = True) -> bool:
        """Join the line; returns False if it is closed. `wake` is for who does not send by itself."""
        with self._work:
            if self._closed:
                return False
            self._calls.extend(calls)
            self._size += _size(calls)
            if wake:
                self._work.notify()
        return True

    def wait_for_room(self, until: float) -> bool:
        """Sleep while the line is full, at most until that time of the monotonic clock; returns whether it is not."""
        with self._room:
            while self.is_full and not self._closed:
                if not self._room.wait(max(until - time.monotonic(), 0.0)):
                    return not self.is_full
        return True

    def when_room(self, told: Callable[[], object]) -> None:
        """Call `told` once when the line is not full any more; at once if it is not full now."""
        with self._room:
            if self.is_full and not self._closed:
                self._lookouts.append(told)
                return
        told()

    def withdraw(self, calls: Sequence[Call]) -> None:
        """Have the broker forget these."""
        with self._work:
            self._withdrawn.extend(calls)
            self._work.notify()

    def wait(self) -> bool:
        """Sleep until there is something to do; False when the line is closed."""
        with self._work:
            while not (self._calls or self._withdrawn or self._closed):
                self._work.wait()
            return not self._closed

    def wake_if_waiting(self) -> None:
        """Wake whoever sleeps in `wait` if there is something to do."""
        if self._calls or self._withdrawn:
            with self._work:
                self._work.notify()

    def take(self) -> list[Call]:
        """The calls that go next, as many as fit into one call to the broker."""
        with self._work:
            batch = [self._calls.popleft() for _ in range(self._how_many())]
            self._size -= _size(batch)
            told = self._make_room()
        for lookout in told:
            lookout()
        return batch

    def _how_many(self) -> int:
        """How many calls go next."""
        most = min(len(self._calls), self._settings.send_requests)
        if self._size <= self._settings.send_bytes:
            return most
        sizes = accumulate([len(call.body) for call in islice(self._calls, most)])
        return min(bisect_left(list(sizes), self._settings.send_bytes) + 1, most)

    def _make_room(self) -> list[Callable[[], object]]:
        if self.is_full:
            return []
        self._room.notify_all()
        told, self._lookouts = self._lookouts, []
        return told

    def take_withdrawn(self) -> list[Call]:
        """What the broker should forget."""
        if not self._withdrawn:
            return []
        with self._work:
            withdrawn = list(self._withdrawn)
            self._withdrawn.clear()
        return withdrawn

    def put_back(self, calls: Sequence[Call]) -> None:
        """Return calls that could not be sent to the head of the line, in their order."""
        with self._work:
            self._calls.extendleft(reversed(calls))
            self._size += _size(calls)

    def take_overdue(self, now: float) -> list[Call]:
        """Remove the calls that have been offered long enough; deadlines are seen to elsewhere."""
        with self._work:
            overdue = [call for call in self._calls if call.give_up <= now]
            if overdue:
                self._calls = deque(call for call in self._calls if call.give_up > now)
                self._size = _size(self._calls)
        return overdue

    def close(self) -> list[Call]:
        """Let nobody in any more; returns who was in the line."""
        with self._work:
            self._closed = True
            left = list(self._calls)
            self._calls.clear()
            self._size = 0
            self._work.notify_all()
            told = self._make_room()
        for lookout in told:
            lookout()
        return left


def _size(calls: Iterable[Call]) -> int:
    return sum([len(call.body) for call in calls])
