"""Storing requests: who is known, who is too many, and the rest."""

from collections.abc import Sequence
from hashlib import blake2b
from sqlite3 import Connection
from typing import NamedTuple

from predictq_broker.alike import Alike
from predictq_broker.messages import Request, Verdict
from predictq_broker.port import Limits
from predictq_broker.sqlite.parcels import check, find_known, keep
from predictq_broker.sqlite.queues import Queue, full_reply_tos, next_slots, open_queue
from predictq_broker.sqlite.rows import is_plain, plain_row, request_row
from predictq_broker.sqlite.statements import insert, sql

__all__ = ["Offer", "offers", "store", "store_parcels"]


class Offer(NamedTuple):
    """A request of sound names, and the fingerprint of what it asks."""

    request: Request
    fingerprint: bytes


def offers(requests: Sequence[Request]) -> list[Offer]:
    """The requests with their fingerprints."""
    return [Offer(request, _fingerprint(request)) for request in requests]


def _fingerprint(request: Request) -> bytes:
    """Of everything that decides the answer; a repeat may be told elsewhere, sooner or more urgently."""
    headers = f"{request.ref}\0{request.method}\0{request.content_type}\0".encode(errors="surrogatepass")
    return blake2b(headers + request.body, digest_size=8).digest()


def store_parcels(connection: Connection, parcels: Sequence[Alike], limits: Limits, now: int) -> bool:
    """Store all of these, which nobody can know, within the caller's transaction; or none if a limit is near."""
    queue = open_queue(connection, parcels[0].form.model)
    count = sum(map(len, parcels))
    size = sum([sum(map(len, parcel.bodies)) for parcel in parcels])
    full = full_reply_tos(connection, {parcel.form.reply_to for parcel in parcels}, limits)
    if full or queue.requests + count > limits.queue_requests or queue.bytes + size > limits.queue_bytes:
        return False
    slots = next_slots(connection, queue.queue, [(parcel.form.priority, len(parcel) + 1) for parcel in parcels])
    keep(connection, list(zip(slots, parcels, strict=True)), now, now + round(limits.dedup * 1000))
    connection.execute(sql("charge_queue"), {"queue": queue.queue, "requests": count, "bytes": size})
    return True


def store(connection: Connection, offered: Sequence[Offer], limits: Limits, now: int) -> list[Verdict]:
    """Store what may be stored, within the caller's transaction."""
    queue = open_queue(connection, offered[0].request.model)
    known = _known(connection, queue.queue, offered, now)
    full = full_reply_tos(connection, {offer.request.reply_to for offer in offered}, limits)
    verdicts = _judge(offered, known, full, queue, limits)
    accepted = [offer for offer, verdict in zip(offered, verdicts, strict=True) if verdict is Verdict.ACCEPTED]
    if accepted:
        _keep(connection, queue.queue, accepted, now, now + round(limits.dedup * 1000))
    return verdicts


def _known(connection: Connection, queue: int, offered: Sequence[Offer], now: int) -> dict[str, bytes]:
    """The ids that are remembered, each with its fingerprint, or its check if it came in a parcel."""
    in_parcels = find_known(connection, queue, [offer.request.id for offer in offered], now)
    checks = {id_: known.check for id_, known in in_parcels.items()}
    asked = {"ids": _ids(offered), "queue": queue, "now": now}
    return checks | dict(connection.execute(sql("find_known_ids"), asked).fetchall())


def _judge(
    offered: Sequence[Offer], known: dict[str, bytes], full: set[str], queue: Queue, limits: Limits
) -> list[Verdict]:
    """One verdict each; once the queue was full for one it is full for all after, that none overtakes another."""
    verdicts: list[Verdict] = []
    places = limits.queue_requests - queue.requests
    room = limits.queue_bytes - queue.bytes
    for offer in offered:
        request, fingerprint = offer
        verdict = _seen_before(known.get(request.id), offer)
        if verdict is None and (places <= 0 or room < len(request.body)):
            places, verdict = 0, Verdict.QUEUE_FULL
        if verdict is None and request.reply_to in full:
            verdict = Verdict.RESULTS_FULL
        if verdict is None:
            places, room = places - 1, room - len(request.body)
            known[request.id] = fingerprint
        verdicts.append(verdict or Verdict.ACCEPTED)
    return verdicts


def _seen_before(before: bytes | None, offer: Offer) -> Verdict | None:
    if before is None:
        return None
    same = offer.fingerprint if len(before) == len(offer.fingerprint) else check(offer.request)
    return Verdict.DUPLICATE if before == same else Verdict.CONFLICT


def _keep(connection: Connection, queue: int, accepted: Sequence[Offer], now: int, until: int) -> None:
    slots = next_slots(connection, queue, [(offer.request.priority, 1) for offer in accepted])
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
