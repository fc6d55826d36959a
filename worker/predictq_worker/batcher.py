"""Forms batches for one release: of one method and one content type, closed on rows, bytes or wait."""

import math
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from operator import attrgetter
from typing import Final, NamedTuple

from predictq_worker.batch_sizing import BatchSizing
from predictq_worker.work import Work, by

__all__ = ["Batch", "BatchLimits", "Batcher"]


class BatchLimits(NamedTuple):
    """When a batch is closed; see `WorkerSettings` for what each means."""

    rows: int
    size: int
    wait: float
    target: float = math.inf


class Batch(NamedTuple):
    """Requests that run together, or have expired together."""

    method: str
    content_type: str
    works: list[Work]
    expired: list[Work]


_NOTHING = Batch("", "", [], [])

Kind = tuple[str, str]
_kind: Final = attrgetter("delivery.request.method", "delivery.request.content_type")


class Batcher:
    """A queue of work that several runners take batches from.

    An idle runner takes what is there at once; while all are busy, the queue grows and so does the next
    batch, up to what `sizing` has learnt to be worth it. Only with `BatchLimits.wait` does an idle runner let a small
    batch fill up first.
    """

    def __init__(self, limits: BatchLimits) -> None:
        self._limits = limits
        self.sizing = BatchSizing(limits.rows, limits.target)
        self._changed = threading.Condition()
        self._groups: defaultdict[Kind, deque[Work]] = defaultdict(deque)
        self._alone: deque[Work] = deque()
        self._last: deque[Work] = deque()
        self._closed = False
        self._listeners: tuple[Callable[[], object], ...] = ()

    def put(self, works: list[Work]) -> bool:
        """Queue work, in order; False if the batcher is closed, and nothing was queued."""
        with self._changed:
            if self._closed:
                return False
            suspects = [work for work in works if work.deaths or work.delivery.attempt > 1]  # as `Work.alone`, in half
            self._alone.extend(suspects)
            for kind, alike in by(_kind, [work for work in works if not work.alone] if suspects else works).items():
                self._groups[kind].extend(alike)
            self._tell()
        return True

    def listen(self, told: Callable[[], object]) -> None:
        """Call `told` whenever there is work, or none will come any more: for who must not sleep in `take`."""
        with self._changed:
            self._listeners = (*self._listeners, told)

    def unlisten(self, told: Callable[[], object]) -> None:
        """Call it no more."""
        with self._changed:
            self._listeners = tuple(other for other in self._listeners if other is not told)

    def _tell(self) -> None:
        self._changed.notify_all()
        for told in self._listeners:
            told()

    @property
    def ready(self) -> bool:
        """Whether `take` returns at once, with a batch or with None."""
        return bool(self._closed or self._groups or self._alone or self._last)

    @property
    def lets_fill(self) -> bool:
        """Whether `take` may wait though there is work."""
        return self._limits.wait > 0

    def take(self, patience: float | None = None) -> Batch | None:
        """The next batch; an empty one after `patience` seconds without work. None: closed and empty."""
        with self._changed:
            while not (self._alone or self._groups or self._last):
                if self._closed:
                    return None
                if not self._changed.wait(patience):
                    return _NOTHING
            if self._limits.wait and not self._closed:
                self._let_fill()
            return self._next()

    def _let_fill(self) -> None:
        """Wait, no longer than `max_wait` from its first request, for the oldest group to fill a batch."""
        while self._groups and not self._alone:
            group = self._oldest()
            left = self._groups[group][0].delivery.received + self._limits.wait - time.monotonic()
            if (
                left <= 0
                or self._closed
                or sum(w.delivery.request.rows for w in self._groups[group]) >= self.sizing.limit
            ):
                return
            self._changed.wait(left)

    def _oldest(self) -> Kind:
        return min(self._groups, key=lambda kind: self._groups[kind][0].delivery.received)

    def _next(self) -> Batch:
        now = time.monotonic()
        if self._alone:
            return _sorted_out([self._alone.popleft()], now)
        if not self._groups:
            return _sorted_out([self._last.popleft()], now) if self._last else _NOTHING
        kind = self._oldest() if len(self._groups) > 1 else next(iter(self._groups))
        return _sorted_out(self._draw(kind, now), now)

    def _draw(self, kind: Kind, now: float) -> list[Work]:
        group, rows, size = self._groups[kind], 0, 0
        most, soonest = self.sizing.rows(), math.inf
        drawn: list[Work] = []
        while group:
            delivery = group[0].delivery
            request = delivery.request
            rows += request.rows
            size += len(request.body)
            if now < delivery.expires < soonest:
                soonest = delivery.expires
                most = min(most, self.sizing.rows_within(soonest - now))
            if drawn and (rows > most or size > self._limits.size):
                return drawn
            drawn.append(group.popleft())
        del self._groups[kind]
        return drawn

    def close(self) -> None:
        """Take nothing more in; what is queued is still handed out."""
        with self._changed:
            self._closed = True
            self._last.clear()
            self._tell()

    @property
    def waits_until(self) -> float | None:
        """When the last deadline of what is queued passes; None if nothing is queued."""
        with self._changed:
            queued = [*self._alone, *(work for group in self._groups.values() for work in group)]
        return max((work.delivery.expires for work in queued), default=None)

    def put_last(self, works: list[Work]) -> bool:
        """Queue work that is nobody's: it runs one by one when there is no other, and is forgotten on `clear`."""
        with self._changed:
            if not self._closed:
                self._last.extend(works)
                self._tell()
            return not self._closed

    def withdraw(self, route: str) -> list[Work]:
        """Hand back what is queued on that route; the rest stays, and so does the batcher."""
        with self._changed:
            queued = [*self._alone, *(work for group in self._groups.values() for work in group)]
            self._alone = deque(work for work in self._alone if work.route != route)
            kept = {kind: deque(work for work in group if work.route != route) for kind, group in self._groups.items()}
            self._groups = defaultdict(deque, {kind: group for kind, group in kept.items() if group})
        return [work for work in queued if work.route == route]

    def clear(self) -> list[Work]:
        """Close, and hand back all that is queued."""
        with self._changed:
            self._closed = True
            works = [*self._alone, *(work for group in self._groups.values() for work in group)]
            self._alone.clear()
            self._last.clear()
            self._groups.clear()
            self._tell()
            return works


def _sorted_out(works: list[Work], now: float) -> Batch:
    """The batch of those still in time, with those that are not beside it."""
    request = works[0].delivery.request
    expired = [work for work in works if work.delivery.expires <= now]
    if expired:
        works = [work for work in works if work.delivery.expires > now]
    return Batch(request.method, request.content_type, works, expired)
