"""A worker's side of the embedded broker."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from sqlite3 import Connection
from typing import cast

from predictq_broker.failpoints import reached
from predictq_broker.messages import Delivery, Outcome
from predictq_broker.names import check_name
from predictq_broker.port import Capacity
from predictq_broker.sqlite.bell import Bell
from predictq_broker.sqlite.database import Database, now_ms
from predictq_broker.sqlite.intake import Source, deliveries, how_many_in, take
from predictq_broker.sqlite.lease import Lease
from predictq_broker.sqlite.publishing import publish
from predictq_broker.sqlite.queues import open_queue
from predictq_broker.sqlite.slots import Tag, json_list, queue_of, tag_of
from predictq_broker.sqlite.statements import sql

__all__ = ["SqliteConsumer", "forget"]


class SqliteConsumer:
    """See `predictq_broker.port.Consumer`."""

    def __init__(self, database: Database, name: str, lease: float, requests: Bell, results: Bell) -> None:
        self._database = database
        self._lease = Lease(database, name, lease)
        self._requests = requests
        self._results = results
        self._queues: dict[str, int] = {}
        self._closed = False

    def receive(self, wants: Mapping[str, Capacity], wait: float) -> Sequence[Delivery]:
        """Requests, as each queue's capacity allows."""
        if self._closed:
            return []
        self._introduce(wants)
        queues = json_list(self._queues[model] for model in wants)
        return self._requests.until(lambda: self._take(wants, queues), wait, lambda: self._closed)

    def _introduce(self, models: Iterable[str]) -> None:
        """Be seen as a consumer of these queues, before the first request and without one."""
        if new := [check_name("model", model) for model in models if model not in self._queues]:
            with self._database.write(durable=False) as connection:
                found = {model: open_queue(connection, model).queue for model in new}
                self._lease.serve(connection, found.values())
            self._queues.update(found)

    def _take(self, wants: Mapping[str, Capacity], queues: str) -> Sequence[Delivery]:
        ((waiting,),) = self._database.read("peek_requests", {"queues": queues})
        if not waiting:
            return []
        with self._database.write(durable=False) as connection:
            consumer = self._lease.incarnation(connection)
            sources = [Source(model, self._queues[model], consumer) for model in wants]
            taken = [take(connection, source, wants[source.model]) for source in sources]
            self._lease.took(sum(map(how_many_in, taken)))
        return list(chain.from_iterable(map(deliveries, taken, sources)))

    def renew(self) -> int:
        """Keep the lease alive."""
        return self._lease.renew()

    def reclaim(self) -> int:
        """Give back what dead consumers held."""
        given_back = self._lease.reclaim()
        if given_back:
            self._requests.ring()
            self._results.ring()
        return given_back

    def settle(self, outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
        """Publish the results and forget the requests."""
        return self._finish(outcomes, dead=False)

    def bury(self, outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
        """Publish the results and set the requests aside."""
        return self._finish(outcomes, dead=True)

    def _finish(self, outcomes: Sequence[Outcome], *, dead: bool) -> Sequence[Outcome]:
        if not outcomes:
            return []
        tags = _tags(outcomes)
        with self._database.write(durable=True) as connection:
            now = now_ms()
            if dead:
                self._lease.unpack(connection, tags)
            ours, rows = self._lease.settle(connection, tags)
            settled = outcomes if len(ours) == len(tags) else self._those(ours, outcomes)
            if dead:
                _set_aside(connection, settled, now)
            gone = tags if settled is outcomes else _tags(settled)
            forget(connection, rows, [(slot, size) for slot, _, size, _ in gone])
            publish(connection, [(delivery[0][4], result) for delivery, result in settled], now)
            reached("mid_settle")
        self._results.ring()
        return settled

    def _those(self, slots: set[int], outcomes: Sequence[Outcome]) -> list[Outcome]:
        """The first outcome for each of these slots."""
        first: dict[int, Outcome] = {}
        for outcome in outcomes:
            tag = tag_of(outcome.delivery.tag)
            if tag[0] in slots and self._lease.is_under(tag):
                first.setdefault(tag[0], outcome)
        return list(first.values())

    def release(self, deliveries: Sequence[Delivery]) -> None:
        """Give deliveries back unharmed."""
        if deliveries:
            self._lease.give_back([tag_of(delivery.tag) for delivery in deliveries])
            self._requests.ring()

    def close(self) -> None:
        """Release what is held and give up the lease."""
        self._closed = True
        self._lease.close()
        self._requests.ring()


def forget(connection: Connection, rows: Iterable[int], settled: Iterable[tuple[int, int]]) -> None:
    """Delete rows, and take requests, told by slot and size of body, off their queues' counts."""
    connection.execute(sql("forget_requests"), {"slots": json_list(rows)})
    sizes: dict[int, list[int]] = defaultdict(list)
    for slot, size in settled:
        sizes[queue_of(slot)].append(size)
    for queue, each in sizes.items():
        connection.execute(sql("charge_queue"), {"queue": queue, "requests": -len(each), "bytes": -sum(each)})


def _tags(outcomes: Iterable[Outcome]) -> list[Tag]:
    return cast("list[Tag]", [delivery[1] for delivery, _ in outcomes])


def _set_aside(connection: Connection, settled: Sequence[Outcome], now: int) -> None:
    connection.executemany(
        sql("bury_request"),
        [
            (result.body.decode(errors="replace"), delivery.attempt, now / 1000, tag_of(delivery.tag)[0])
            for delivery, result in settled
        ],
    )
