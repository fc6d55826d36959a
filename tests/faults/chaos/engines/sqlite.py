"""The embedded broker: a file, and no server."""

import sqlite3
from collections.abc import Mapping
from pathlib import Path

__all__ = ["SqliteEngine", "is_locked"]


class SqliteEngine:
    """See `Engine`."""

    name = "sqlite"
    lease = 2.0
    proxy = None
    clock = None
    pid = 0

    def __init__(self, directory: Path) -> None:
        self.path = directory / "predictq.db"
        self.url = self.direct = f"sqlite:///{self.path}"
        self.about = f"SQLite {sqlite3.sqlite_version}, synchronous=full"

    def kill(self) -> None:
        """There is nobody to kill."""

    def start(self) -> None:
        """There is nothing to start."""

    def write(self, fields: Mapping[str, str]) -> None:
        """As `Engine.write`."""
        columns = {"model": "iris", **fields}
        names, marks = ", ".join(columns), ", ".join("?" * len(columns))
        connection = sqlite3.connect(self.path, timeout=20)
        try:
            with connection:
                connection.execute(f"INSERT INTO send ({names}) VALUES ({marks})", list(columns.values()))  # noqa: S608  our own names
        finally:
            connection.close()

    def stuck(self) -> bool:
        """Whether somebody keeps the one write lock for longer than any transaction takes."""
        return is_locked(str(self.path))

    def close(self) -> None:
        """As `Engine.close`."""


def is_locked(path: str) -> bool:
    """Whether somebody keeps the write lock for longer than any transaction takes."""
    connection = sqlite3.connect(path, timeout=1.0, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")
    except sqlite3.OperationalError:
        return True
    else:
        return False
    finally:
        connection.close()
