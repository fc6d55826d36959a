"""From the entries of a stream to our messages and back."""

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from typing import Any, Final, NamedTuple

from predictq_broker.messages import Code, Delivery, Fault, Request
from predictq_broker.redis.keys import PRIORITIES
from predictq_broker.redis.parcels import COMMON, BadParcel, Parcel, unpacked
from predictq_broker.wire import is_plain_name, read_request

__all__ = ["Handed", "Place", "Tag", "accepted", "as_map", "tag_of", "to_deliveries"]

Fields = Sequence[bytes]
_FIRST: Final = [b"id", b"body"]


Entry = tuple[bytes, Fields]
Handed = Sequence[Any]
"""Entries as `receive.lua` returns them: the number of their stream, the attempt, of each its name and fields, and, if
there are parcels among them, of each its state."""


class Place(NamedTuple):
    """Where an entry is: the queue, told by its hash of leases, the number of the stream, and its name there."""

    leases: str
    stream: int
    name: bytes


class Tag(NamedTuple):
    """What a delivery's tag holds here: where its entry is, under which name we hold it, and if that is a parcel, which
    of it this is (`*`: all).
    """

    stream: int
    name: bytes
    size: int
    consumer: str
    leases: str
    parcel: Parcel | None
    number: str

    @property
    def place(self) -> Place:
        """Where its entry is."""
        return Place(self.leases, self.stream, self.name)


def tag_of(delivery: Delivery) -> Tag:
    """The tag that this engine put into a delivery."""
    if not isinstance(delivery.tag, Tag):
        raise TypeError("this delivery came from another broker")
    return delivery.tag


def as_map(fields: Fields) -> dict[bytes, bytes]:
    """The flat list of an entry as a map."""
    pairs: Iterator[bytes] = iter(fields)
    return dict(zip(pairs, pairs, strict=True))


def accepted(name: bytes) -> float:
    """When an entry was accepted, in seconds by the server's clock: its name begins with that."""
    return int(name.partition(b"-")[0]) / 1e3


def to_deliveries(model: str, handed: Iterable[Handed], consumer: str, leases: str, now: float) -> list[Delivery]:
    """The deliveries of entries; `now` is the server's clock, by which age and deadline are reckoned."""
    received = time.monotonic()
    ages: dict[bytes, float] = {}
    deliveries: list[Delivery] = []
    for stream, attempt, entries, *told in handed:
        for name, number, parcel, request, fault in _requests(model, stream, entries, told[0] if told else None):
            milliseconds = name.partition(b"-")[0]
            age = ages.get(milliseconds)
            if age is None:  # a clock that was set back gives no request more than its time
                age = ages[milliseconds] = max(now - int(milliseconds) / 1e3, 0.0)
            tag = Tag(stream, name, len(request.body), consumer, leases, parcel, number)
            expires = math.inf if request.ttl is None else received + request.ttl - age
            deliveries.append(Delivery(request, tag, attempt, age, received, expires, fault))
    return deliveries


_Read = tuple[bytes, str, Parcel | None, Request, Fault | None]
"""The entry's name, the number in the parcel and the parcel if it is in one, and the request."""


def _requests(model: str, stream: int, entries: Sequence[Entry], states: Sequence[bytes] | None) -> Iterator[_Read]:
    """As `read_request` of each. One that has all but id and body, which our clients put first, in common with a sound
    one before it need not be read again.
    """
    priority = PRIORITIES[stream - 1]
    common: Fields | None = None
    rest: tuple[Any, ...] = ()
    for (name, fields), state in zip(entries, states or repeat(b""), strict=False):
        if state:
            yield from _in_parcel(model, stream, name, fields, state)
            continue
        if fields[4:] == common and fields[:3:2] == _FIRST and is_plain_name(fields[1]):
            yield name, "", None, Request(model, fields[3], fields[1].decode(), *rest), None
            continue
        request, fault = read_request(model, priority, as_map(fields))
        if fault is None and fields[:3:2] == _FIRST and not {*_FIRST}.intersection(fields[4::2]):
            common, rest = fields[4:], request[3:]
        yield name, "", None, request, fault


def _in_parcel(model: str, stream: int, name: bytes, fields: Fields, state: bytes) -> Iterator[_Read]:
    """Those requests of a parcel that are not done, as its state says."""
    left, *done = state.decode().split(" ")
    parcel = Parcel(f"{stream}:{name.decode()}", int(left), not done)
    priority = PRIORITIES[stream - 1]
    try:
        ids, bodies = unpacked(fields)
    except BadParcel as error:
        yield name, "*", parcel, Request(model, b"", priority=priority), Fault(Code.INVALID_INPUT, str(error))
        return
    blank = {**as_map(fields[COMMON:]), b"id": b"-", b"body": b""}
    request, fault = read_request(model, priority, blank)
    rest, out = request[3:], {int(number) for number in done}
    for number, (id_, body) in enumerate(zip(ids, bodies, strict=True)):
        if number not in out:
            yield name, str(number), parcel, Request(model, body, id_, *rest), fault
