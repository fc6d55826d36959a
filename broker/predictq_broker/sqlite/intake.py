"""Taking requests from one queue into a consumer's hands, within its transaction."""

import math
import time
from collections.abc import Iterable, Sequence
from itertools import chain, repeat
from sqlite3 import Connection
from typing import NamedTuple

from predictq_broker.columns import made
from predictq_broker.messages import Delivery, Request
from predictq_broker.port import Capacity
from predictq_broker.sqlite.database import now_ms
from predictq_broker.sqlite.packing import cut, how_many
from predictq_broker.sqlite.parcels import ids_in, slots_in
from predictq_broker.sqlite.rows import Row, request_in
from predictq_broker.sqlite.slots import Parcel, priority_of, stream_span, streams_of
from predictq_broker.sqlite.statements import sql

__all__ = ["Source", "deliveries", "how_many_in", "take"]


class Source(NamedTuple):
    """A model's queue, and who takes from it."""

    model: str
    queue: int
    consumer: int


class Stream(NamedTuple):
    """One priority's stream, and the slot up to which it was read."""

    stream: int
    read: int


class Room:
    """What is left of a capacity."""

    def __init__(self, capacity: Capacity) -> None:
        self.requests, self.rows, self.size, self.suspects = capacity

    @property
    def left(self) -> bool:
        """Whether one more may come: the one that crosses a bound is the last."""
        return self.requests > 0 and self.rows > 0 and self.size > 0

    def fill(self, rows: Iterable[Row]) -> list[Row]:
        """As many of `rows` as there is room for."""
        taken: list[Row] = []
        for row in rows:
            suspect = row[1] > 1
            if suspect and self.suspects <= 0:
                break
            taken.append(row)
            self.suspects -= suspect
            count = how_many(row[15])
            self.requests -= count
            self.rows -= count * (row[11] or 1)
            self.size -= len(row[4] or b"")
            if not self.left:
                break
        return taken


class Clock(NamedTuple):
    """This moment, on the broker's clock in milliseconds and on this process's monotonic clock in seconds."""

    broker: int
    here: float


def take(connection: Connection, source: Source, capacity: Capacity) -> list[Row]:
    """What waits, up to `capacity`, now held by the consumer: by priority, and within each the returned first."""
    room = Room(capacity)
    rows: list[Row] = []
    unread = dict(connection.execute(sql("find_unread_streams"), {"queue": source.queue}).fetchall())
    for stream in streams_of(source.queue):
        if room.left:
            rows += _take_returned(connection, source, stream, room)
        if room.left and stream in unread:
            rows += _take_stream(connection, source, Stream(stream, unread[stream]), room)
    return rows


def deliveries(rows: Sequence[Row], source: Source) -> list[Delivery]:
    """The rows taken from one queue, as they are handed out at this moment."""
    clock = Clock(now_ms(), time.monotonic())
    return list(chain.from_iterable([_delivered(row, source, clock) for row in rows]))


def how_many_in(rows: Sequence[Row]) -> int:
    """The number of requests in these rows."""
    return sum([how_many(row[15]) for row in rows])


def _take_returned(connection: Connection, source: Source, stream: int, room: Room) -> list[Row]:
    first, last = stream_span(stream)
    cursor = connection.execute(sql("read_returned"), {"first": first, "last": last, "limit": room.requests})
    rows = room.fill(cursor)
    cursor.close()
    if rows:
        taken = {"consumer": source.consumer, "first": first, "last": rows[-1][0]}
        connection.execute(sql("hold_returned"), taken)
        connection.execute(sql("drop_returned"), taken)
    return rows


def _take_stream(connection: Connection, source: Source, unread: Stream, room: Room) -> list[Row]:
    stream, read = unread
    cursor = connection.execute(sql("read_stream"), {"stream": stream, "read": read, "limit": room.requests})
    rows = room.fill(cursor)
    cursor.close()
    if rows:
        taken = {"consumer": source.consumer, "read": read, "last": rows[-1][0], "stream": stream}
        connection.execute(sql("hold_stream"), taken)
        connection.execute(sql("advance_stream"), taken)
    if room.left:  # to the end: the numbers of withdrawn requests too are behind us
        connection.execute(sql("finish_stream"), {"stream": stream})
    return rows


def _delivered(row: Row, source: Source, clock: Clock) -> Sequence[Delivery]:
    """The one request in a row, or those of a parcel."""
    slot, attempt, accepted = row[:3]
    request, fault = request_in(row[3:14], source.model, priority_of(slot))
    waited = (clock.broker - accepted) / 1000
    expires = math.inf if request.ttl is None else clock.here + request.ttl - waited
    when = (attempt, max(0.0, waited), clock.here, expires)
    if row[15] is None:
        return (Delivery(request, (slot, source.consumer, len(request.body), None), *when, fault),)
    model, blob, head, *common = request
    tails, sizes = row[14:]
    slots, bodies = slots_in(slot, sizes), list(cut(blob, sizes))
    requests = made(Request, repeat(model), bodies, ids_in(head, tails), *map(repeat, common))
    tags = zip(slots, repeat(source.consumer), map(len, bodies), repeat(Parcel(slot, len(slots))))
    return list(made(Delivery, requests, tags, *map(repeat, when), repeat(None)))
