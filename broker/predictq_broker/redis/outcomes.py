"""Outcomes as the scripts want them: in runs that have all in common but the request and its answer."""

from collections.abc import Hashable, Iterable, Sequence
from typing import Any, Final, NamedTuple

from predictq_broker.messages import Outcome
from predictq_broker.redis.entries import Entry, tag_of
from predictq_broker.redis.parcels import packed
from predictq_broker.wire import common_result_fields

__all__ = ["Part", "alike", "apart", "part_words", "parts_of", "settle_words"]

_MOST: Final = 1000
"""Outcomes of one run: the script hands a run to Redis at once, and Lua's stack holds some thousands."""


class Part(NamedTuple):
    """Outcomes of one parcel that have all in common but the request and its answer."""

    entry: Entry
    outcomes: Sequence[Outcome]


def parts_of(outcomes: Iterable[Outcome]) -> list[Part]:
    """The outcomes of requests that came in parcels, in their order."""
    parts: list[Part] = []
    run: list[Outcome] = []
    last: Entry | None = None
    known: Hashable = None
    for outcome in outcomes:
        delivery, result = outcome
        entry = tag_of(delivery).entry
        common = (result.status, result[3:])
        if entry is not last or common != known:
            last, known, run = entry, common, []
            parts.append(Part(entry, run))
        run.append(outcome)
    return parts


def apart(part: Part) -> list[Part]:
    """Each of its outcomes on its own."""
    return [Part(part.entry, (outcome,)) for outcome in part.outcomes]


def part_words(part: Part) -> list[Any]:
    """The arguments of `settle_parcels.lua` for one part."""
    entry, outcomes = part
    delivery, result = outcomes[0]
    tags = [tag_of(delivery) for delivery, _ in outcomes]
    all_of_it = entry.whole and len(tags) == entry.left
    which = "*" if all_of_it else " ".join([tag.which for tag in tags])
    ids, sizes, blob = packed([result.id for _, result in outcomes], [result.body for _, result in outcomes])
    common = common_result_fields(result)
    about = (entry.path, delivery.request.reply_to, len(tags), sum([tag.size for tag in tags]), which)
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
        common = (tag_of(delivery).entry.stream, result.status, result[3:])
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
    words: list[Any] = [tag_of(delivery).entry.stream, delivery.request.reply_to, len(run), len(common), *common]
    tags = [tag_of(outcome.delivery) for outcome in run]
    words += [tag.entry.name for tag in tags]
    words += [tag.size for tag in tags]
    words += [result.id for _, result in run]
    words += [result.body for _, result in run]
    return words
