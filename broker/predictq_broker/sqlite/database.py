"""One process's access to the file: one connection, one lock, and transactions that are whole or not at all."""

import os
import sqlite3
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from threading import Lock
from typing import Any, Final, TypeVar

from predictq_broker.errors import BrokerRefused
from predictq_broker.sqlite.address import Address
from predictq_broker.sqlite.opening import FileIds, file_ids, open_connection
from predictq_broker.sqlite.refusals import is_busy, translated
from predictq_broker.sqlite.statements import sql

__all__ = ["Database", "now_ms"]

_SHORTEST_SLEEP: Final = 0.00005
_LONGEST_SLEEP: Final = 0.001
_BLINK: Final = 0.02

T = TypeVar("T")


def now_ms() -> int:
    """The broker's clock, which is the machine's: milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


class Database:
    """The file behind a broker, opened when first used; a forked child opens it again for itself.

    SQLite has one writer at a time, so the threads of a process lose nothing by sharing one connection, and wait
    for each other on a lock instead of on SQLite's retries.

    Args:
        address: The file, and how carefully to write it.
        patience: Seconds to wait for another process's lock before saying that the broker is unavailable.
    """

    def __init__(self, address: Address, patience: float = 10.0) -> None:
        self.address = address
        self._patience = patience
        self._lock = Lock()
        self._connection: sqlite3.Connection | None = None
        self._durable = True
        self._owner = 0
        self._files: FileIds | None = None
        self._looked = 0.0
        self._left_behind: list[sqlite3.Connection] = []
        self._closed = False

    @contextmanager
    def write(self, *, durable: bool) -> Generator[sqlite3.Connection]:
        """A transaction that may write: committed at the end of the block, rolled back if it raises.

        With `durable` (and `synchronous=full`) the commit waits for the disk. Without, a loss of power may undo it:
        right for what is worthless by then, such as a lease. It never undoes it out of order.
        """
        with self._guarded():
            connection = self._ready()
            self._set_durable(connection, durable=durable)
            try:
                self._patiently(lambda: connection.execute("BEGIN IMMEDIATE"))
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def read(self, verb: str, parameters: dict[str, Any]) -> list[Any]:
        """The rows of one SELECT."""
        with self._guarded():
            connection = self._ready()
            return self._patiently(lambda: connection.execute(sql(verb), parameters).fetchall())

    def version(self) -> int:
        """A number that changes when another connection has committed; costs a few microseconds.

        That the file was replaced is noticed a little later than by the others: each look at it lets other threads of
        a busy process go first.
        """
        with self._guarded():
            connection = self._ready(patience=_BLINK)
            version: int = self._patiently(lambda: connection.execute("PRAGMA data_version").fetchone())[0]
            return version

    def pragma(self, name: str) -> Any:  # noqa: ANN401  SQLite's answers are numbers or words
        """The value of a setting, as SQLite tells it."""
        with self._guarded():
            return self._ready().execute(f"PRAGMA {name}").fetchone()[0]

    def close(self) -> None:
        """Close the connection for good."""
        with self._guarded():
            self._closed = True
            self._leave()

    def _ready(self, patience: float = 0.0) -> sqlite3.Connection:
        """The connection, to the file that has its name, as was seen at most `patience` seconds ago."""
        if self._closed:
            raise BrokerRefused(f"this broker of {self.address.path} was closed: connect again")
        if self._connection is None or self._owner != os.getpid():
            return self._connect()
        if time.monotonic() - self._looked < patience:
            return self._connection
        self._looked = time.monotonic()
        if file_ids(self.address) != self._files:
            raise BrokerRefused(
                f"{self.address.path} was deleted or replaced while in use: what was in it is out of reach. "
                "Restart this process to begin with the file that is there now"
            )
        return self._connection

    def _connect(self) -> sqlite3.Connection:
        self._leave()
        connection = self._patiently(lambda: open_connection(self.address))
        self._connection, self._owner, self._durable = connection, os.getpid(), True
        self._files = file_ids(self.address)
        return connection

    def _leave(self) -> None:
        if self._connection is not None and self._owner != os.getpid():
            self._left_behind.append(self._connection)  # the parent's: even closing it here would harm the file
        elif self._connection is not None:
            self._connection.close()
        self._connection = None

    def _set_durable(self, connection: sqlite3.Connection, *, durable: bool) -> None:
        durable = durable and self.address.synchronous == "full"
        if durable != self._durable:
            connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._durable = durable

    @contextmanager
    def _guarded(self) -> Generator[None]:
        """One thread at a time; SQLite's errors become the port's."""
        if self._owner and self._owner != os.getpid():
            self._lock = Lock()  # the parent's may have been held when this process was forked, and never comes free
        with self._lock:
            try:
                yield
            except sqlite3.Error as error:
                raise translated(error, self.address.path) from error

    def _patiently(self, attempt: Callable[[], T]) -> T:
        """Try until another process's lock is gone, looking more and more rarely."""
        deadline = time.monotonic() + self._patience
        pause = _SHORTEST_SLEEP
        while True:
            try:
                return attempt()
            except sqlite3.Error as error:
                if not is_busy(error) or time.monotonic() > deadline:
                    raise
            time.sleep(pause)
            pause = min(_LONGEST_SLEEP, pause * 2)
