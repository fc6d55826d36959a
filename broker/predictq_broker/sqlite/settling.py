"""Letting go of requests that are answered, of which many may stand in one parcel."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from sqlite3 import Connection
from typing import NamedTuple

from predictq_broker.sqlite.slots import Parcel, Tag, json_list
from predictq_broker.sqlite.statements import sql
from predictq_broker.sqlite.unpacking import done_in

__all__ = ["Settled", "settle"]

Parts = Mapping[Parcel, set[int]]
"""Slots of requests, by the parcel that they came in."""


class Settled(NamedTuple):
    """What was let go of.

    Attributes:
        requests: The slots of the requests.
        rows: The slots of the rows in which nothing is left to be answered.
    """

    requests: set[int]
    rows: list[int]


def settle(connection: Connection, consumer: int, tags: Iterable[Tag]) -> Settled:
    """Let go of those of these that `consumer` holds.

    A parcel of which some are not answered yet stays, with a note of those that are: the table says what is left of
    it, not whoever asks.
    """
    parts: dict[Parcel, set[int]] = defaultdict(set)
    singles: list[int] = []
    for slot, _, _, parcel in tags:
        if parcel is None:
            singles.append(slot)
        else:
            parts[parcel].add(slot)
    whole = {parcel: slots for parcel, slots in parts.items() if len(slots) == parcel.requests}
    rows = _surrender(connection, "surrender_parcels", consumer, [parcel.slot for parcel in whole])
    settled = Settled(set(chain.from_iterable(whole[parcel] for parcel in whole if parcel.slot in rows)), list(rows))
    for parcel, slots in parts.items():
        if parcel.slot not in rows:
            singles += _settle_part(connection, consumer, parcel, slots, settled)
    found = _surrender(connection, "surrender", consumer, singles)
    settled.requests.update(found)
    settled.rows.extend(found)
    return settled


def _surrender(connection: Connection, verb: str, consumer: int, slots: Sequence[int]) -> set[int]:
    if not slots:
        return set()
    return {row[0] for row in connection.execute(sql(verb), {"slots": json_list(slots), "consumer": consumer})}


def _settle_part(
    connection: Connection, consumer: int, parcel: Parcel, slots: set[int], settled: Settled
) -> Iterable[int]:
    """Note that these of a parcel are answered; returns them if it was unpacked meanwhile, or is not ours any more."""
    found = connection.execute(sql("find_held_parcel"), {"slot": parcel.slot, "consumer": consumer}).fetchone()
    if found is None:
        return slots
    before = done_in(found[0])
    done = before | slots
    settled.requests.update(slots - before)
    if len(done) == parcel.requests:
        settled.rows.extend(_surrender(connection, "surrender", consumer, [parcel.slot]))
    else:
        note = {"slot": parcel.slot, "done": " ".join(map(str, sorted(done))), "requests": parcel.requests - len(done)}
        connection.execute(sql("note_done"), note)
    return ()
