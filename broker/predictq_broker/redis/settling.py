"""Outcomes as `settle.lua` wants them: in groups that have all in common but the request and its answer."""

from collections.abc import Hashable, Sequence
from typing import Any, Final

from predictq_broker.messages import Outcome
from predictq_broker.redis.entries import tag_of
from predictq_broker.wire import common_result_fields

__all__ = ["alike", "settle_words"]

_MOST: Final = 1000
"""Outcomes of one group: the script hands a group to Redis at once, and Lua's stack holds some thousands."""


def alike(outcomes: Sequence[Outcome]) -> list[list[Outcome]]:
    """The outcomes in groups, as a rule those of one batch that were accepted in one millisecond.

    Each reply-to's stay in their order.
    """
    groups: list[list[Outcome]] = []
    latest: dict[str, tuple[Hashable, list[Outcome]]] = {}
    for outcome in outcomes:
        delivery, result = outcome
        reply_to = delivery.request.reply_to
        common = (tag_of(delivery).stream, result.status, result[3:])
        before, group = latest.get(reply_to, (None, []))
        if before != common or len(group) == _MOST:
            group = []
            groups.append(group)
            latest[reply_to] = common, group
        group.append(outcome)
    return groups


def settle_words(group: Sequence[Outcome]) -> list[Any]:
    """The arguments for one group."""
    delivery, result = group[0]
    common = common_result_fields(result)
    words: list[Any] = [tag_of(delivery).stream, delivery.request.reply_to, len(common), len(group), *common]
    for delivery, result in group:
        tag = tag_of(delivery)
        words += (tag.name, tag.size, result.id, result.body)
    return words
