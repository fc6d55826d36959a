"""Outcomes as the scripts want them: in runs that have all in common but the request and its answer."""

from collections.abc import Container, Hashable, Iterable, Sequence
from typing import Any, Final, NamedTuple

from predictq_broker.messages import Code, Outcome
from predictq_broker.redis.entries import Entry, Tag, in_words, tag_of
from predictq_broker.redis.parcels import packed
from predictq_broker.wire import common_result_fields

__all__ = ["Part", "alike", "apart", "part_words", "parts_of", "settle_words"]

_MOST: Final = 1000
"""Outcomes of one run: the script hands a run to Redis at once, and Lua's stack holds some thousands."""
_NOWHERE: Final = Entry(0, b"", "", "", set())


class Part(NamedTuple):
    """Outcomes of one entry that have all in common but the request and its answer.

    Attributes:
        entry: The entry.
        outcomes: The outcomes.
        tags: The tag of each.
    """

    entry: Entry
    outcomes: list[Outcome]
    tags: list[Tag]

    @property
    def numbers(self) -> list[int]:
        """The number of each in its entry."""
        return [number for _, _, number in self.tags]

    @property
    def owner(self) -> tuple[str, str]:
        """The model, and the name under which we hold it."""
        return self.outcomes[0].delivery.request.model, self.entry.consumer

    def only(self, numbers: Container[int]) -> "Part":
        """The first outcome for each of these numbers."""
        first: dict[int, Outcome] = {}
        for outcome, number in zip(self.outcomes, self.numbers, strict=True):
            if number in numbers:
                first.setdefault(number, outcome)
        outcomes = list(first.values())
        return Part(self.entry, outcomes, [tag_of(outcome.delivery) for outcome in outcomes])


def parts_of(outcomes: Iterable[Outcome]) -> list[Part]:
    """The outcomes by the entries in which their requests came, in their order."""
    parts: list[Part] = []
    entry, some, tags = Part(_NOWHERE, [], [])
    status: Code | None = None
    common: tuple[object, ...] = ()
    for outcome in outcomes:
        delivery, result = outcome
        tag: Any = delivery[1]  # if its entry is the last one's, it is ours
        if tag[0] is not entry or result[1] is not status or result[3:] != common:
            entry, some, tags = part = Part(tag_of(delivery)[0], [], [])
            status, common = result[1], result[3:]
            parts.append(part)
        some.append(outcome)
        tags.append(tag)
    return parts


def apart(part: Part) -> list[Part]:
    """Each of its outcomes on its own."""
    return [Part(part.entry, [outcome], [tag]) for outcome, tag in zip(part.outcomes, part.tags, strict=True)]


def part_words(part: Part) -> list[Any]:
    """The arguments of `settle_parcels.lua` for one part."""
    entry, outcomes, tags = part
    delivery, result = outcomes[0]
    all_of_it = entry.whole and len(tags) == entry.left
    which = "*" if all_of_it else " ".join([in_words(entry, number) for _, _, number in tags])
    ids, sizes, blob = packed([result[0] for _, result in outcomes], [result[2] for _, result in outcomes])
    common = common_result_fields(result)
    about = (entry.path, delivery.request.reply_to, len(tags), sum([size for _, size, _ in tags]), which)
    return [*about, ids, sizes, blob, len(common), *common]


def alike(outcomes: Sequence[Outcome]) -> list[list[Outcome]]:
    """The outcomes in runs, as a rule those of one batch that were accepted in one millisecond.

    Each reply-to's stay in their order.
    """
    runs: list[list[Outcome]] = []
    latest: dict[str, tuple[Hashable, list[Outcome]]] = {}
    for outcome in outcomes:
        delivery, result = outcome
        reply_to = delivery.request.reply_to
        common = (tag_of(delivery)[0].stream, result.status, result[3:])
        before, run = latest.get(reply_to, (None, []))
        if before != common or len(run) == _MOST:
            run = []
            runs.append(run)
            latest[reply_to] = common, run
        run.append(outcome)
    return runs


def settle_words(run: Sequence[Outcome]) -> list[Any]:
    """The arguments of `settle.lua` for one run."""
    delivery, result = run[0]
    common = common_result_fields(result)
    words: list[Any] = [tag_of(delivery)[0].stream, delivery.request.reply_to, len(run), len(common), *common]
    tags = [tag_of(outcome.delivery) for outcome in run]
    words += [entry.name for entry, _, _ in tags]
    words += [size for _, size, _ in tags]
    words += [result.id for _, result in run]
    words += [result.body for _, result in run]
    return words
