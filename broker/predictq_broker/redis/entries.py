"""From the entries of a stream to our messages and back."""

import hashlib
import math
import time
from collections.abc import Hashable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any, Final, NamedTuple

from predictq_broker.messages import Delivery, Fault, Request
from predictq_broker.redis.keys import PRIORITIES
from predictq_broker.wire import common_request_fields, is_plain_name, read_request

__all__ = ["Entry", "Place", "Tag", "accepted", "as_map", "fingerprint", "send_words", "tag_of", "to_deliveries"]

Fields = Sequence[bytes]
_FIRST: Final = [b"id", b"body"]
_STREAM: Final = {priority: number for number, priority in enumerate(PRIORITIES, 1)}


Entry = tuple[int, bytes, int, Fields]
"""One entry as `receive.lua` returns it: the number of its stream, its name, the attempt, and its fields."""


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


def to_deliveries(model: str, entries: Iterable[Entry], consumer: str, leases: str, now: float) -> list[Delivery]:
    """The deliveries of entries; `now` is the server's clock, by which age and deadline are reckoned."""
    received = time.monotonic()
    sound: dict[Hashable, Request] = {}
    ages: dict[bytes, float] = {}
    deliveries: list[Delivery] = []
    for stream, name, attempt, fields in entries:
        request, fault = _request(model, stream, fields, sound)
        milliseconds = name.partition(b"-")[0]
        age = ages.get(milliseconds)
        if age is None:  # a clock that was set back gives no request more than its time
            age = ages[milliseconds] = max(now - int(milliseconds) / 1e3, 0.0)
        tag = Tag(stream, name, len(request.body), consumer, leases)
        expires = math.inf if request.ttl is None else received + request.ttl - age
        deliveries.append(Delivery(request, tag, attempt, age, received, expires, fault))
    return deliveries


def _request(model: str, stream: int, fields: Fields, sound: dict[Hashable, Request]) -> tuple[Request, Fault | None]:
    """As `read_request`. `sound` remembers requests without fault by all but id and body, which our clients put first:
    another one that has all else in common need not be read again.
    """
    if fields[:3:2] != _FIRST:
        return read_request(model, PRIORITIES[stream - 1], as_map(fields))
    common = (stream, *fields[4:])
    like = sound.get(common)
    if like is not None and is_plain_name(fields[1]):
        return Request(model, fields[3], fields[1].decode(), *like[3:]), None
    request, fault = read_request(model, PRIORITIES[stream - 1], as_map(fields))
    if fault is None and not {*_FIRST}.intersection(fields[4::2]):
        sound[common] = request
    return request, fault


def send_words(requests: Sequence[Request]) -> list[Any]:
    """The requests as `send.lua` wants them: what many have in common is said once, as a template."""
    templates: dict[Hashable, int] = {}
    common: list[Any] = []
    rows: list[Any] = []
    for request in requests:
        number = templates.setdefault(request[3:], len(templates) + 1)
        if number > len(common):
            fields = common_request_fields(request)
            common.append((_STREAM[request.priority], request.reply_to, len(fields), *fields))
        rows += (number, request.id, fingerprint(request), request.body)
    return [len(common), *chain.from_iterable(common), *rows]


def fingerprint(request: Request) -> str:
    """What must be equal for a repeated id to be the same request: all that decides its answer."""
    return hashlib.blake2b(
        request.body + _told(request.ref, request.method, request.content_type), digest_size=9
    ).hexdigest()


@lru_cache(maxsize=256)
def _told(ref: str, method: str, content_type: str) -> bytes:
    return f"\0{ref}\0{method}\0{content_type}".encode()
