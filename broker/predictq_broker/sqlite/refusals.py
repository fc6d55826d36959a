"""What SQLite says, in the words of the port."""

import sqlite3
from pathlib import Path
from typing import Final

from predictq_broker.errors import BrokerError, BrokerFull, BrokerRefused, BrokerUnavailable

__all__ = ["is_busy", "translated"]

_BUSY: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL})
_ADVICE: Final = {
    sqlite3.SQLITE_READONLY: "make the file and its directory writable for this user",
    sqlite3.SQLITE_PERM: "make the file and its directory writable for this user",
    sqlite3.SQLITE_CANTOPEN: "see that its directory exists and that this user may write there",
    sqlite3.SQLITE_NOTADB: "this is not a database of predictq: name another file",
    sqlite3.SQLITE_CORRUPT: "the file is damaged: restore it from a copy, or move it away and start with a new one",
    sqlite3.SQLITE_TOOBIG: "a body may hold at most 1 GB",
}


def is_busy(error: sqlite3.Error) -> bool:
    """Whether another process holds the lock; the same call may work in a moment."""
    return _primary(error) in _BUSY


def translated(error: sqlite3.Error, path: Path) -> BrokerError:
    """The `BrokerError` to raise for `error`, with the file's name and what to do."""
    code = _primary(error)
    if is_busy(error):
        return BrokerUnavailable(f"{path} is locked by another process for too long ({error}): try again")
    if code == sqlite3.SQLITE_FULL or _extended(error) == sqlite3.SQLITE_IOERR_SHMSIZE:
        return BrokerFull(f"no room is left on the disk of {path} ({error}): free some and try again")
    if code in {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM}:
        return BrokerUnavailable(f"{path} cannot be read or written just now ({error}): try again")
    advice = _ADVICE.get(code, "this should not happen: please report it")
    return BrokerRefused(f"{path}: {error}: {advice}")


def _extended(error: sqlite3.Error) -> int:
    code: int | None = getattr(error, "sqlite_errorcode", None)  # absent where Python itself complains
    return code or sqlite3.SQLITE_ERROR


def _primary(error: sqlite3.Error) -> int:
    return _extended(error) & 0xFF
