"""From the entries that a worker was handed to its deliveries."""

import math
import time
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from predictq_broker.messages import Code, Delivery, Fault, Request
from predictq_broker.redis.entries import Entry, Fields, Found, Handed, Tag, accepted, as_map, tag_of
from predictq_broker.redis.keys import PRIORITIES
from predictq_broker.redis.parcels import COMMON, BadParcel, Contents, unpacked
from predictq_broker.wire import is_plain_name, read_request

__all__ = ["to_deliveries"]

_FIRST: Final = [b"id", b"body"]


def to_deliveries(model: str, handed: Iterable[Handed], consumer: str, leases: str, now: float) -> list[Delivery]:
    """The deliveries of entries; `now` is the server's clock, by which age and deadline are reckoned."""
    received = time.monotonic()
    deliveries: list[Delivery] = []
    for stream, attempt, entries, *told in handed:
        arrival = _Arrival(model, stream, attempt, consumer, leases, received, now)
        if not told:
            deliveries += arrival.alone(entries)
            continue
        for entry, state in zip(entries, told[0], strict=False):
            deliveries += arrival.in_parcel(entry, state) if state else arrival.alone((entry,))
    return deliveries


class _Arrival(NamedTuple):
    """What entries have in common that came from one stream in one reply."""

    model: str
    stream: int
    attempt: int
    consumer: str
    leases: str
    received: float
    now: float

    def alone(self, entries: Iterable[Found]) -> Iterator[Delivery]:
        """The deliveries of entries with a request each, valid or not.

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
            yield self._delivery(request, Entry(self.stream, name, self.consumer, self.leases), fault)

    def in_parcel(self, found: Found, state: bytes) -> Iterable[Delivery]:
        """The deliveries of those requests of a parcel that are not done, as its state says."""
        name, fields = found
        left, *done = state.split()
        priority = PRIORITIES[self.stream - 1]
        entry = Entry(self.stream, name, self.consumer, self.leases, int(left), whole=not done)
        try:
            contents = unpacked(fields)
        except BadParcel as error:
            fault = Fault(Code.INVALID_INPUT, str(error))
            return (self._delivery(Request(self.model, b"", priority=priority), entry, fault),)
        common = {**as_map(fields[COMMON:]), b"id": b"-", b"body": b""}
        request, common_fault = read_request(self.model, priority, common)
        deliveries = _like(self._delivery(request, entry, common_fault), contents)
        out = {int(number) for number in done}
        return [delivery for n, delivery in enumerate(deliveries) if n not in out] if out else deliveries

    def _delivery(self, request: Request, entry: Entry, fault: Fault | None) -> Delivery:
        age = max(self.now - accepted(entry.name), 0.0)  # a clock that was set back gives no request more than its time
        expires = math.inf if request.ttl is None else self.received + request.ttl - age
        return Delivery(request, Tag(entry, len(request.body)), self.attempt, age, self.received, expires, fault)


def _like(first: Delivery, contents: Contents) -> list[Delivery]:
    """Deliveries that are as `first` but for their ids, bodies and numbers."""
    request, others, entry = first.request, first[2:], tag_of(first).entry
    model, common = request.model, request[3:]
    new = tuple.__new__  # what the classes do themselves, in half the time: this is done for every request
    return [
        new(Delivery, (new(Request, (model, body, id_, *common)), new(Tag, (entry, len(body), number)), *others))
        for number, (id_, body) in enumerate(zip(contents.ids, contents.bodies, strict=True))
    ]
