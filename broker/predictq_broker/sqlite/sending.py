"""Storing requests: who is known, who is too many, and the rest."""

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from itertools import count
from sqlite3 import Connection
from typing import NamedTuple

from predictq_broker.messages import Priority, Request, Verdict
from predictq_broker.names import check_name, check_names
from predictq_broker.port import Limits
from predictq_broker.sqlite.rows import is_plain, plain_row, request_row
from predictq_broker.sqlite.slots import PRIORITIES
from predictq_broker.sqlite.statements import insert, sql

__all__ = ["Offer", "offers", "open_queue", "store"]


class Offer(NamedTuple):
    """A request of sound names, and the fingerprint of what it asks."""

    request: Request
    fingerprint: bytes


class Queue(NamedTuple):
    """A model's queue and how full it is."""

    queue: int
    requests: int
    bytes: int


def offers(requests: Sequence[Request]) -> list[Offer]:
    """The requests with their fingerprints.

    Raises:
        InvalidName: if a model, id or reply-to is no name.
        ValueError: if they are for several models.
    """
    if len(models := {request.model for request in requests}) > 1:
        raise ValueError(f"one send is for one model, not for {', '.join(sorted(models))}: send once for each")
    check_name("model", requests[0].model)
    for reply_to in {request.reply_to for request in requests} - {""}:
        check_name("reply_to", reply_to)
    check_names("id", [request.id for request in requests])
    return [Offer(request, _fingerprint(request)) for request in requests]


def _fingerprint(request: Request) -> bytes:
    """Of everything that decides the answer; a repeat may be told elsewhere, sooner or more urgently."""
    headers = f"{request.ref}\0{request.method}\0{request.content_type}\0".encode(errors="surrogatepass")
    return blake2b(headers + request.body, digest_size=8).digest()


def open_queue(connection: Connection, model: str) -> Queue:
    """The queue of `model`, which is from now on one that was seen."""
    found = connection.execute(sql("find_queue"), {"model": model}).fetchone()
    if found is None:
        connection.execute(sql("create_queue"), {"model": model})
        found = connection.execute(sql("find_queue"), {"model": model}).fetchone()
    return Queue._make(found)


def store(connection: Connection, offered: Sequence[Offer], limits: Limits, now: int) -> list[Verdict]:
    """Store what may be stored, within the caller's transaction."""
    queue = open_queue(connection, offered[0].request.model)
    known = _known(connection, queue.queue, offered, now)
    full = _full_reply_tos(connection, offered, limits)
    verdicts = _judge(offered, known, full, queue, limits)
    accepted = [offer for offer, verdict in zip(offered, verdicts, strict=True) if verdict is Verdict.ACCEPTED]
    if accepted:
        _keep(connection, queue.queue, accepted, now, now + round(limits.dedup * 1000))
    return verdicts


def _known(connection: Connection, queue: int, offered: Sequence[Offer], now: int) -> dict[str, bytes]:
    ids = _ids(offered)
    return dict(connection.execute(sql("find_known_ids"), {"ids": ids, "queue": queue, "now": now}))


def _full_reply_tos(connection: Connection, offered: Sequence[Offer], limits: Limits) -> set[str]:
    names = '["' + '","'.join({offer.request.reply_to for offer in offered}) + '"]'
    found = connection.execute(sql("find_full_reply_tos"), {"names": names, "limit": limits.unread_results})
    return {name for (name,) in found}


def _judge(
    offered: Sequence[Offer], known: dict[str, bytes], full: set[str], queue: Queue, limits: Limits
) -> list[Verdict]:
    """One verdict each; once the queue was full for one it is full for all after, that none overtakes another."""
    verdicts: list[Verdict] = []
    places = limits.queue_requests - queue.requests
    room = limits.queue_bytes - queue.bytes
    for request, fingerprint in offered:
        verdict = _seen_before(known.get(request.id), fingerprint)
        if verdict is None and (places <= 0 or room < len(request.body)):
            places, verdict = 0, Verdict.QUEUE_FULL
        if verdict is None and request.reply_to in full:
            verdict = Verdict.RESULTS_FULL
        if verdict is None:
            places, room = places - 1, room - len(request.body)
            known[request.id] = fingerprint
        verdicts.append(verdict or Verdict.ACCEPTED)
    return verdicts


def _seen_before(before: bytes | None, fingerprint: bytes) -> Verdict | None:
    if before is None:
        return None
    return Verdict.DUPLICATE if before == fingerprint else Verdict.CONFLICT


def _keep(connection: Connection, queue: int, accepted: Sequence[Offer], now: int, until: int) -> None:
    slots = _slots(connection, queue, [offer.request.priority for offer in accepted])
    placed = [(slot, offer.request) for slot, offer in zip(slots, accepted, strict=True)]
    plain = [plain_row(slot, now, request) for slot, request in placed if is_plain(request)]
    insert(connection, "store_plain_request", plain)
    if len(plain) < len(placed):
        others = [request_row(slot, now, request) for slot, request in placed if not is_plain(request)]
        insert(connection, "store_request", others)
    _remember(connection, queue, accepted, slots, until)
    size = sum([len(request.body) for _, request in placed])
    connection.execute(sql("charge_queue"), {"queue": queue, "requests": len(accepted), "bytes": size})


def _remember(connection: Connection, queue: int, accepted: Sequence[Offer], slots: Sequence[int], until: int) -> None:
    rows = [
        (queue, request.id, fingerprint, until, slot)
        for slot, (request, fingerprint) in zip(slots, accepted, strict=True)
    ]
    insert(connection, "remember_id", rows)
    connection.execute(sql("remember_sending"), {"until": until, "queue": queue, "ids": _ids(accepted)})


def _ids(offered: Sequence[Offer]) -> str:
    return '["' + '","'.join([request.id for request, _ in offered]) + '"]'  # a name needs no escaping


def _slots(connection: Connection, queue: int, priorities: Sequence[Priority]) -> list[int]:
    """The next slot of its priority's stream for each."""
    lines = {
        priority: _extend(connection, queue * 4 + 1 + place, priorities.count(priority))
        for place, priority in enumerate(PRIORITIES)
        if priority in priorities
    }
    return [next(lines[priority]) for priority in priorities]


def _extend(connection: Connection, stream: int, more: int) -> Iterator[int]:
    ((last,),) = connection.execute(sql("extend_stream"), {"stream": stream, "count": more}).fetchall()
    return count(last - more + 1)
