"""A parcel: like requests of one `send` that stand in one row, and are known by one record, as long as nothing parts
them. It waits, and is then held by one consumer until all of it is settled. Whatever else happens to a request of
it (it is withdrawn, given back, buried or lost with its consumer) happens after `unpack` gave each a row of its own.

Its requests have the slots just before that of the row, which they get when they are unpacked.
"""

import json
from collections.abc import Collection, Sequence
from itertools import pairwise
from sqlite3 import Connection
from struct import pack
from typing import Final, NamedTuple
from zlib import crc32

from predictq_broker.alike import TAIL, Alike, by_head
from predictq_broker.messages import Request
from predictq_broker.sqlite.packing import MOST_BYTES, how_many, pack_sizes
from predictq_broker.sqlite.rows import Row, is_plain, is_sound
from predictq_broker.sqlite.statements import insert, sql

__all__ = ["Known", "check", "checks_in", "find_known", "ids_in", "keep", "parcels_of", "slots_in"]

_MOST: Final = 64


class Known(NamedTuple):
    """What is known of an id that came in a parcel: the slot of that, and the check of what was asked."""

    parcel: int
    check: bytes


def parcels_of(runs: Sequence[Alike]) -> list[Alike]:
    """The requests as parcels, which may be of one; none if a header has to be judged by who receives it."""
    parcels = [parcel for run in by_head(runs, _MOST) for parcel in _parted(run)]
    return parcels if all(is_sound(parcel.form) for parcel in parcels) else []


def _parted(run: Alike) -> list[Alike]:
    """The run, in parts that are no larger than a parcel may be."""
    if sum(map(len, run.bodies)) <= MOST_BYTES:
        return [run]
    starts, room = [0], MOST_BYTES
    for number, size in enumerate(map(len, run.bodies)):
        if room < size and number:
            starts.append(number)
            room = MOST_BYTES
        room -= size
    return [run[start:end] for start, end in pairwise([*starts, len(run)])]


def keep(connection: Connection, placed: Sequence[tuple[int, Alike]], now: int, until: int) -> None:
    """Store parcels, each told with the slot of its row, and remember their ids."""
    known = [(slot, parcel, parcel.tails) for slot, parcel in placed]
    insert(connection, "store_parcel", [_row(slot, now, parcel, tails) for slot, parcel, tails in known])
    insert(connection, "remember_parcel", [_record(slot, until, parcel, tails) for slot, parcel, tails in known])


def _row(slot: int, now: int, parcel: Alike, tails: str) -> Row:
    form, bodies = parcel.form, parcel.bodies
    _, _, _, ref, reply_to, method, content_type, rows, ttl, _, key, traceparent = form
    headers = (None,) * 6 if is_plain(form) else (ref, method, content_type, rows, key, traceparent)
    sizes, blob = pack_sizes(bodies), b"".join(bodies)
    return (slot, now, parcel.head, reply_to, ttl, *headers, tails, sizes, blob)


def _record(slot: int, until: int, parcel: Alike, tails: str) -> Row:
    begun = _begin_check(parcel.form)
    checks = pack(f"<{len(parcel)}I", *[crc32(body, begun) for body in parcel.bodies])
    return (slot, until, parcel.head, tails, checks)


def ids_in(head: str, tails: str) -> list[str]:
    """The ids of a parcel, in order."""
    return list(map(head.__add__, tails.split(" ")))


def slots_in(slot: int, sizes: bytes) -> range:
    """The slots of the requests in the parcel that stands at `slot`."""
    return range(slot - how_many(sizes), slot)


def checks_in(checks: bytes) -> list[bytes]:
    """The check of each request of a parcel, in order."""
    return [checks[place : place + 4] for place in range(0, len(checks), 4)]


def check(request: Request) -> bytes:
    """Of everything that decides the answer, as it is remembered of a request in a parcel."""
    return pack("<I", crc32(request.body, _begin_check(request)))


def _begin_check(request: Request) -> int:
    headers = f"{request.ref}\0{request.method}\0{request.content_type}\0"
    return crc32(headers.encode(errors="surrogatepass"))


def find_known(connection: Connection, queue: int, ids: Collection[str], now: int) -> dict[str, Known]:
    """Those of these ids that came in a parcel and are remembered."""
    asked = {"heads": json.dumps(list({id_[:-TAIL] for id_ in ids})), "queue": queue, "now": now}
    found = connection.execute(sql("find_known_parcels"), asked).fetchall()
    wanted = set(ids) if found else set()
    return {
        id_: Known(slot, value)
        for slot, head, tails, checks in found
        for id_, value in zip(ids_in(head, tails), checks_in(checks), strict=True)
        if id_ in wanted
    }
