"""Outcomes as `settle.lua` wants them: in runs that have all in common but the request and its answer."""

from collections.abc import Hashable, Sequence
from typing import Any, Final

from predictq_broker.messages import Outcome
from predictq_broker.redis.entries import tag_of
from predictq_broker.wire import common_result_fields

__all__ = ["alike", "settle_words"]

_MOST: Final = 1000
"""Outcomes of one run: the script hands a run to Redis at once, and Lua's stack holds some thousands."""


def alike(outcomes: Sequence[Outcome]) -> list[list[Outcome]]:
    """The outcomes in runs, as a rule those of one batch that were accepted in one millisecond.

    Each reply-to's stay in their order.
    """
    runs: list[list[Outcome]] = []
    latest: dict[str, tuple[Hashable, list[Outcome]]] = {}
    for outcome in outcomes:
        delivery, result = outcome
        reply_to = delivery.request.reply_to
        common = (tag_of(delivery).stream, result.status, result[3:])
        before, run = latest.get(reply_to, (None, []))
        if before != common or len(run) == _MOST:
            run = []
            runs.append(run)
            latest[reply_to] = common, run
        run.append(outcome)
    return runs


def settle_words(run: Sequence[Outcome]) -> list[Any]:
    """The arguments for one run."""
    delivery, result = run[0]
    common = common_result_fields(result)
    words: list[Any] = [tag_of(delivery).stream, delivery.request.reply_to, len(run), len(common), *common]
    tags = [tag_of(outcome.delivery) for outcome in run]
    words += [tag.name for tag in tags]
    words += [tag.size for tag in tags]
    words += [result.id for _, result in run]
    words += [result.body for _, result in run]
    return words
