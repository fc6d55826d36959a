"""One of the readers that share a durable result queue."""

from collections.abc import Sequence
from sqlite3 import Connection
from typing import NamedTuple

from predictq_broker.messages import ResultDelivery
from predictq_broker.names import check_name
from predictq_broker.sqlite.bell import Bell
from predictq_broker.sqlite.database import Database, now_ms
from predictq_broker.sqlite.lease import Lease
from predictq_broker.sqlite.rows import Row, results_in
from predictq_broker.sqlite.slots import Tag, json_list, reply_span, tag_of
from predictq_broker.sqlite.statements import sql

__all__ = ["SqliteSubscription"]


class Line(NamedTuple):
    """The stream of a durable result queue."""

    reply: int
    unread: int
    read: int
    last: int


class SqliteSubscription:
    """See `predictq_broker.port.Subscription`."""

    def __init__(self, database: Database, queue: str, lease: float, requests: Bell, results: Bell) -> None:
        self._database = database
        self._queue = check_name("queue", queue)
        self._lease = Lease(database, f"subscriber of {queue}", lease)
        self._requests = requests
        self._results = results
        self._closed = False
        self._held: set[Tag] = set()

    def receive(self, capacity: int, wait: float) -> Sequence[ResultDelivery]:
        """Up to `capacity` results."""
        return self._results.until(lambda: self._take(capacity), wait, lambda: self._closed)

    def _take(self, capacity: int) -> Sequence[ResultDelivery]:
        if self._database.read("peek_subscription", {"name": self._queue}) != [(1,)]:
            return []
        with self._database.write(durable=False) as connection:
            consumer = self._lease.incarnation(connection)
            line = Line._make(connection.execute(sql("find_reply_to"), {"name": self._queue}).fetchone())
            rows = _take_returned(connection, line, consumer, capacity)
            rows += _take_new(connection, line, consumer, capacity - len(rows))
            self._lease.took(len(rows))
        taken = [ResultDelivery(results_in(row[2:])[0], (row[0], consumer, 0, None), row[1]) for row in rows]
        still = {tag for tag in self._held if self._lease.is_under(tag)}
        self._held = still.union(tag_of(delivery.tag) for delivery in taken)
        return taken

    def ack(self, deliveries: Sequence[ResultDelivery]) -> int:
        """Forget these results."""
        tags = [tag_of(delivery.tag) for delivery in deliveries]
        with self._database.write(durable=True) as connection:
            ours = self._lease.surrender(connection, tags)
            if ours:
                reply = connection.execute(sql("find_reply_to"), {"name": self._queue}).fetchone()[0]
                connection.execute(sql("forget_results"), {"slots": json_list(ours)})
                connection.execute(sql("touch_reply_to"), {"reply": reply, "count": len(ours), "now": now_ms()})
        self._held = self._held.difference(tags)
        return len(ours)

    def holds(self, delivery: ResultDelivery) -> bool:
        """Whether it is still ours."""
        tag = tag_of(delivery.tag)
        return tag in self._held and self._lease.is_under(tag)

    def renew(self) -> int:
        """Keep the lease alive."""
        return self._lease.renew()

    def reclaim(self) -> int:
        """Give back what dead subscribers held."""
        given_back = self._lease.reclaim()
        if given_back:
            self._requests.ring()
            self._results.ring()
        return given_back

    def close(self) -> None:
        """Give back what is not acknowledged, and the lease."""
        self._closed = True
        self._lease.close()
        self._results.ring()


def _take_returned(connection: Connection, line: Line, consumer: int, capacity: int) -> list[Row]:
    first, last = reply_span(line.reply)
    rows = connection.execute(
        sql("read_returned_results"), {"first": first, "last": last, "limit": max(0, capacity)}
    ).fetchall()
    if rows:
        taken = {"consumer": consumer, "first": first, "last": rows[-1][0]}
        connection.execute(sql("hold_returned"), taken)
        connection.execute(sql("drop_returned"), taken)
    return rows


def _take_new(connection: Connection, line: Line, consumer: int, capacity: int) -> list[Row]:
    rows = connection.execute(
        sql("read_results"), {"read": line.read, "last": line.last, "limit": max(0, capacity)}
    ).fetchall()
    if rows:
        taken = {"consumer": consumer, "read": line.read, "last": rows[-1][0]}
        connection.execute(sql("hold_results"), taken)
        connection.execute(sql("advance_reply_to"), {"reply": line.reply, "read": rows[-1][0], "now": now_ms()})
    return rows
