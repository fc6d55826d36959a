"""Parting a parcel: what `parcels` says of it ends here."""

from collections.abc import Collection
from sqlite3 import Connection

from predictq_broker.sqlite.packing import cut
from predictq_broker.sqlite.parcels import checks_in, ids_in, slots_in
from predictq_broker.sqlite.rows import Row
from predictq_broker.sqlite.slots import json_list, queue_of
from predictq_broker.sqlite.statements import insert, sql

__all__ = ["unpack"]


def unpack(connection: Connection, parcels: Collection[int]) -> None:
    """Give each request of these parcels, told by their slots, a row of its own, and each id a record.

    Those that are settled are gone, the others are held or not as they were. What is no parcel any more is left alone.
    """
    if not parcels:
        return
    chosen = {"slots": json_list(parcels)}
    for row in connection.execute(sql("find_parcels"), chosen).fetchall():
        _store_singly(connection, row)
    for record in connection.execute(sql("find_parcel_ids"), chosen).fetchall():
        _remember_singly(connection, record)
    for verb in ("forget_requests", "drop_held_slots", "forget_parcel_ids"):
        connection.execute(sql(verb), chosen)


def done_in(done: str | None) -> set[int]:
    """The slots of those requests of a held parcel that are settled."""
    return set(map(int, done.split())) if done else set()


def _store_singly(connection: Connection, row: Row) -> None:
    slot, consumer, done, accepted, head, tails, sizes, blob, *headers = row
    gone = done_in(done)
    each = zip(slots_in(slot, sizes), ids_in(head, tails), cut(blob, sizes), strict=True)
    singles = [(own, accepted, None, id_, *headers, body) for own, id_, body in each if own not in gone]
    insert(connection, "store_request", singles)
    if consumer is not None:
        insert(connection, "hold", [(single[0], consumer) for single in singles])


def _remember_singly(connection: Connection, record: Row) -> None:
    slot, until, head, tails, checks = record
    queue, ids = queue_of(slot), ids_in(head, tails)
    each = zip(slots_in(slot, checks), ids, checks_in(checks), strict=True)
    insert(connection, "remember_unpacked_id", [(queue, id_, check, until, own) for own, id_, check in each])
    names = '["' + '","'.join(ids) + '"]'
    connection.execute(sql("remember_sending"), {"until": until, "queue": queue, "ids": names})
