"""From messages to requests and results, and back: the fields of `wire` are headers, and the body is the body."""

import time
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from predictq_broker.kombu.link import Letter, Message
from predictq_broker.kombu.queues import RETURNED, Queue
from predictq_broker.messages import Fault, Outcome, Priority, Request, Result
from predictq_broker.wire import read_request, read_result, request_fields, result_fields

__all__ = [
    "Arrival",
    "Fields",
    "as_fields",
    "as_headers",
    "attempt_of",
    "drop_servers",
    "read_answer",
    "read_arrival",
    "request_letter",
    "result_letter",
    "returned_letter",
]

Fields = dict[bytes, bytes]

_INSTEAD: Final = {"id": ("message_id", "correlation_id"), "reply_to": ("reply_to",), "content_type": ("content_type",)}
"""AMQP's own properties, honoured where our header is missing."""


class Arrival(NamedTuple):
    """A request that came, judged.

    Attributes:
        request: As far as it could be read.
        fault: What is wrong with it.
        attempt: 1 at first; one more for each consumer that died with it.
        fields: Its headers and its body, as they are to be published again.
        sent: When it was sent, in milliseconds of the sender's wall clock; None if nobody said.
        arrived: When it came, in seconds of our monotonic clock.
        returned: Whether a consumer had it before.
        tag: For `Link.ack`.
    """

    request: Request
    fault: Fault | None
    attempt: int
    fields: Fields
    sent: int | None
    arrived: float
    returned: bool
    tag: int

    @property
    def age(self) -> float:
        """Seconds since it was sent, by our own wall clock; since it came, if nobody said. Never below 0."""
        if self.sent is None:
            return time.monotonic() - self.arrived
        return max(time.time() - self.sent / 1000, 0.0)


def _text(value: Any) -> bytes:
    """A header's value; AMQP has many types, and anybody may have written it."""
    if isinstance(value, bytes):
        return value
    return str(value).encode(errors="replace")


def as_fields(message: Message) -> Fields:
    """The headers of a message as texts, with its body."""
    fields = {name.encode(errors="replace"): _text(v) for name, v in message.headers.items() if v is not None}
    for name, properties in _INSTEAD.items():
        if name.encode() not in fields:
            value = next((message.properties[p] for p in properties if message.properties.get(p)), None)
            if value is not None:
                fields[name.encode()] = _text(value)
    fields[b"body"] = message.body
    return fields


def _number(text: bytes | None) -> int | None:
    return int(text) if text is not None and len(text) <= 15 and text.isdigit() else None


def read_arrival(model: str, lane: str, message: Message) -> Arrival:
    """The request in a message that lay in that queue of the model. Never raises."""
    fields = as_fields(message)
    sent = _number(fields.pop(b"sent_at", None))
    attempt = _attempt(fields)
    fields.pop(b"attempt", None)
    drop_servers(fields)
    told = fields.pop(b"priority", b"")
    priority = _PRIORITIES.get(told, Priority.NORMAL) if lane == RETURNED else Priority(lane)
    request, fault = read_request(model, priority, fields)
    returned = lane == RETURNED or attempt > 1
    return Arrival(request, fault, attempt, fields, sent, time.monotonic(), returned, message.tag)


def _attempt(fields: Fields) -> int:
    """1 at first, and one more for each time the server had to take it back."""
    return 1 + (_number(fields.get(b"attempt")) or 0) + (_number(fields.get(b"x-delivery-count")) or 0)


def attempt_of(message: Message) -> int:
    """How often a message was delivered, with this time."""
    return _attempt(as_fields(message))


def drop_servers(fields: Fields) -> None:
    """What the server wrote on a message is not to be published again."""
    for name in [name for name in fields if name.startswith(b"x-")]:
        del fields[name]


_PRIORITIES: Final = {priority.value.encode(): priority for priority in Priority}


def request_letter(queue: Queue, request: Request, now: int) -> Letter:
    """A request for that queue, sent now (milliseconds of the wall clock)."""
    pairs = request_fields(request)
    names = iter(pairs[:-2])
    headers = {
        str(name): value if isinstance(value, bytes) else str(value) for name, value in zip(names, names, strict=True)
    }
    headers["sent_at"] = str(now)
    return Letter(queue.name, headers, request.body, request.id)


def as_headers(fields: Mapping[bytes, bytes]) -> dict[str, str | bytes]:
    """The headers among these fields."""
    return {name.decode(errors="replace"): value for name, value in fields.items() if name != b"body"}


def returned_letter(queue: Queue, arrival: Arrival) -> Letter:
    """The same request for the queue of those given back, with its count of attempts."""
    headers = as_headers(arrival.fields)
    headers |= {"attempt": str(arrival.attempt - 1), "priority": arrival.request.priority.value}
    if arrival.sent is not None:
        headers["sent_at"] = str(arrival.sent)
    return Letter(queue.name, headers, arrival.fields[b"body"], arrival.request.id)


def result_letter(queue: Queue, outcome: Outcome) -> Letter:
    """The result of an outcome, and which model it is of."""
    result = outcome.result
    pairs = iter(result_fields(result)[:-2])
    headers = {str(name): str(value) for name, value in zip(pairs, pairs, strict=True)}
    headers["model"] = outcome.delivery.request.model
    return Letter(queue.name, headers, result.body, result.id)


def read_answer(message: Message) -> Result:
    """The result in a message."""
    fields = as_fields(message)
    return read_result(fields.get(b"model", b"").decode(errors="replace"), fields)
