"""A client's inbox: each result is read once and is then gone."""

from collections.abc import Sequence
from itertools import chain
from typing import Final

from predictq_broker.messages import Result
from predictq_broker.names import INBOX_PREFIX, new_inbox_name
from predictq_broker.sqlite.bell import Bell
from predictq_broker.sqlite.database import Database, now_ms
from predictq_broker.sqlite.packing import how_many
from predictq_broker.sqlite.publishing import BUNDLE_PREFIX
from predictq_broker.sqlite.rows import results_in
from predictq_broker.sqlite.slots import reply_span
from predictq_broker.sqlite.statements import sql

__all__ = ["SqliteInbox"]

_AT_ONCE: Final = 4096


class SqliteInbox:
    """See `predictq_broker.port.Inbox`. It takes up no room until its first result, and expires by being swept."""

    def __init__(self, database: Database, results: Bell) -> None:
        self._database = database
        self._results = results
        self._name = BUNDLE_PREFIX + new_inbox_name().removeprefix(INBOX_PREFIX)
        self._closed = False

    @property
    def name(self) -> str:
        """What to write into `Request.reply_to`."""
        return self._name

    def expect(self, model: str) -> None:
        """Nothing to prepare: all models' results meet in one table."""

    def receive(self, wait: float) -> Sequence[Result]:
        """Results that have come, each once."""
        return self._results.until(self._take, wait, lambda: self._closed)

    def _take(self) -> Sequence[Result]:
        if self._database.read("peek_results", {"name": self._name}) != [(1,)]:
            return []
        with self._database.write(durable=False) as connection:
            found = connection.execute(sql("find_reply_to"), {"name": self._name}).fetchone()
            if found is None:
                return []
            reply = found[0]
            first, last = reply_span(reply)
            rows = connection.execute(sql("read_results"), {"read": first, "last": last, "limit": _AT_ONCE}).fetchall()
            if rows:
                connection.execute(sql("drop_results"), {"first": first, "last": rows[-1][0]})
            count = sum([how_many(row[-1]) for row in rows])
            connection.execute(sql("touch_reply_to"), {"reply": reply, "count": count, "now": now_ms()})
        return list(chain.from_iterable([results_in(row[2:]) for row in rows]))

    @property
    def repeats(self) -> bool:
        """As `Inbox.repeats`."""
        return False

    def repeat(self) -> None:
        """As `Inbox.repeat`: in vain, what was received is gone."""

    def close(self) -> None:
        """Remove the inbox and wake who waits at it."""
        if self._closed:
            return
        self._closed = True
        self._results.ring()
        with self._database.write(durable=False) as connection:
            found = connection.execute(sql("find_reply_to"), {"name": self._name}).fetchone()
            if found is not None:
                reply, unread = found[:2]
                connection.execute(sql("drop_results"), reply_span(reply)._asdict())
                connection.execute(sql("forget_unread"), {"reply": reply, "count": unread})
                connection.execute(sql("drop_reply_to"), {"reply": reply})
