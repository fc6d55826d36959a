"""From the entries of a stream to our messages and back."""

import hashlib
import time
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from predictq_broker.messages import Delivery, Request
from predictq_broker.redis.keys import PRIORITIES
from predictq_broker.wire import read_request

__all__ = ["Entry", "Place", "Tag", "accepted", "as_map", "fingerprint", "to_delivery"]

Fields = Sequence[bytes]


class Entry(NamedTuple):
    """One entry as `receive.lua` returns it."""

    stream: int
    name: bytes
    attempt: int
    fields: Fields


class Place(NamedTuple):
    """Where an entry is: the queue, told by its hash of leases, the number of the stream, and its name there."""

    leases: str
    stream: int
    name: bytes


class Tag(NamedTuple):
    """What a delivery's tag holds here: where its entry is, and under which name we hold it."""

    stream: int
    name: bytes
    size: int
    consumer: str
    leases: str

    @property
    def place(self) -> Place:
        """Where its entry is."""
        return Place(self.leases, self.stream, self.name)


def as_map(fields: Fields) -> dict[bytes, bytes]:
    """The flat list of an entry as a map."""
    pairs: Iterator[bytes] = iter(fields)
    return dict(zip(pairs, pairs, strict=True))


def accepted(name: bytes) -> float:
    """When an entry was accepted, in seconds by the server's clock: its name begins with that."""
    return int(name.partition(b"-")[0]) / 1e3


def to_delivery(model: str, entry: Entry, consumer: str, leases: str, now: float) -> Delivery:
    """The delivery of an entry; `now` is the server's clock, by which age and deadline are reckoned."""
    request, fault = read_request(model, PRIORITIES[entry.stream - 1], as_map(entry.fields))
    received = time.monotonic()
    age = max(now - accepted(entry.name), 0.0)  # a clock that was set back gives no request more than its time
    return Delivery(
        request=request,
        tag=Tag(entry.stream, entry.name, len(request.body), consumer, leases),
        attempt=entry.attempt,
        queued=age,
        received=received,
        expires=float("inf") if request.ttl is None else received + request.ttl - age,
        fault=fault,
    )


def fingerprint(request: Request) -> str:
    """What must be equal for a repeated id to be the same request: all that decides its answer."""
    return hashlib.blake2b(
        request.body + _told(request.ref, request.method, request.content_type), digest_size=9
    ).hexdigest()


@lru_cache(maxsize=256)
def _told(ref: str, method: str, content_type: str) -> bytes:
    return f"\0{ref}\0{method}\0{content_type}".encode()
