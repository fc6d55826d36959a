"""Withdrawing requests that nobody holds yet."""

import json
from collections.abc import Collection, Sequence
from sqlite3 import Connection
from typing import Final, NamedTuple

from predictq_broker.messages import TEXT, Code, Result
from predictq_broker.sqlite.consumer import forget
from predictq_broker.sqlite.parcels import find_known
from predictq_broker.sqlite.publishing import publish
from predictq_broker.sqlite.slots import json_list
from predictq_broker.sqlite.statements import sql
from predictq_broker.sqlite.unpacking import unpack

__all__ = ["withdraw"]

_WHENEVER: Final = 1 << 62
_SENTENCE: Final = b"the requester withdrew it before a worker had it"


class Waiting(NamedTuple):
    """A request that no consumer holds."""

    slot: int
    id: str
    reply_to: str
    size: int


def withdraw(connection: Connection, model: str, ids: Sequence[str], now: int) -> list[str]:
    """Withdraw what waits and tell its requester, within the caller's transaction; returns the ids withdrawn."""
    found = connection.execute(sql("find_queue"), {"model": model}).fetchone()
    if found is None:
        return []
    queue = found[0]
    _unpack_waiting(connection, {known.parcel for known in find_known(connection, queue, ids, now).values()})
    asked = {"queue": queue, "ids": json.dumps(list(ids))}
    rows = connection.execute(sql("find_waiting"), asked).fetchall()
    waiting = {row[0]: Waiting._make(row) for row in rows}
    connection.execute(sql("forget_returned"), {"slots": json_list(waiting)})
    forget(connection, waiting, [(request.slot, request.size) for request in waiting.values()])
    names = json.dumps([request.id for request in waiting.values()])
    connection.execute(sql("forget_ids"), {"queue": queue, "ids": names, "now": _WHENEVER})  # may be asked again
    publish(connection, [(request.reply_to, _cancelled(request, model)) for request in waiting.values()], now)
    return [request.id for request in waiting.values()]


def _unpack_waiting(connection: Connection, parcels: Collection[int]) -> None:
    found = connection.execute(sql("find_waiting_parcels"), {"slots": json_list(parcels)})
    unpack(connection, [slot for (slot,) in found.fetchall()])


def _cancelled(request: Waiting, model: str) -> Result:
    return Result(id=request.id, status=Code.CANCELLED, body=_SENTENCE, model=model, content_type=TEXT)
