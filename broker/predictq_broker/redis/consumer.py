"""A worker's side of the streams."""

import logging
import threading
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain, groupby
from operator import itemgetter
from typing import Any, NamedTuple

from redis import exceptions as server

from predictq_broker.errors import BrokerError
from predictq_broker.messages import Delivery, Outcome
from predictq_broker.port import Capacity, Limits
from predictq_broker.redis.arrivals import Arrived, to_deliveries
from predictq_broker.redis.connection import MAX_BLOCK
from predictq_broker.redis.entries import Found, Returned, by_entry, tag_of
from predictq_broker.redis.keys import WORKERS, Keys, Known, model_of
from predictq_broker.redis.leases import Leased
from predictq_broker.redis.pace import Pace
from predictq_broker.redis.parcels import is_parcel
from predictq_broker.redis.pool import talk
from predictq_broker.redis.rounds import Rounds
from predictq_broker.redis.scripts import Scripts
from predictq_broker.redis.server import Server
from predictq_broker.redis.settling import Settling
from predictq_broker.redis.waiting import Reads, until_new
from predictq_broker.redis.watch import Queue

__all__ = ["RedisConsumer"]

_logger = logging.getLogger(__name__)
_WOKEN = 32
"""How many entries a blocked read takes at most: it cannot look at rows and bytes, the next read does."""
_REMOVED = ("NOGROUP", "UNBLOCKED")
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
        self._leased = Leased(where, scripts, WORKERS, name, lease)
        self._settling = Settling(where, scripts, limits, self._leased)
        self._known = Known(where)
        self._reads = Reads(where)
        self._looked = _NEVER
        self._rounds = Rounds()
        self._pace = Pace()
        self._postponing = threading.Lock()
        self._postponed: dict[int, Returned] = {}  # released, but in one parcel with others that we hold

    def receive(self, wants: Mapping[str, Capacity], wait: float) -> Sequence[Delivery]:
        """As `Consumer.receive`."""
        with self._leased.reading("receive requests"):
            self._known.announce(wants)
            arrived = self._read(dict(wants), time.monotonic() + wait)
        # held only now: what was read before a failure is not ours to lose, and is given back by the next read
        self._leased.hold(some.entry for some in arrived)
        return list(chain.from_iterable(some.deliveries for some in arrived))

    def _read(self, wants: dict[str, Capacity], deadline: float) -> list[Arrived]:
        while True:
            many = self._are_many(wants)
            arrived = self._look(wants, deadline, many=many)
            left = deadline - time.monotonic()
            if not many and (arrived or left <= 0):
                return arrived
            if wants := _without(wants, arrived):
                arrived += self._sleep(wants, 0.0 if arrived else min(left, MAX_BLOCK))
            if not many and len(arrived) >= _WOKEN:
                return arrived + self._take(_without(wants, arrived))
            if arrived or left <= 0 or not wants:
                return arrived

    def _are_many(self, models: Collection[str]) -> bool:
        """Whether one read of all is to tell what is new, and only a few are looked at one by one."""
        if self._rounds.are_few(models):
            return False
        return len(self._where.together([Keys.of(model).leases for model in models])) == 1

    def _look(self, wants: dict[str, Capacity], deadline: float, *, many: bool) -> list[Arrived]:
        """What waits, unless we looked a moment ago and may sleep now: a lone request is answered sooner so."""
        if many:
            return self._take(wants, self._rounds.choose(wants, self._is_known))
        now, (when, models, consumer) = time.monotonic(), self._looked
        may_sleep = now < when + _MOMENT < deadline and consumer == self._leased.consumer
        if may_sleep and all(model in models for model in wants):
            return []
        arrived = self._take(wants)
        self._looked = _NEVER if arrived else _Look(now, frozenset(wants), self._leased.consumer)
        return arrived

    def _take(self, wants: dict[str, Capacity], models: Sequence[str] | None = None) -> list[Arrived]:
        """What waits, for all or these; a queue that is broken is left out of `wants`, unless it is the only one."""
        arrived: list[Arrived] = []
        models = list(wants) if models is None else models
        queues = [_queue(model) for model in models]
        found = self._leased.receive_each([(q, wants[model]) for model, q in zip(models, queues, strict=True)])
        for model, queue, received in zip(models, queues, found, strict=True):
            if isinstance(received, Exception):
                _leave_out(model, received, wants)
            else:
                arrived += to_deliveries(model, received.handed, received.consumer, queue.leases, received.now)
        return arrived if len(models) == 1 else self._kept(arrived, wants)

    def _kept(self, arrived: list[Arrived], wants: Mapping[str, Capacity]) -> list[Arrived]:
        """What we hold; if we found ourselves fenced between two queues, the first one's is to be taken again."""
        kept = [some for some in arrived if some.entry.consumer == self._leased.consumer]
        return kept if len(kept) == len(arrived) else kept + self._take(_without(wants, kept))

    def _is_known(self, model: str) -> bool:
        return self._leased.has_joined(_queue(model))

    def _sleep(self, wants: Mapping[str, Capacity], wait: float) -> list[Arrived]:
        """Block in the server until a request comes; it is ours at once, without another round trip."""
        streams = {stream: (model, n) for model in wants for n, stream in enumerate(Keys.of(model).streams, 1)}
        if len(self._where.together(list(streams))) > 1:
            return self._sleep_apart(wants, list(streams), wait)
        self._pace.keep(len(streams), wait)
        count = min(_WOKEN, *(capacity.requests for capacity in wants.values()))
        block = ("BLOCK", max(round(wait * 1000), 1)) if wait > 0 else ()
        consumer = self._leased.reader
        read = ("XREADGROUP", "GROUP", WORKERS, consumer, "COUNT", count, *block)
        where = self._where.at(next(iter(streams)))
        reply, clock = talk(where, (*read, "STREAMS", *streams, *(">" for _ in streams)), ("TIME",))
        if isinstance(reply, server.ResponseError) and _is_of_one_queue(reply, wants):
            self._looked = _NEVER
            self._rounds.must(wants)
            return []  # a queue was removed under us, or broken; the next read makes it anew, or does without it
        if isinstance(reply, Exception):
            raise reply
        arrived = self._fitting(self._woken(reply or [], streams, consumer, clock), wants)
        self._pace.brought(sum(len(some.deliveries) for some in arrived))
        return arrived

    def _sleep_apart(self, wants: Mapping[str, Capacity], streams: Sequence[str], wait: float) -> list[Arrived]:
        """As `_sleep`, where no read may name all streams: sleep first, then take what came."""
        woken = until_new(self._where, self._reads, streams, WORKERS, wait)
        return self._take({model: wants[model] for model in dict.fromkeys(map(model_of, woken))})

    def _woken(
        self, reply: Any, streams: Mapping[str, tuple[str, int]], consumer: str, clock: Sequence[bytes | int]
    ) -> list[Arrived]:
        now = int(clock[0]) + int(clock[1]) / 1e6
        arrived: list[Arrived] = []
        found = [(*streams[stream.decode()], entries) for stream, entries in reply]
        states = self._states(found)
        for model, number, entries in found:
            told = [states.get((model, number, name), b"") for name, _ in entries]
            handed = (number, 1, entries, told) if any(told) else (number, 1, entries)
            arrived += to_deliveries(model, [handed], consumer, Keys.of(model).leases, now)
        return arrived

    def _states(self, found: Sequence[tuple[str, int, Sequence[Found]]]) -> dict[tuple[str, int, bytes], bytes]:
        """What a blocked read does not tell: the state of each parcel among the entries, by model, stream and name."""
        parcels = [
            (model, number, name) for model, number, entries in found for name, fields in entries if is_parcel(fields)
        ]
        if not parcels:
            return {}
        asked = [
            ("HMGET", Keys.of(model).parcels, *(f"{number}:{name.decode()}" for _, number, name in group))
            for model, group in groupby(parcels, key=itemgetter(0))
        ]
        replies = talk(self._where.at(Keys.of(parcels[0][0]).parcels), *asked)
        if failed := next((reply for reply in replies if isinstance(reply, Exception)), None):
            raise failed
        return dict(zip(parcels, (state or b"" for state in chain.from_iterable(replies)), strict=True))

    def _fitting(self, arrived: list[Arrived], wants: Mapping[str, Capacity]) -> list[Arrived]:
        """What `wants` has room for; the blocked read could not look at rows and bytes, so the rest goes back."""
        if len(arrived) == 1:
            return arrived  # a model without any room is not in `wants`
        room = dict(wants)
        fitting: list[Arrived] = []
        rest: list[Arrived] = []
        for some in arrived:
            capacity = room[some.model]
            (fitting if capacity.any else rest).append(some)
            room[some.model] = capacity.after(*[delivery.request for delivery in some.deliveries])
        if rest:
            self._give_back(by_entry(delivery for some in rest for delivery in some.deliveries))
        return fitting

    def renew(self) -> int:
        """As `Consumer.renew`."""
        return self._leased.renew()

    def reclaim(self) -> int:
        """As `Consumer.reclaim`."""
        return self._leased.reclaim()

    def settle(self, outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
        """As `Consumer.settle`."""
        settled = self._settling.settle(outcomes)
        self._give_back_postponed()
        return settled

    def release(self, deliveries: Sequence[Delivery]) -> None:
        """As `Consumer.release`."""
        self._give_back(by_entry(delivery for delivery in deliveries if self._holds(delivery)))
        self._give_back_postponed()

    def _holds(self, delivery: Delivery) -> bool:
        entry, _, number = tag_of(delivery)
        return number in self._leased.held_of(entry)

    def _give_back(self, returned: Collection[Returned]) -> None:
        """Give back entries; a parcel of which we hold more only when we do not any more."""
        self._looked = _NEVER
        self._rounds.must({some.model for some in returned})
        leaving: list[Returned] = []
        for some in returned:
            if some.numbers.issuperset(self._leased.held_of(some.entry)):
                leaving.append(some)
            else:
                self._leased.let_go([(some.entry, some.numbers)])
                self._postponed[id(some.entry)] = some
        for (model, consumer), group in groupby(sorted(leaving, key=_holder), key=_holder):
            ours = list(group)
            entries = [(some.entry.stream, some.entry.name, some.attempt) for some in ours]
            if self._leased.release(_queue(model), consumer, entries):
                self._leased.let_go((some.entry, some.numbers) for some in ours)
                for some in ours:
                    self._postponed.pop(id(some.entry), None)

    def _give_back_postponed(self) -> None:
        if not self._postponed:
            return
        with self._postponing:
            postponed, self._postponed = self._postponed, {}
            try:
                self._give_back(postponed.values())
            except BrokerError:  # what we were called for is done; these go next time, or with the lease
                self._postponed |= postponed

    def bury(self, outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
        """As `Consumer.bury`."""
        buried = self._settling.bury(outcomes)
        self._give_back_postponed()
        return buried

    def close(self) -> None:
        """As `Consumer.close`."""
        self._reads.close()
        self._leased.leave()


def _leave_out(model: str, error: Exception, wants: dict[str, Capacity]) -> None:
    """Do without a queue that is broken; raise any other error, and that of the only queue."""
    if not str(error).startswith("WRONGTYPE") or len(wants) == 1:
        raise error
    _logger.warning("this model's queue is broken", extra={"model": model, "why": str(error)})
    del wants[model]


def _without(wants: Mapping[str, Capacity], arrived: Iterable[Arrived]) -> dict[str, Capacity]:
    """The capacity that these leave; a model without any is left out."""
    left = dict(wants)
    for model, _, deliveries in arrived:
        if model in left:
            left[model] = left[model].after(*[delivery.request for delivery in deliveries])
    return {model: capacity for model, capacity in left.items() if capacity.any}


def _is_of_one_queue(error: server.ResponseError, wants: Mapping[str, Capacity]) -> bool:
    """Whether a queue was removed, or is none, and if so there are others."""
    return str(error).startswith(_REMOVED) or (str(error).startswith("WRONGTYPE") and len(wants) > 1)


def _queue(model: str) -> Queue:
    keys = Keys.of(model)
    return Queue(keys.streams, keys.leases)


def _holder(returned: Returned) -> tuple[str, str]:
    return returned.model, returned.entry.consumer
