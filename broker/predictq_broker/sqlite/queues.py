"""The queue of a model, and the limits that stand before it."""

from collections.abc import Collection, Sequence
from sqlite3 import Connection
from typing import NamedTuple

from predictq_broker.messages import Priority
from predictq_broker.port import Limits
from predictq_broker.sqlite.slots import PRIORITIES
from predictq_broker.sqlite.statements import sql

__all__ = ["Queue", "full_reply_tos", "next_slots", "open_queue"]


class Queue(NamedTuple):
    """A model's queue and how full it is."""

    queue: int
    requests: int
    bytes: int


def open_queue(connection: Connection, model: str) -> Queue:
    """The queue of `model`, which is from now on one that was seen."""
    found = connection.execute(sql("find_queue"), {"model": model}).fetchone()
    if found is None:
        connection.execute(sql("create_queue"), {"model": model})
        found = connection.execute(sql("find_queue"), {"model": model}).fetchone()
    return Queue._make(found)


def full_reply_tos(connection: Connection, reply_tos: Collection[str], limits: Limits) -> set[str]:
    """Those that hold as many unread results as they may."""
    names = '["' + '","'.join(reply_tos) + '"]'
    found = connection.execute(sql("find_full_reply_tos"), {"names": names, "limit": limits.unread_results})
    return {name for (name,) in found}


def next_slots(connection: Connection, queue: int, wanted: Sequence[tuple[Priority, int]]) -> list[int]:
    """For each the last of as many slots as it wants, the next of its priority's stream."""
    more: dict[Priority, int] = dict.fromkeys(PRIORITIES, 0)
    for priority, count in wanted:
        more[priority] += count
    last = {
        priority: _extend(connection, queue * 4 + 1 + place, more[priority]) - more[priority]
        for place, priority in enumerate(PRIORITIES)
        if more[priority]
    }
    slots: list[int] = []
    for priority, count in wanted:
        last[priority] += count
        slots.append(last[priority])
    return slots


def _extend(connection: Connection, stream: int, more: int) -> int:
    ((last,),) = connection.execute(sql("extend_stream"), {"stream": stream, "count": more}).fetchall()
    assert isinstance(last, int)  # noqa: S101  told to the type checker: the column is an integer
    return last
