"""The lease of one consumer or subscriber: held while its heartbeat moves, as the others see it."""

import time
from collections.abc import Iterable, Sequence
from secrets import randbits
from sqlite3 import Connection
from typing import NamedTuple

from predictq_broker.sqlite.database import Database, now_ms
from predictq_broker.sqlite.settling import Settled, settle
from predictq_broker.sqlite.slots import Tag, json_list
from predictq_broker.sqlite.statements import sql
from predictq_broker.sqlite.unpacking import unpack

__all__ = ["Lease"]


class Beat(NamedTuple):
    """A heartbeat as last seen to move, on our monotonic clock."""

    beat: int
    since: float


class Lease:
    """What a consumer holds, under an incarnation that ends with the lease.

    A fenced consumer goes on under a new incarnation, drawn at random so that none is ever taken for another.
    """

    def __init__(self, database: Database, name: str, seconds: float) -> None:
        self._database = database
        self._name = name
        self._seconds = seconds
        self._incarnation = 0
        self._serves: set[int] = set()
        self._holds = 0
        self._lost = 0
        self._beats: dict[int, Beat] = {}
        self._looked = time.monotonic()
        self._closed = False

    def serve(self, connection: Connection, queues: Iterable[int]) -> None:
        """Say that this consumer reads these queues."""
        incarnation = self.incarnation(connection)
        self._serves.update(queues)
        self._enlist(connection, incarnation)

    def incarnation(self, connection: Connection) -> int:
        """Under which to hold; a new one at first, and after the last one was fenced."""
        if self._incarnation and connection.execute(sql("find_consumer"), {"consumer": self._incarnation}).fetchone():
            return self._incarnation
        self._lost, self._holds = self._lost + self._holds, 0
        self._incarnation = randbits(62) | 1
        connection.execute(
            sql("start_consumer"),
            {"consumer": self._incarnation, "name": self._name, "lease": self._seconds, "now": now_ms()},
        )
        self._enlist(connection, self._incarnation)
        return self._incarnation

    def _enlist(self, connection: Connection, incarnation: int) -> None:
        for queue in self._serves:
            connection.execute(sql("serve_queue"), {"queue": queue, "consumer": incarnation})

    def is_under(self, tag: Tag) -> bool:
        """Whether this was taken under the incarnation that is ours now."""
        return tag[1] == self._incarnation

    def took(self, count: int) -> None:
        """So many more are held."""
        self._holds += count

    def surrender(self, connection: Connection, tags: Sequence[Tag]) -> dict[int, int]:
        """Let go of those of these that are still ours; returns the attempt of each, by slot."""
        self.unpack(connection, tags)
        ours = {"slots": json_list(tag[0] for tag in tags if self.is_under(tag)), "consumer": self._incarnation}
        found = dict(connection.execute(sql("surrender"), ours).fetchall())
        self._holds -= len(found)
        return found

    def unpack(self, connection: Connection, tags: Sequence[Tag]) -> None:
        """Give each of these that are still ours, and those that came with them, a row of its own."""
        ours = self._incarnation
        unpack(connection, {parcel.slot for _, incarnation, _, parcel in tags if parcel and incarnation == ours})

    def settle(self, connection: Connection, tags: Sequence[Tag]) -> Settled:
        """Let go of those of these that are still ours and answered."""
        ours = self._incarnation
        settled = settle(connection, ours, [tag for tag in tags if tag[1] == ours])
        self._holds -= len(settled.requests)
        return settled

    def give_back(self, tags: Sequence[Tag]) -> None:
        """Put those of these that are still ours back where they are read first, with the same attempt."""
        with self._database.write(durable=False) as connection:
            connection.executemany(sql("give_back"), list(self.surrender(connection, tags).items()))

    def renew(self) -> int:
        """Move the heartbeat; returns how many deliveries were lost since the last call."""
        if self._closed:
            return 0  # a heart that beats on after its end must not make a new consumer
        with self._database.write(durable=False) as connection:
            incarnation = self.incarnation(connection)
            connection.execute(sql("renew_consumer"), {"consumer": incarnation, "now": now_ms()})
            lost, self._lost = self._lost, 0
        return lost

    def reclaim(self) -> int:
        """Fence every other whose heartbeat stood still for its lease; returns how many deliveries came back."""
        return sum(self._fence(consumer, beat) for consumer, beat in self._overdue())

    def _overdue(self) -> list[tuple[int, int]]:
        now = time.monotonic()
        slept = now - self._looked > self._seconds  # then it was we who stood still, and saw nobody's heart
        self._looked = now
        found = self._database.read("list_consumers", {})
        before = {} if slept else self._beats
        self._beats = {consumer: _seen(before.get(consumer), beat, now) for consumer, beat, _ in found}
        return [
            (consumer, beat)
            for consumer, beat, lease in found
            if consumer != self._incarnation and now - self._beats[consumer].since >= lease
        ]

    def _fence(self, consumer: int, beat: int) -> int:
        with self._database.write(durable=True) as connection:
            if not connection.execute(sql("end_consumer"), {"consumer": consumer, "beat": beat}).rowcount:
                return 0  # it moved, or another was faster
            return _give_back_all(connection, consumer, more=1)

    def close(self) -> None:
        """Give back what is held, unharmed, and end the incarnation."""
        self._closed = True
        if not self._incarnation:
            return
        with self._database.write(durable=False) as connection:
            connection.execute(sql("end_consumer"), {"consumer": self._incarnation, "beat": None})
            _give_back_all(connection, self._incarnation, more=0)
            self._incarnation, self._holds = 0, 0


def _seen(before: Beat | None, beat: int, now: float) -> Beat:
    return before if before is not None and before.beat == beat else Beat(beat, now)


def _give_back_all(connection: Connection, consumer: int, more: int) -> int:
    parcels = connection.execute(sql("list_held_parcels"), {"consumer": consumer}).fetchall()
    unpack(connection, [slot for (slot,) in parcels])
    connection.execute(sql("end_serving"), {"consumer": consumer})
    connection.execute(sql("give_back_all"), {"consumer": consumer, "more": more})
    return connection.execute(sql("drop_held"), {"consumer": consumer}).rowcount
