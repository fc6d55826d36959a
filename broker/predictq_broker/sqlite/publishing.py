"""Putting results where they are to be read: inboxes and durable result queues are kept alike."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from sqlite3 import Connection
from typing import Final

from predictq_broker.messages import Result
from predictq_broker.names import INBOX_PREFIX
from predictq_broker.sqlite.packing import MOST_BYTES
from predictq_broker.sqlite.rows import Row, common_of, result_row
from predictq_broker.sqlite.statements import insert, sql

__all__ = ["BUNDLE_PREFIX", "publish"]

BUNDLE_PREFIX: Final = f"{INBOX_PREFIX}bundle."
"""The reader of a reply-to that begins so takes several results in one row."""


def publish(connection: Connection, answers: Iterable[tuple[str, Result]], now: int) -> None:
    """Store each result for its reply-to, within the caller's transaction; the empty reply-to is nobody."""
    by_name: dict[str, list[Result]] = defaultdict(list)
    for reply_to, result in answers:
        by_name[reply_to].append(result)
    by_name.pop("", None)
    for name, results in by_name.items():
        first = _extend(connection, name, len(results), now) - len(results) + 1
        _store(connection, first, _bundles(results) if name.startswith(BUNDLE_PREFIX) else [[each] for each in results])


def _store(connection: Connection, first: int, bundles: Iterable[Sequence[Result]]) -> None:
    """Store them in the slots from `first`, together with those of the same release."""
    alike: dict[Row, list[Row]] = defaultdict(list)
    last = first - 1
    for together in bundles:
        last += len(together)
        alike[common_of(together[0])].append(result_row(last, together))
    for common, rows in alike.items():
        insert(connection, "store_result", rows, common)


def _bundles(results: Sequence[Result]) -> list[list[Result]]:
    """The results in runs that have all but id and body in common."""
    bundles: list[list[Result]] = []
    common: tuple[object, ...] | None = None
    room = 0
    for result in results:
        size = len(result[2])
        if result[3:] != common or result[1] != bundles[-1][0][1] or room < size:
            bundles.append([])
            common, room = result[3:], MOST_BYTES
        bundles[-1].append(result)
        room -= size
    return bundles


def _extend(connection: Connection, name: str, count: int, now: int) -> int:
    """The last slot of `count` new ones; a reply-to begins with its first result."""
    parameters = {"name": name, "count": count, "now": now}
    found = connection.execute(sql("extend_reply_to"), parameters).fetchall()
    if not found:
        connection.execute(sql("create_reply_to"), {"name": name, "now": now})
        found = connection.execute(sql("extend_reply_to"), parameters).fetchall()
    ((last,),) = found
    assert isinstance(last, int)  # noqa: S101  told to the type checker: the column is an integer
    return last
