"""Requests as the scripts want them: in runs that have all in common but the end of the id and the question."""

import hashlib
import struct
import zlib
from collections.abc import Hashable, Sequence
from functools import lru_cache
from typing import Any, Final

from predictq_broker.messages import Request
from predictq_broker.redis.keys import PRIORITIES
from predictq_broker.redis.parcels import packed
from predictq_broker.wire import common_request_fields

__all__ = ["fingerprint", "fit_in_parcels", "parcel_words", "parcels", "send_words"]

_MOST: Final = 1000
"""Requests of one run: the script hands a run to Redis at once, and Lua's stack holds some thousands."""
_MOST_IN_PARCEL: Final = 64
"""Whoever holds a parcel holds all of it, so this many share their fate if it dies."""
_LARGEST_IN_PARCEL: Final = 4096
"""Bytes of a body: what it costs to put a larger one together with others and apart again is more than it spares."""
_TAIL: Final = 3
"""Characters of an id that tell it from others with the same head; see `_library.lua`."""
_STREAM: Final = {priority: number for number, priority in enumerate(PRIORITIES, 1)}


def _runs(requests: Sequence[Request], most: int = _MOST) -> list[list[Request]]:
    """The requests in their order, those together that come one after another and differ in tail and body only."""
    found: list[list[Request]] = []
    run: list[Request] = []
    before: Hashable = None
    for request in requests:
        common = (request.id[:-_TAIL], request[3:])
        if common != before or len(run) == most:
            before, run = common, []
            found.append(run)
        run.append(request)
    return found


def send_words(requests: Sequence[Request]) -> list[Any]:
    """The arguments of `send.lua` for these requests, in their order."""
    words: list[Any] = []
    for run in _runs(requests):
        first, common = run[0], common_request_fields(run[0])
        words += (_STREAM[first.priority], first.reply_to, first.id[:-_TAIL], len(run), len(common), *common)
        words += [request.id[-_TAIL:] for request in run]
        words += map(fingerprint, run)
        words += [request.body for request in run]
    return words


def fit_in_parcels(requests: Sequence[Request]) -> bool:
    """Whether these are many and small. One alone is read sooner as an entry of its own."""
    return len(requests) > 1 and max(len(request.body) for request in requests) <= _LARGEST_IN_PARCEL


def parcels(requests: Sequence[Request]) -> list[list[Request]]:
    """The requests in their order, as they are put into parcels."""
    return _runs(requests, _MOST_IN_PARCEL)


def parcel_words(parcel: Sequence[Request]) -> list[Any]:
    """The arguments of `send_parcels.lua` for one parcel."""
    first = parcel[0]
    names, bodies = [request.id for request in parcel], [request.body for request in parcel]
    ids, sizes, blob = packed(names, bodies)
    fields = ["ids", ids, "sizes", sizes, "bodies", blob, *common_request_fields(first)]
    told = _told(first.ref, first.method, first.content_type)
    checks = struct.pack(f">{len(parcel)}I", *[zlib.crc32(told, zlib.crc32(body)) for body in bodies]).hex()
    head, tails = first.id[:-_TAIL], " ".join([name[-_TAIL:] for name in names])
    about = (_STREAM[first.priority], first.reply_to, head, tails, checks, len(parcel), len(blob))
    return [*about, len(fields), *fields]


def fingerprint(request: Request) -> str:
    """What must be equal for a repeated id to be the same request: all that decides its answer.

    The first 8 digits are a checksum that is made in no time: of requests in parcels they are all that is kept, for
    only their sender knows the ids, and is not his own enemy.
    """
    told = _told(request.ref, request.method, request.content_type)
    digest = hashlib.blake2b(request.body + told, digest_size=5).hexdigest()
    return f"{zlib.crc32(told, zlib.crc32(request.body)):08x}{digest}"


@lru_cache(maxsize=256)
def _told(ref: str, method: str, content_type: str) -> bytes:
    return f"\0{ref}\0{method}\0{content_type}".encode()
