"""Forgetting what has outlived its time, in small slices, by whoever happens to write."""

import time
from sqlite3 import Connection
from typing import Final

from predictq_broker.names import INBOX_PREFIX
from predictq_broker.port import Limits
from predictq_broker.sqlite.slots import reply_span
from predictq_broker.sqlite.statements import sql

__all__ = ["Sweeper"]

_INBOXES_AT_ONCE: Final = 16
_RESULTS_AT_ONCE: Final = 1024
_PARCELS_AT_ONCE: Final = 16


class Sweeper:
    """Forgets ids whose window is over and inboxes whose client is gone."""

    def __init__(self, limits: Limits) -> None:
        self._inbox_ttl = limits.inbox_ttl
        self._looked = time.monotonic()

    def forget_ids(self, connection: Connection, now: int, parcels: int) -> None:
        """Forget the ids of two old sendings, and of twice as many parcels as are new, so that they never pile up."""
        connection.execute(sql("forget_old_parcels"), {"now": now, "most": max(2 * parcels, _PARCELS_AT_ONCE)})
        for sending, queue, ids in connection.execute(sql("find_old_sendings"), {"now": now}).fetchall():
            connection.execute(sql("forget_ids"), {"queue": queue, "ids": ids, "now": now})
            connection.execute(sql("forget_sending"), {"sending": sending})

    def drop_inboxes(self, connection: Connection, now: int) -> None:
        """Drop a few inboxes that were not read for their time; looks four times in that time."""
        if time.monotonic() - self._looked < self._inbox_ttl / 4:
            return
        self._looked = time.monotonic()
        before = {"before": now - round(self._inbox_ttl * 1000), "prefix": INBOX_PREFIX}
        for (reply,) in connection.execute(sql("find_old_inboxes"), before).fetchmany(_INBOXES_AT_ONCE):
            _drop_slice(connection, reply)


def _drop_slice(connection: Connection, reply: int) -> None:
    """Drop the oldest results of an inbox, and with the last of them the inbox."""
    slice_ = {**reply_span(reply)._asdict(), "limit": _RESULTS_AT_ONCE}
    dropped = connection.execute(sql("drop_oldest_results"), slice_).fetchall()
    connection.execute(sql("forget_unread"), {"reply": reply, "count": sum([count for (count,) in dropped])})
    connection.execute(sql("drop_reply_to"), {"reply": reply})
