"""How deliveries leave a worker's hands: with their answers, or to the dead letters."""

from collections.abc import Sequence
from itertools import chain, groupby
from typing import Any

from predictq_broker.failpoints import reached
from predictq_broker.messages import Delivery, Outcome
from predictq_broker.port import Limits
from predictq_broker.redis.entries import tag_of
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
        by_owner: dict[tuple[str, str], list[Outcome]] = {}
        for outcome in self._leased.held_of(outcomes):
            owner = outcome.delivery.request.model, tag_of(outcome.delivery).entry.consumer
            by_owner.setdefault(owner, []).append(outcome)
        settled: list[Outcome] = []
        with self._where.trying("settle"):
            for (model, consumer), ours in by_owner.items():
                for in_parcels, some in groupby(ours, key=_is_in_parcel):  # in order, as they are to be published
                    settle = self._settle_parcels if in_parcels else self._settle_alone
                    settled += settle(Keys.of(model), consumer, list(some))
        return settled

    def _settle_parcels(self, keys: Keys, consumer: str, outcomes: list[Outcome]) -> list[Outcome]:
        return self._settle_parts(keys, consumer, parts_of(outcomes))

    def _settle_parts(self, keys: Keys, consumer: str, parts: Sequence[Part]) -> list[Outcome]:
        args: list[Any] = [WORKERS, consumer, keys.prefix, self._inbox_ttl]
        for part in parts:
            args += part_words(part)
        lost = self._scripts.settle_parcels(keys=[*keys.streams, keys.leases, keys.size, keys.parcels], args=args)
        reached("mid_settle")
        if lost == [0]:
            return []
        others = {number - 1 for number in lost}
        settled = [outcome for n, part in enumerate(parts) if n not in others for outcome in part.outcomes]
        self._leased.let_go(tag_of(delivery) for delivery, _ in settled)
        for number in others:  # some of it is settled already, as when we are told so for the second time
            if len(parts[number].outcomes) > 1:
                settled += self._settle_parts(keys, consumer, apart(parts[number]))
            else:
                self._leased.let_go(tag_of(outcome.delivery) for outcome in parts[number].outcomes)
        return settled

    def _settle_alone(self, keys: Keys, consumer: str, outcomes: list[Outcome]) -> list[Outcome]:
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

    def bury(self, outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
        """Those of the outcomes whose requests were moved to the dead letters."""
        with self._where.trying("bury"):
            return [outcome for outcome in self._leased.held_of(outcomes) if self._bury(*outcome)]

    def _bury(self, delivery: Delivery, result: Any) -> bool:
        keys, tag, request = Keys.of(delivery.request.model), tag_of(delivery), delivery.request
        head = [WORKERS, tag.entry.consumer, keys.prefix, self._inbox_ttl, tag.entry.path, tag.which]
        letter = [request.id, request.body, tag.size, request.reply_to, delivery.attempt, request.priority, result.body]
        buried = self._scripts.bury(
            keys=[keys.streams[tag.entry.stream - 1], keys.dead, keys.leases, keys.size, keys.parcels],
            args=[*head, *letter, result.body, *common_result_fields(result)],
        )
        self._leased.let_go([tag] if buried else ())
        return bool(buried)


def _is_in_parcel(outcome: Outcome) -> bool:
    return tag_of(outcome.delivery).entry.left > 0
