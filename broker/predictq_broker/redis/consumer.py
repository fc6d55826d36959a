"""A worker's side of the streams."""

import logging
import time
from collections.abc import Collection, Mapping, Sequence
from itertools import chain, groupby
from typing import Any, NamedTuple

from redis import exceptions as server

from predictq_broker.failpoints import reached
from predictq_broker.messages import Delivery, Outcome
from predictq_broker.port import Capacity, Limits
from predictq_broker.redis.connection import MAX_BLOCK
from predictq_broker.redis.entries import tag_of, to_deliveries
from predictq_broker.redis.keys import WORKERS, Keys, Known, model_of
from predictq_broker.redis.leases import Leased
from predictq_broker.redis.pool import talk
from predictq_broker.redis.scripts import Scripts
from predictq_broker.redis.server import Server
from predictq_broker.redis.settling import alike, settle_words
from predictq_broker.redis.waiting import Reads, until_new
from predictq_broker.redis.watch import Queue
from predictq_broker.wire import common_result_fields

__all__ = ["RedisConsumer"]

_logger = logging.getLogger(__name__)
_WOKEN = 32
"""How many entries a blocked read takes at most: it cannot look at rows and bytes, the next read does."""
_MOMENT = 0.02
"""Seconds in which we do not look for what was given back, if there was nothing before."""


class _Look(NamedTuple):
    """When we looked last and found nothing, for which models, and under which name."""

    when: float
    models: Collection[str]
    consumer: str


_NEVER = _Look(-_MOMENT, (), "")


