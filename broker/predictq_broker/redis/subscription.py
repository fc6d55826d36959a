"""A subscriber's side of a durable result queue: one stream for each model whose results go there."""

import time
from collections.abc import Iterator, Sequence
from itertools import chain, groupby
from typing import NamedTuple

from predictq_broker.messages import ResultDelivery
from predictq_broker.port import Capacity
from predictq_broker.redis.connection import MAX_BLOCK
from predictq_broker.redis.entries import ALL, Handed, Place, as_map
from predictq_broker.redis.keys import SUBSCRIBERS, Keys, known_models, model_of
from predictq_broker.redis.leases import Leased
from predictq_broker.redis.scripts import Scripts
from predictq_broker.redis.server import Server
from predictq_broker.redis.waiting import Reads, until_new
from predictq_broker.redis.watch import Queue
from predictq_broker.wire import read_result

__all__ = ["RedisSubscription"]


class _Tag(NamedTuple):
    queue: Queue
    name: bytes
    attempt: int
    consumer: str
    held: set[int]

    @property
    def place(self) -> Place:
        """Where its entry is."""
        return Place(self.queue.leases, 1, self.name)


class RedisSubscription:
    """Implements `predictq_broker.Subscription`."""

    def __init__(self, where: Server, scripts: Scripts, queue: str, lease: float) -> None:
        self._where = where
        self._scripts = scripts
        self._queue = queue
        self._leased = Leased(where, scripts, SUBSCRIBERS, "subscriber", lease)
        self._reads = Reads(where)

    def receive(self, capacity: int, wait: float) -> Sequence[ResultDelivery]:
        """As `Subscription.receive`."""
        with self._leased.reading("receive results"):
            deliveries = self._read(capacity, time.monotonic() + wait)
        self._leased.hold(_tag(delivery) for delivery in deliveries)  # only now: see `RedisConsumer.receive`
        return deliveries

    def _read(self, capacity: int, deadline: float) -> list[ResultDelivery]:
        while True:
            queues = self._queues()
            deliveries = self._take(queues, capacity)
            left = deadline - time.monotonic()
            if deliveries or left <= 0:
                return deliveries
            self._sleep(queues, min(left, MAX_BLOCK))

    def _queues(self) -> list[Queue]:
        """The streams there are now: a model's appears with its first result."""
        streams = [Keys.of(model).results(self._queue) for model in known_models(self._where)]
        return [Queue((s,), f"{s}:leases") for keys in self._where.together(streams) for s in self._there(keys)]

    def _there(self, streams: Sequence[str]) -> list[str]:
        pipeline = self._where.at(streams[0]).pipeline(transaction=False)
        for stream in streams:
            pipeline.exists(stream)
        return [stream for stream, exists in zip(streams, pipeline.execute(), strict=True) if exists]

    def _take(self, queues: Sequence[Queue], capacity: int) -> list[ResultDelivery]:
        deliveries: list[ResultDelivery] = []
        for queue in queues:
            room = capacity - len(deliveries)
            if room <= 0:
                break
            _, handed, consumer = self._leased.receive(queue, Capacity(room))
            deliveries += chain.from_iterable(self._deliveries(queue, some, consumer) for some in handed)
        kept = [delivery for delivery in deliveries if _tag(delivery).consumer == self._leased.consumer]
        return kept if len(kept) == len(deliveries) else kept + self._take(queues, capacity - len(kept))

    def _deliveries(self, queue: Queue, handed: Handed, consumer: str) -> Iterator[ResultDelivery]:
        _, attempt, entries = handed
        for name, fields in entries:
            result = read_result(model_of(queue.streams[0]), as_map(fields))
            yield ResultDelivery(result, _Tag(queue, name, attempt, consumer, {ALL}), attempt)

    def _sleep(self, queues: Sequence[Queue], wait: float) -> None:
        """Until a result comes to a stream we know, or it is time to look for new streams."""
        if not queues:
            time.sleep(min(wait, 0.1))
            return
        until_new(self._where, self._reads, [queue.streams[0] for queue in queues], SUBSCRIBERS, wait)

    def ack(self, deliveries: Sequence[ResultDelivery]) -> int:
        """As `Subscription.ack`."""
        tags = sorted((tag for delivery in deliveries if self._leased.held_of(tag := _tag(delivery))), key=_owner)
        acked = 0
        with self._where.trying("acknowledge results"):
            for (stream, leases, consumer), group in groupby(tags, key=_owner):
                ours = list(group)
                names = [tag.name for tag in ours]
                forgotten = int(self._scripts.ack(keys=[stream, leases], args=[SUBSCRIBERS, consumer, *names]))
                self._leased.let_go((tag, (ALL,)) for tag in ours if forgotten)
                acked += forgotten
        return acked

    def holds(self, delivery: ResultDelivery) -> bool:
        """As `Subscription.holds`."""
        return bool(self._leased.held_of(_tag(delivery)))

    def renew(self) -> int:
        """As `Subscription.renew`."""
        return self._leased.renew()

    def reclaim(self) -> int:
        """As `Subscription.reclaim`."""
        return self._leased.reclaim()

    def close(self) -> None:
        """As `Subscription.close`."""
        self._reads.close()
        self._leased.leave()


def _tag(delivery: ResultDelivery) -> _Tag:
    if not isinstance(delivery.tag, _Tag):
        raise TypeError("this result came from another broker")
    return delivery.tag


def _owner(tag: _Tag) -> tuple[str, str, str]:
    return tag.queue.streams[0], tag.queue.leases, tag.consumer
