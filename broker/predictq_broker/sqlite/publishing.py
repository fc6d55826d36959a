"""Putting results where they are to be read: inboxes and durable result queues are kept alike."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from sqlite3 import Connection

from predictq_broker.messages import Result
from predictq_broker.sqlite.rows import Row, common_of, result_row
from predictq_broker.sqlite.statements import insert, sql

__all__ = ["publish"]


def publish(connection: Connection, answers: Iterable[tuple[str, Result]], now: int) -> None:
    """Store each result for its reply-to, within the caller's transaction; the empty reply-to is nobody."""
    by_name: dict[str, list[Result]] = defaultdict(list)
    for reply_to, result in answers:
        by_name[reply_to].append(result)
    by_name.pop("", None)
    for name, results in by_name.items():
        _store(connection, _extend(connection, name, len(results), now) - len(results) + 1, results)


def _store(connection: Connection, first: int, results: Sequence[Result]) -> None:
    """Store them in the slots from `first`, together with those of the same release."""
    alike: dict[Row, list[Row]] = defaultdict(list)
    for slot, result in enumerate(results, first):
        alike[common_of(result)].append(result_row(slot, result))
    for common, rows in alike.items():
        insert(connection, "store_result", rows, common)


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
