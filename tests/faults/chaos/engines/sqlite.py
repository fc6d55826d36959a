"""The embedded broker: a file, and no server."""

import sqlite3
from collections.abc import Mapping
from pathlib import Path

__all__ = ["SqliteEngine"]


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

    def close(self) -> None:
        """As `Engine.close`."""
