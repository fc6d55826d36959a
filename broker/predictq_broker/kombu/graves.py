"""Dead letters as messages: the request's own headers, and ours that say why."""

import hashlib
import time
from typing import Final

from predictq_broker.kombu.fields import Arrival, Fields, as_fields, as_headers, drop_servers
from predictq_broker.kombu.link import Letter, Message
from predictq_broker.kombu.queues import Queue
from predictq_broker.messages import DeadLetter, Priority
from predictq_broker.names import new_id
from predictq_broker.wire import read_request

__all__ = ["dead_letter", "read_dead_letter"]

_BY_SERVER: Final = "the broker set it aside: it was delivered again and again, and no consumer lived to bury it"
_PRIORITIES: Final = {priority.value.encode(): priority for priority in Priority}


def dead_letter(queue: Queue, arrival: Arrival, sentence: str) -> Letter:
    """A request to be set aside because of what the sentence says."""
    headers = as_headers(arrival.fields) | {
        "dead.tag": new_id(),
        "dead.reason": sentence,
        "dead.attempts": str(arrival.attempt),
        "dead.priority": arrival.request.priority.value,
        "dead.died": str(time.time_ns() // 1_000_000),
    }
    return Letter(queue.name, headers, arrival.fields[b"body"], arrival.request.id)


def read_dead_letter(model: str, message: Message) -> tuple[DeadLetter, Fields]:
    """A dead letter, and the headers and body with which its request is to be published again."""
    fields = as_fields(message)
    drop_servers(fields)
    sent, attempt = fields.pop(b"sent_at", b""), fields.pop(b"attempt", b"0")
    told = {name: fields.pop(b"dead." + name, b"") for name in (b"tag", b"reason", b"attempts", b"priority", b"died")}
    queue = fields.pop(b"priority", b"")
    request, _ = read_request(model, _PRIORITIES.get(told[b"priority"] or queue, Priority.NORMAL), fields)
    letter = DeadLetter(
        tag=told[b"tag"].decode() or _digest(fields),
        request=request,
        reason=told[b"reason"].decode(errors="replace") or _BY_SERVER,
        attempts=_number(told[b"attempts"] or attempt),
        died=_number(told[b"died"] or sent) / 1000,
    )
    return letter, fields


def _digest(fields: Fields) -> str:
    """Names a letter that the server set aside: it bears no tag of ours."""
    return hashlib.sha256(fields.get(b"id", b"") + b"\0" + fields[b"body"]).hexdigest()[:32]


def _number(text: bytes) -> int:
    return int(text) if text.isdigit() and len(text) <= 15 else 0
