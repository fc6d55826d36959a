"""The dead-letter queue of one model."""

from collections.abc import Collection, Sequence
from sqlite3 import Connection

from predictq_broker.messages import DeadLetter
from predictq_broker.sqlite.bell import Bell
from predictq_broker.sqlite.database import Database, now_ms
from predictq_broker.sqlite.rows import Row, request_in
from predictq_broker.sqlite.slots import PRIORITIES, json_list
from predictq_broker.sqlite.statements import sql

__all__ = ["SqliteDeadLetters"]


class SqliteDeadLetters:
    """See `predictq_broker.port.DeadLetters`."""

    def __init__(self, database: Database, model: str, requests: Bell) -> None:
        self._database = database
        self._model = model
        self._requests = requests

    def list(self, limit: int = 100) -> Sequence[DeadLetter]:
        """The oldest `limit` dead letters, oldest first."""
        return [self._letter(row) for row in self._read(None, limit)]

    def show(self, tag: str) -> DeadLetter | None:
        """One of them."""
        return next((self._letter(row) for row in self._read(_number(tag), 1)), None)

    def _read(self, tag: int | None, limit: int) -> Sequence[Row]:
        queue = self._queue()
        return self._database.read("list_dead", {"queue": queue, "tag": tag, "limit": limit})

    def _queue(self) -> int | None:
        return next((row[0] for row in self._database.read("find_queue", {"model": self._model})), None)

    def _letter(self, row: Row) -> DeadLetter:
        tag, priority, reason, attempts, died = row[:5]
        request, _ = request_in(row[5:], self._model, PRIORITIES[priority - 1])
        return DeadLetter(str(tag), request, reason, attempts, died)

    def replay(self, tags: Collection[str] | None = None) -> int:
        """Put these (None: all) back into the input queue."""
        chosen = {"queue": self._queue(), "tags": _numbers(tags)}
        with self._database.write(durable=True) as connection:
            letters = connection.execute(sql("choose_dead"), chosen).fetchall()
            for letter in letters:
                _revive(connection, chosen["queue"], letter)
            connection.execute(sql("purge_dead"), chosen)
        self._requests.ring()
        return len(letters)

    def purge(self, tags: Collection[str] | None = None) -> int:
        """Forget these (None: all)."""
        chosen = {"queue": self._queue(), "tags": _numbers(tags)}
        with self._database.write(durable=True) as connection:
            return connection.execute(sql("purge_dead"), chosen).rowcount


def _revive(connection: Connection, queue: object, letter: Row) -> None:
    tag, priority, request_id, size = letter
    ((slot,),) = connection.execute(
        sql("extend_stream"), {"stream": int(str(queue)) * 4 + priority, "count": 1}
    ).fetchall()
    connection.execute(sql("revive_request"), (slot, now_ms(), tag))
    connection.execute(sql("move_id"), (slot, queue, request_id))
    connection.execute(sql("charge_queue"), {"queue": queue, "requests": 1, "bytes": size})


def _numbers(tags: Collection[str] | None) -> str | None:
    return None if tags is None else json_list(_number(tag) for tag in tags)


def _number(tag: str) -> int:
    """The tag's number; 0, which none has, for what is no tag of ours."""
    return int(tag) if tag.isascii() and tag.isdigit() and len(tag) < 19 else 0