class RedisConsumer:
    """Implements `predictq_broker.Consumer`."""

    def __init__(self, where: Server, scripts: Scripts, limits: Limits, name: str, lease: float) -> None:
        self._where = where
        self._scripts = scripts
        self._inbox_ttl = round(limits.inbox_ttl * 1000)
        self._leased = Leased(where, scripts, WORKERS, name, lease)
        self._known = Known(where)
        self._reads = Reads(where)
        self._looked = _NEVER

    def receive(self, wants: Mapping[str, Capacity], wait: float) -> Sequence[Delivery]:
        """As `Consumer.receive`."""
        with self._leased.reading("receive requests"):
            self._known.announce(wants)
            deliveries = self._read(dict(wants), time.monotonic() + wait)
        # held only now: what was read before a failure is not ours to lose, and is given back by the next read
        self._leased.hold(map(tag_of, deliveries))
        return deliveries

    def _read(self, wants: dict[str, Capacity], deadline: float) -> list[Delivery]:
        while True:
            deliveries = self._look(wants, deadline)
            left = deadline - time.monotonic()
            if deliveries or left <= 0 or not wants:
                return deliveries
            deliveries = self._sleep(wants, min(left, MAX_BLOCK))
            if len(deliveries) >= _WOKEN:
                return deliveries + self._take(_without(wants, deliveries))
            if deliveries:
                return deliveries

    def _look(self, wants: dict[str, Capacity], deadline: float) -> list[Delivery]:
        """What waits, unless we looked a moment ago and may sleep now: a lone request is answered sooner so."""
        now, (when, models, consumer) = time.monotonic(), self._looked
        may_sleep = now < when + _MOMENT < deadline and consumer == self._leased.consumer
        if may_sleep and all(model in models for model in wants):
            return []
        deliveries = self._take(wants)
        self._looked = _NEVER if deliveries else _Look(now, frozenset(wants), self._leased.consumer)
        return deliveries

    def _take(self, wants: dict[str, Capacity]) -> list[Delivery]:
        """What waits; a queue that is broken is left out of `wants`, unless it is the only one."""
        deliveries: list[Delivery] = []
        models = list(wants)
        for model in models:
            try:
                deliveries += self._take_from(model, wants[model])
            except server.ResponseError as error:
                if not str(error).startswith("WRONGTYPE") or len(wants) == 1:
                    raise
                _logger.warning("this model's queue is broken", extra={"model": model, "why": str(error)})
                del wants[model]
        return deliveries if len(models) == 1 else self._kept(deliveries, wants)

    def _kept(self, deliveries: list[Delivery], wants: Mapping[str, Capacity]) -> list[Delivery]:
        """What we hold; if we found ourselves fenced between two queues, the first one's is to be taken again."""
        kept = [delivery for delivery in deliveries if tag_of(delivery).consumer == self._leased.consumer]
        return kept if len(kept) == len(deliveries) else kept + self._take(_without(wants, kept))

    def _take_from(self, model: str, capacity: Capacity) -> list[Delivery]:
        queue = _queue(model)
        now, handed, consumer = self._leased.receive(queue, capacity)
        return to_deliveries(model, handed, consumer, queue.leases, now)

    def _sleep(self, wants: Mapping[str, Capacity], wait: float) -> list[Delivery]:
        """Block in the server until a request comes; it is ours at once, without another round trip."""
        streams = {stream: (model, n) for model in wants for n, stream in enumerate(Keys.of(model).streams, 1)}
        if len(self._where.together(list(streams))) > 1:
            return self._sleep_apart(wants, list(streams), wait)
        count = min(_WOKEN, *(capacity.requests for capacity in wants.values()))
        consumer = self._leased.reader
        read = ("XREADGROUP", "GROUP", WORKERS, consumer, "COUNT", count, "BLOCK", max(round(wait * 1000), 1))
        where = self._where.at(next(iter(streams)))
        reply, clock = talk(where, (*read, "STREAMS", *streams, *(">" for _ in streams)), ("TIME",))
        if isinstance(reply, server.ResponseError) and str(reply).startswith(("NOGROUP", "UNBLOCKED")):
            return []  # the queue was removed under us; the next read makes it anew
        if isinstance(reply, Exception):
            raise reply
        return self._fitting(self._woken(reply or [], streams, consumer, clock), wants)

    def _sleep_apart(self, wants: Mapping[str, Capacity], streams: Sequence[str], wait: float) -> list[Delivery]:
        """As `_sleep`, where no read may name all streams: sleep first, then take what came."""
        woken = until_new(self._where, self._reads, streams, WORKERS, wait)
        return self._take({model: wants[model] for model in dict.fromkeys(map(model_of, woken))})

    def _woken(
        self, reply: Any, streams: Mapping[str, tuple[str, int]], consumer: str, clock: Sequence[bytes | int]
    ) -> list[Delivery]:
        now = int(clock[0]) + int(clock[1]) / 1e6
        deliveries: list[Delivery] = []
        for stream, entries in reply:
            model, number = streams[stream.decode()]
            leases = Keys.of(model).leases
            deliveries += to_deliveries(model, [(number, 1, entries)], consumer, leases, now)
        return deliveries

    def _fitting(self, deliveries: list[Delivery], wants: Mapping[str, Capacity]) -> list[Delivery]:
        """What `wants` has room for; the blocked read could not look at rows and bytes, so the rest goes back."""
        fitting: list[Delivery] = []
        for delivery in deliveries:
            if delivery.request.model not in wants:
                break
            fitting.append(delivery)
            wants = _without(wants, [delivery])
        if len(fitting) < len(deliveries):
            self._give_back(deliveries[len(fitting) :])
        return fitting

    def renew(self) -> int:
        """As `Consumer.renew`."""
        return self._leased.renew()

    def reclaim(self) -> int:
        """As `Consumer.reclaim`."""
        return self._leased.reclaim()

    def settle(self, outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
        """As `Consumer.settle`."""
        by_owner: dict[tuple[str, str], list[Outcome]] = {}
        for outcome in outcomes:
            tag = tag_of(outcome.delivery)
            if self._leased.holds(tag):
                by_owner.setdefault((outcome.delivery.request.model, tag.consumer), []).append(outcome)
        settled: list[Outcome] = []
        with self._where.trying("settle"):
            for (model, consumer), ours in by_owner.items():
                settled += self._settle(Keys.of(model), consumer, ours)
        return settled

    def _settle(self, keys: Keys, consumer: str, outcomes: list[Outcome]) -> list[Outcome]:
        args: list[Any] = [WORKERS, consumer, keys.prefix, self._inbox_ttl]
        runs = alike(outcomes)
        for run in runs:
            args += settle_words(run)
        lost = self._scripts.settle(keys=[*keys.streams, keys.leases, keys.size], args=args)
        reached("mid_settle")
        if lost == [0]:
            return []
        self._leased.let_go(tag_of(outcome.delivery) for outcome in outcomes)
        if not lost:
            return outcomes
        others = {number - 1 for number in lost}
        return [outcome for number, outcome in enumerate(chain.from_iterable(runs)) if number not in others]

    def release(self, deliveries: Sequence[Delivery]) -> None:
        """As `Consumer.release`."""
        ours = [delivery for delivery in deliveries if self._leased.holds(tag_of(delivery))]
        self._give_back(ours)

    def _give_back(self, deliveries: Sequence[Delivery]) -> None:
        for (model, consumer), group in groupby(sorted(deliveries, key=_holder), key=_holder):
            ours = [(tag_of(delivery), delivery.attempt) for delivery in group]
            entries = [(tag.stream, tag.name, attempt) for tag, attempt in ours]
            self._looked = _NEVER
            if self._leased.release(_queue(model), consumer, entries):
                self._leased.let_go(tag for tag, _ in ours)

    def bury(self, outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
        """As `Consumer.bury`."""
        with self._where.trying("bury"):
            return [
                outcome for outcome in outcomes if self._leased.holds(tag_of(outcome.delivery)) and self._bury(*outcome)
            ]

    def _bury(self, delivery: Delivery, result: Any) -> bool:
        keys, tag, request = Keys.of(delivery.request.model), tag_of(delivery), delivery.request
        head = [WORKERS, tag.consumer, keys.prefix, self._inbox_ttl, tag.name, tag.size, request.reply_to]
        letter = [delivery.attempt, request.priority, result.body, result.id, result.body]
        buried = self._scripts.bury(
            keys=[keys.streams[tag.stream - 1], keys.dead, keys.leases, keys.size],
            args=[*head, *letter, *common_result_fields(result)],
        )
        self._leased.let_go([tag] if buried else ())
        return bool(buried)

    def close(self) -> None:
        """As `Consumer.close`."""
        self._reads.close()
        self._leased.leave()


def _without(wants: Mapping[str, Capacity], deliveries: Sequence[Delivery]) -> dict[str, Capacity]:
    """The capacity that these leave; a model without any is left out."""
    left = dict(wants)
    for request, *_ in deliveries:
        capacity = left.get(request.model)
        if capacity is not None:
            left[request.model] = capacity.after(request)
    return {model: capacity for model, capacity in left.items() if capacity.any}


def _queue(model: str) -> Queue:
    keys = Keys.of(model)
    return Queue(keys.streams, keys.leases)


def _holder(delivery: Delivery) -> tuple[str, str]:
    return delivery.request.model, tag_of(delivery).consumer
