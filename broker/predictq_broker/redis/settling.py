"""How deliveries leave a worker's hands: with their answers, or to the dead letters."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, groupby, zip_longest
from typing import Any, NamedTuple

from predictq_broker.failpoints import reached
from predictq_broker.messages import Delivery, Outcome
from predictq_broker.port import Limits
from predictq_broker.redis.entries import Entry, in_words, tag_of
from predictq_broker.redis.keys import WORKERS, Keys
from predictq_broker.redis.leases import Leased
from predictq_broker.redis.outcomes import Part, alike, apart, part_words, parts_of, settle_words
from predictq_broker.redis.scripts import Call, Scripts, Step, raised, run
from predictq_broker.redis.server import Server
from predictq_broker.wire import common_result_fields

__all__ = ["Settling"]


class _Asked(NamedTuple):
    """One step, and whose outcomes it settles.

    Attributes:
        step: The script's call.
        keys: Of the model.
        consumer: Under which name we hold them.
        parts: The outcomes by their entries.
        outcomes: Those that are in no parcels, in the order of the call.
        in_parcels: Whether all are in parcels.
    """

    step: Step
    keys: Keys
    consumer: str
    parts: Sequence[Part]
    outcomes: Sequence[Outcome]
    in_parcels: bool


class Settling:
    """Publishes results and forgets their requests, under one consumer's lease."""

    def __init__(self, where: Server, scripts: Scripts, limits: Limits, leased: Leased) -> None:
        self._where = where
        self._scripts = scripts
        self._inbox_ttl = round(limits.inbox_ttl * 1000)
        self._leased = leased

    def settle(self, outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
        """Those of the outcomes that were settled: the others are no longer ours.

        Of each model one step goes at a time: one that finds its script unknown comes again, after those beside it.
        """
        by_owner: defaultdict[tuple[str, str], list[Part]] = defaultdict(list)
        for part in self._held(outcomes):
            by_owner[part.owner].append(part)
        by_model: defaultdict[str, list[_Asked]] = defaultdict(list)
        for (model, consumer), ours in by_owner.items():
            for in_parcels, some in groupby(ours, key=_is_parcel):  # in order, as they are to be published
                settle = self._parts_step if in_parcels else self._alone_step
                by_model[model].append(settle(Keys.of(model), consumer, list(some)))
        settled: list[Outcome] = []
        with self._where.trying("settle"):
            for together in zip_longest(*by_model.values()):
                settled += self._settled([some for some in together if some is not None])
        return settled

    def _settled(self, asked: Sequence[_Asked]) -> list[Outcome]:
        """All in few round trips, though each is of another model; an error of one is raised when all were told."""
        replies = run(self._where, [some.step for some in asked])
        reached("mid_settle")
        settled: list[Outcome] = []
        again: list[_Asked] = []
        for some, reply in zip(asked, replies, strict=True):
            if not isinstance(reply, Exception) and reply != [0]:
                settled += self._let_go(some, {number - 1 for number in reply}, again)
        for reply in replies:
            raised(reply)
        return settled + self._settled(again) if again else settled

    def _let_go(self, some: _Asked, others: set[int], again: list[_Asked]) -> list[Outcome]:
        """What was settled of that, when those were not; what is to be asked once more is put to `again`."""
        if not some.in_parcels:
            self._leased.let_go((part.entry, part.numbers) for part in some.parts)
            return [outcome for number, outcome in enumerate(some.outcomes) if number not in others]
        settled: list[Outcome] = []
        apart_now: list[Part] = []
        gone: list[tuple[Entry, list[int]]] = []
        for n, part in enumerate(some.parts):
            if n in others and len(part.outcomes) > 1:
                apart_now += apart(part)  # some of it is settled already, as when we are told so for the second time
                continue
            gone.append((part.entry, part.numbers))
            if n not in others:
                settled += part.outcomes
        self._leased.let_go(gone)
        if apart_now:
            again.append(self._parts_step(some.keys, some.consumer, apart_now))
        return settled

    def _held(self, outcomes: Iterable[Outcome]) -> Iterator[Part]:
        """Those for what we hold, the first for each."""
        for part in parts_of(outcomes):
            numbers, held = {number for _, _, number in part.tags}, self._leased.held_of(part.entry)
            if len(numbers) == len(part.tags) and numbers.issubset(held):  # as a rule
                yield part
            elif ours := numbers.intersection(held):
                yield part.only(ours)

    def _parts_step(self, keys: Keys, consumer: str, parts: Sequence[Part]) -> _Asked:
        args: list[Any] = [WORKERS, consumer, keys.prefix, self._inbox_ttl]
        for part in parts:
            args += part_words(part)
        call = Call([*keys.streams, keys.leases, keys.size, keys.parcels], args)
        return _Asked(Step(self._scripts.settle_parcels, call), keys, consumer, parts, (), in_parcels=True)

    def _alone_step(self, keys: Keys, consumer: str, parts: Sequence[Part]) -> _Asked:
        args: list[Any] = [WORKERS, consumer, keys.prefix, self._inbox_ttl]
        runs = alike([outcome for part in parts for outcome in part.outcomes])
        for same in runs:
            args += settle_words(same)
        call = Call([*keys.streams, keys.leases, keys.size], args)
        outcomes = list(chain.from_iterable(runs))
        return _Asked(Step(self._scripts.settle, call), keys, consumer, parts, outcomes, in_parcels=False)

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
