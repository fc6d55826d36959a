"""Requests as the scripts want them: in runs that have all in common but the end of the id and the question."""

import hashlib
import struct
import zlib
from collections.abc import Sequence
from typing import Any, Final

from predictq_broker.alike import TAIL, Alike, by_head
from predictq_broker.messages import Request
from predictq_broker.redis.keys import PRIORITIES
from predictq_broker.redis.parcels import packed
from predictq_broker.wire import common_request_fields

__all__ = ["fit_in_parcels", "parcel_words", "parcels", "send_words"]

_MOST: Final = 1000
"""Requests of one run: the script hands a run to Redis at once, and Lua's stack holds some thousands."""
_MOST_IN_PARCEL: Final = 64
"""Whoever holds a parcel holds all of it, so this many share their fate if it dies."""
_LARGEST_IN_PARCEL: Final = 4096
"""Bytes of a body: what it costs to put a larger one together with others and apart again is more than it spares."""
_STREAM: Final = {priority: number for number, priority in enumerate(PRIORITIES, 1)}


def send_words(runs: Sequence[Alike]) -> list[Any]:
    """The arguments of `send.lua` for these requests, in their order."""
    words: list[Any] = []
    for run in by_head(runs, _MOST):
        form, ids, bodies = run.form, run.ids, run.bodies
        common, told = common_request_fields(form), _told(form)
        words += (_STREAM[form.priority], form.reply_to, run.head, len(ids), len(common), *common)
        words += [id_[-TAIL:] for id_ in ids]
        words += [_fingerprint(told, body) for body in bodies]
        words += bodies
    return words


def fit_in_parcels(runs: Sequence[Alike]) -> bool:
    """Whether these are many and small. One alone is read sooner as an entry of its own."""
    if sum(map(len, runs)) == 1:
        return False
    return all(max(map(len, run.bodies)) <= _LARGEST_IN_PARCEL for run in runs)


def parcels(runs: Sequence[Alike]) -> list[Alike]:
    """The requests in their order, as they are put into parcels."""
    return list(by_head(runs, _MOST_IN_PARCEL))


def parcel_words(parcel: Alike) -> list[Any]:
    """The arguments of `send_parcels.lua` for one parcel."""
    form, bodies = parcel.form, parcel.bodies
    ids, sizes, blob = packed(parcel.ids, bodies)
    fields = ["ids", ids, "sizes", sizes, "bodies", blob, *common_request_fields(form)]
    told = _told(form)
    checks = struct.pack(f">{len(parcel)}I", *[zlib.crc32(told, zlib.crc32(body)) for body in bodies]).hex()
    about = (_STREAM[form.priority], form.reply_to, parcel.head, parcel.tails, checks, len(parcel), len(blob))
    return [*about, len(fields), *fields]


def _fingerprint(told: bytes, body: bytes) -> str:
    """What must be equal for a repeated id to be the same request: all that decides its answer.

    The first 8 digits are a checksum that is made in no time: of requests in parcels they are all that is kept, for
    only their sender knows the ids, and is not his own enemy. The others are cut from SHA-1, which takes half the time
    of BLAKE2b for a body of many rows; nothing secret hangs on it.
    """
    digest = hashlib.sha1(body, usedforsecurity=False)
    digest.update(told)
    return f"{zlib.crc32(told, zlib.crc32(body)):08x}{digest.hexdigest()[:10]}"


def _told(request: Request) -> bytes:
    """What decides its answer beside the body."""
    return f"\0{request.ref}\0{request.method}\0{request.content_type}".encode()
