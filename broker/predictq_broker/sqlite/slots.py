"""Where a message stands, told by its slot. The layout is described in `sql/schema.sql`."""

from collections.abc import Iterable
from typing import Final, NamedTuple, cast

from predictq_broker.messages import Priority

__all__ = [
    "PRIORITIES",
    "Parcel",
    "Span",
    "Tag",
    "json_list",
    "priority_of",
    "queue_of",
    "reply_span",
    "stream_span",
    "streams_of",
    "tag_of",
]

PRIORITIES: Final = (Priority.HIGH, Priority.NORMAL, Priority.LOW)
"""A priority's stream is the queue's number times four, plus one, plus its place here."""

_NUMBER_BITS: Final = 40
_OWNER_BITS: Final = _NUMBER_BITS + 2


class Parcel(NamedTuple):
    """What several requests came in: the slot of its row, and how many they were."""

    slot: int
    requests: int


Tag = tuple[int, int, int, Parcel | None]
"""An engine's handle on a delivery: the slot, the incarnation that holds it, the size of its body, and its parcel."""


class Span(NamedTuple):
    """The first and the last slot of a stream or reply-to."""

    first: int
    last: int


def tag_of(tag: object) -> Tag:
    """The tag that this engine put into a delivery."""
    return cast("Tag", tag)


def streams_of(queue: int) -> range:
    """The numbers of a queue's three streams, in the order they are read."""
    return range(queue * 4 + 1, queue * 4 + 4)


def stream_span(stream: int) -> Span:
    """All slots of one stream."""
    return Span(stream << _NUMBER_BITS, ((stream + 1) << _NUMBER_BITS) - 1)


def reply_span(reply: int) -> Span:
    """All slots of a reply-to's one stream."""
    return Span(reply << _OWNER_BITS, ((reply * 4 + 1) << _NUMBER_BITS) - 1)


def queue_of(slot: int) -> int:
    """The queue, or the reply-to, that a slot belongs to."""
    return slot >> _OWNER_BITS


def priority_of(slot: int) -> Priority:
    """The priority of the request that stands there."""
    return PRIORITIES[((slot >> _NUMBER_BITS) & 3) - 1]


def json_list(numbers: Iterable[int]) -> str:
    """Numbers as SQLite's `json_each` reads them: one parameter for any number of values."""
    return str(list(numbers))
