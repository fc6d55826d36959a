"""How deliveries leave a worker's hands: with their answers, or to the dead letters."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, groupby
from typing import Any

from predictq_broker.failpoints import reached
from predictq_broker.messages import Delivery, Outcome
from predictq_broker.port import Limits
from predictq_broker.redis.entries import Entry, in_words, tag_of
from predictq_broker.redis.keys import WORKERS, Keys
from predictq_broker.redis.leases import Leased
from predictq_broker.redis.outcomes import Part, alike, apart, part_words, parts_of, settle_words
from predictq_broker.redis.scripts import Scripts
from predictq_broker.redis.server import Server
from predictq_broker.wire import common_result_fields

__all__ = ["Settling"]


class Settling:
    """Publishes results and forgets their requests, under one consumer's lease."""

    def __init__(self, where: Server, scripts: Scripts, limits: Limits, leased: Leased) -> None:
        self._where = where
        self._scripts = scripts
        self._inbox_ttl = round(limits.inbox_ttl * 1000)
        self._leased = leased

    def settle(self, outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
        """Those of the outcomes that were settled: the others are no longer ours."""
        by_owner: defaultdict[tuple[str, str], list[Part]] = defaultdict(list)
        for part in self._held(outcomes):
            by_owner[part.owner].append(part)
        settled: list[Outcome] = []
        with self._where.trying("settle"):
            for (model, consumer), ours in by_owner.items():
                for in_parcels, some in groupby(ours, key=_is_parcel):  # in order, as they are to be published
                    settle = self._settle_parts if in_parcels else self._settle_alone
                    settled += settle(Keys.of(model), consumer, list(some))
        return settled

    def _held(self, outcomes: Iterable[Outcome]) -> Iterator[Part]:
        """Those for what we hold, the first for each."""
        for part in parts_of(outcomes):
            numbers, held = {number for _, _, number in part.tags}, self._leased.held_of(part.entry)
            if len(numbers) == len(part.tags) and numbers.issubset(held):  # as a rule
                yield part
            elif ours := numbers.intersection(held):
                yield part.only(ours)

    def _settle_parts(self, keys: Keys, consumer: str, parts: Sequence[Part]) -> list[Outcome]:
        args: list[Any] = [WORKERS, consumer, keys.prefix, self._inbox_ttl]
        for part in parts:
            args += part_words(part)
        lost = self._scripts.settle_parcels(keys=[*keys.streams, keys.leases, keys.size, keys.parcels], args=args)
        reached("mid_settle")
        if lost == [0]:
            return []
        others = {number - 1 for number in lost}
        again: list[Part] = []
        gone: list[tuple[Entry, list[int]]] = []
        settled: list[Outcome] = []
        for n, part in enumerate(parts):
            if n in others and len(part.outcomes) > 1:
                again += apart(part)  # some of it is settled already, as when we are told so for the second time
                continue
            gone.append((part.entry, part.numbers))
            if n not in others:
                settled += part.outcomes
        self._leased.let_go(gone)
        return settled + self._settle_parts(keys, consumer, again) if again else settled

    def _settle_alone(self, keys: Keys, consumer: str, parts: Sequence[Part]) -> list[Outcome]:
        args: list[Any] = [WORKERS, consumer, keys.prefix, self._inbox_ttl]
        outcomes = [outcome for part in parts for outcome in part.outcomes]
        runs = alike(outcomes)
        for run in runs:
            args += settle_words(run)
        lost = self._scripts.settle(keys=[*keys.streams, keys.leases, keys.size], args=args)
        reached("mid_settle")
        if lost == [0]:
            return []
        self._leased.let_go((part.entry, part.numbers) for part in parts)
        if not lost:
            return outcomes
        others = {number - 1 for number in lost}
        return [outcome for number, outcome in enumerate(chain.from_iterable(runs)) if number not in others]

    def bury(self, outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
        """Those of the outcomes whose requests were moved to the dead letters."""
        with self._where.trying("bury"):
            return [outcome for part in self._held(outcomes) for outcome in part.outcomes if self._bury(*outcome)]

    def _bury(self, delivery: Delivery, result: Any) -> bool:
        keys, request = Keys.of(delivery.request.model), delivery.request
        entry, size, number = tag_of(delivery)
        head = [WORKERS, entry.consumer, keys.prefix, self._inbox_ttl, entry.path, in_words(entry, number)]
        letter = [request.id, request.body, size, request.reply_to, delivery.attempt, request.priority, result.body]
        buried = self._scripts.bury(
            keys=[keys.streams[entry.stream - 1], keys.dead, keys.leases, keys.size, keys.parcels],
            args=[*head, *letter, result.body, *common_result_fields(result)],
        )
        self._leased.let_go([(entry, [number])] if buried else ())
        return bool(buried)


def _is_parcel(part: Part) -> bool:
    return part.entry.left > 0
