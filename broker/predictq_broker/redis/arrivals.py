"""From the entries that a worker was handed to its deliveries."""

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import count, repeat
from typing import Any, Final, NamedTuple

from predictq_broker.columns import made
from predictq_broker.messages import Code, Delivery, Fault, Request
from predictq_broker.redis.entries import ALL, Entry, Fields, Found, Handed, accepted, as_map
from predictq_broker.redis.keys import PRIORITIES
from predictq_broker.redis.parcels import COMMON, BadParcel, Contents, unpacked
from predictq_broker.wire import is_plain_name, read_request

__all__ = ["Arrived", "to_deliveries"]

_FIRST: Final = [b"id", b"body"]


class Arrived(NamedTuple):
    """The deliveries that came in one entry."""

    model: str
    entry: Entry
    deliveries: Sequence[Delivery]


def to_deliveries(model: str, handed: Iterable[Handed], consumer: str, leases: str, now: float) -> list[Arrived]:
    """The deliveries of entries; `now` is the server's clock, by which age and deadline are reckoned."""
    received = time.monotonic()
    arrived: list[Arrived] = []
    for stream, attempt, entries, *told in handed:
        arrival = _Arrival(model, stream, attempt, consumer, leases, received, now)
        if not told:
            arrived += arrival.alone(entries)
            continue
        for entry, state in zip(entries, told[0], strict=False):
            arrived += (arrival.in_parcel(entry, state),) if state else arrival.alone((entry,))
    return arrived


class _Arrival(NamedTuple):
    """What entries have in common that came from one stream in one reply."""

    model: str
    stream: int
    attempt: int
    consumer: str
    leases: str
    received: float
    now: float

    def alone(self, entries: Iterable[Found]) -> Iterator[Arrived]:
        """Entries with a request each, valid or not.

        One that has all but id and body, which our clients put first, in common with a sound one before it need not be
        read again.
        """
        common: Fields | None = None
        rest: tuple[Any, ...] = ()
        for name, fields in entries:
            fault: Fault | None = None
            if fields[4:] == common and fields[:3:2] == _FIRST and is_plain_name(fields[1]):
                request = Request(self.model, fields[3], fields[1].decode(), *rest)
            else:
                request, fault = read_request(self.model, PRIORITIES[self.stream - 1], as_map(fields))
                if fault is None and fields[:3:2] == _FIRST and not {*_FIRST}.intersection(fields[4::2]):
                    common, rest = fields[4:], request[3:]
            entry = Entry(self.stream, name, self.consumer, self.leases, {ALL})
            yield Arrived(self.model, entry, (self._delivery(request, entry, fault),))

    def in_parcel(self, found: Found, state: bytes) -> Arrived:
        """A parcel, less those of its requests that are done, as its state says."""
        name, fields = found
        left, *done = state.split()
        entry = Entry(self.stream, name, self.consumer, self.leases, {ALL}, int(left), whole=not done)
        priority = PRIORITIES[self.stream - 1]
        try:
            contents = unpacked(fields)
        except BadParcel as error:
            fault = Fault(Code.INVALID_INPUT, str(error))
            delivery = self._delivery(Request(self.model, b"", priority=priority), entry, fault)
            return Arrived(self.model, entry, (delivery,))
        common = {**as_map(fields[COMMON:]), b"id": b"-", b"body": b""}
        request, common_fault = read_request(self.model, priority, common)
        entry = entry._replace(held=set(range(len(contents.ids))).difference(map(int, done)))
        deliveries = _like(self._delivery(request, entry, common_fault), entry, contents)
        ours = deliveries if entry.whole else [delivery for n, delivery in enumerate(deliveries) if n in entry.held]
        return Arrived(self.model, entry, ours)

    def _delivery(self, request: Request, entry: Entry, fault: Fault | None) -> Delivery:
        age = max(self.now - accepted(entry.name), 0.0)  # a clock that was set back gives no request more than its time
        expires = math.inf if request.ttl is None else self.received + request.ttl - age
        return Delivery(request, (entry, len(request.body), ALL), self.attempt, age, self.received, expires, fault)


def _like(first: Delivery, entry: Entry, contents: Contents) -> list[Delivery]:
    """Deliveries that are as `first` but for their ids, bodies and numbers."""
    request, ids, bodies = first.request, contents.ids, contents.bodies
    requests = made(Request, repeat(request.model), bodies, ids, *map(repeat, request[3:]))
    tags = zip(repeat(entry), map(len, bodies), count(), strict=False)
    return list(made(Delivery, requests, tags, *map(repeat, first[2:])))
