"""Opening a database file: created if need be, its settings made, its layout checked."""

import os
import sqlite3
from typing import Final, NamedTuple

from predictq_broker.errors import BrokerRefused
from predictq_broker.sqlite.address import Address
from predictq_broker.sqlite.statements import sql

__all__ = ["SCHEMA_VERSION", "FileIds", "file_ids", "open_connection"]

SCHEMA_VERSION: Final = 2
_CACHE_KIB: Final = 32 * 1024
_CHECKPOINT_PAGES: Final = 4000  # 16 MB: a queue writes the same pages again and again, so fewer copies of them


class FileIds(NamedTuple):
    """Tells the database and its log from others that later have their names."""

    device: int
    database: int
    log: int


def file_ids(address: Address) -> FileIds | None:
    """Which files have the names now; None if one is missing."""
    try:
        database = os.stat(address.path)  # noqa: PTH116  before every transaction: a third of the time of Path.stat
        log = os.stat(address.log)  # noqa: PTH116  as above
    except OSError:
        return None
    return FileIds(database.st_dev, database.st_ino, log.st_ino)


def open_connection(address: Address) -> sqlite3.Connection:
    """A connection ready for use.

    Raises:
        BrokerRefused: if the file is another program's database, or another version's.
        sqlite3.Error: if it cannot be opened.
    """
    _create_private(address)
    connection = sqlite3.connect(address.path, timeout=0, isolation_level=None, check_same_thread=False)
    try:
        _set_up(connection)
        _check_layout(connection, address)
    except BaseException:
        connection.close()
        raise
    return connection


def _create_private(address: Address) -> None:
    """SQLite would create the file readable for all; bodies are nobody's business but its owner's."""
    try:
        os.close(os.open(address.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except OSError:
        return  # it is there, or cannot be: SQLite says which


def _set_up(connection: sqlite3.Connection) -> None:
    # No busy handler of SQLite's, whose sleeps grow to 100 ms: `Database` waits for locks itself, and shorter.
    connection.execute("PRAGMA busy_timeout = 0")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = OFF")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")


def _check_layout(connection: sqlite3.Connection, address: Address) -> None:
    connection.execute("BEGIN")  # one look at both: another process may be laying the tables out just now
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    ours, any_tables = _has_tables(connection, "queues"), _has_tables(connection)
    connection.execute("COMMIT")
    if version > SCHEMA_VERSION:
        raise BrokerRefused(
            f"{address.path} has layout {version}; this predictq knows up to {SCHEMA_VERSION}: install a newer predictq"
        )
    if version == SCHEMA_VERSION and ours:
        return
    if version and ours:
        raise BrokerRefused(
            f"{address.path} has layout {version}, of an older predictq: let that one answer what waits in it, "
            "then move the file away"
        )
    if version or any_tables:
        raise BrokerRefused(f"{address.path} is a database of another program: name another file")
    try:
        connection.executescript(sql("schema"))
    except sqlite3.Error:
        if connection.in_transaction:
            connection.rollback()
        raise


def _has_tables(connection: sqlite3.Connection, name: str | None = None) -> bool:
    found = connection.execute(
        "SELECT 1 FROM sqlite_master WHERE type = 'table' AND (?1 IS NULL OR name = ?1)", (name,)
    )
    return found.fetchone() is not None
