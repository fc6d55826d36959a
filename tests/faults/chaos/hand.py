"""The driver's own hand: it asks what harms, and writes what no client of ours would."""

import threading
from collections.abc import Mapping
from pathlib import Path

import orjson
from faults.chaos.engines import Engine
from faults.chaos.journal import Journal
from faults.chaos.questions import rows_of
from workers import eventually

from predictq_broker import BrokerError, DeadLetter, QueueStats, Request, connect

__all__ = ["Hand"]

MODEL = "iris"


class Hand:
    """Asks past the proxy; the answers go to the durable queue, where subscribers write them down."""

    def __init__(self, engine: Engine, journal: Path, queue: str) -> None:
        self._engine = engine
        self._broker = connect(engine.direct)
        self._journal = Journal(journal)
        self._queue = queue
        self._lock = threading.Lock()
        self._count = 0
        self.anonymous = 0
        """How many messages were written that cannot be answered, and so become dead letters."""

    def _name(self, what: str) -> str:
        with self._lock:
            self._count += 1
            return f"{what}-{self._count}"

    def ask(self, what: str) -> str:
        """Have one harmful request accepted; returns its id."""
        id_ = self._name(what)
        self._journal.asked([(id_, what)])
        request = Request(MODEL, orjson.dumps(rows_of(what)), id=id_, reply_to=self._queue)
        eventually(lambda: self._sent(request), f"{what} is accepted")
        self._journal.verdict([id_], "accepted")
        return id_

    def _sent(self, request: Request) -> bool:
        try:
            return self._broker.send([request])[0] in ("accepted", "duplicate")
        except BrokerError:
            return False

    def write_malformed(self) -> str:
        """Write one message that breaks the rules and says whom to tell; returns its id."""
        id_ = self._name("malformed")
        self._journal.asked([(id_, "malformed")])
        self._engine.write({"id": id_, "reply_to": self._queue, "ttl": "soon", "body": "[["})
        self._journal.verdict([id_], "accepted")
        return id_

    def write_anonymous(self, fields: Mapping[str, str]) -> None:
        """Write one that nobody can be told of."""
        self._engine.write(fields)
        self.anonymous += 1

    def stats(self) -> QueueStats:
        """The queue's figures."""
        return self._broker.stats(MODEL)

    def dead(self) -> list[DeadLetter]:
        """All that was set aside."""
        return list(self._broker.dead(MODEL).list(limit=100_000))

    def close(self) -> None:
        """Disconnect."""
        self._broker.close()
