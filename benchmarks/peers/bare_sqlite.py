"""The least that could answer a request through SQLite: two tables in one file, and every half millisecond a look.

As durable as predictq's default: a write-ahead log that is flushed at each commit.
"""

import asyncio
import os
import sqlite3
import time
from collections.abc import Sequence
from itertools import chain

import orjson
from load.client import Answer, Asked
from load.models import predict
from load.place import broker, the_model

BATCH = 512
_LOOK = 0.0005
_TABLES = """
CREATE TABLE IF NOT EXISTS requests (number INTEGER PRIMARY KEY, body BLOB NOT NULL, taken INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS waiting ON requests (number) WHERE taken = 0;
CREATE TABLE IF NOT EXISTS replies (number INTEGER PRIMARY KEY, body BLOB NOT NULL);
"""
_TAKE = """
UPDATE requests SET taken = 1
WHERE number IN (SELECT number FROM requests WHERE taken = 0 ORDER BY number LIMIT ?) RETURNING number, body
"""


def connected() -> sqlite3.Connection:
    """The file, with its tables."""
    file = sqlite3.connect(broker().removeprefix("sqlite:///"), timeout=30, isolation_level=None)
    file.execute("PRAGMA journal_mode = WAL")
    file.execute("PRAGMA synchronous = FULL")
    file.executescript(_TABLES)
    return file


def seen(file: sqlite3.Connection) -> int:
    """Changes when another connection has written."""
    return int(file.execute("PRAGMA data_version").fetchone()[0])


def work() -> None:
    """Take, predict, answer and delete in one transaction, for ever."""
    file, model = connected(), the_model()
    while True:
        taken = file.execute(_TAKE, (BATCH,)).fetchall()
        if not taken:
            version = seen(file)
            while version == seen(file):
                time.sleep(_LOOK)
            continue
        labels = predict(model, [orjson.loads(body)[0] for _, body in taken])
        answers = [(number, orjson.dumps([label])) for (number, _), label in zip(taken, labels, strict=True)]
        file.execute("BEGIN IMMEDIATE")
        file.executemany("INSERT INTO replies VALUES (?, ?)", answers)
        file.executemany("DELETE FROM requests WHERE number = ?", [answer[:1] for answer in answers])
        file.execute("COMMIT")


class Bare:
    """The asker's side."""

    async def open(self) -> None:
        """Open the file."""
        self._file = connected()

    async def send(self, asked: Sequence[Asked]) -> None:
        """One transaction for at most 512."""
        for place in range(0, len(asked), BATCH):
            part = [(number, orjson.dumps([row])) for number, row in asked[place : place + BATCH]]
            values = ", ".join(["(?, ?)"] * len(part))
            self._file.execute(
                f"INSERT INTO requests (number, body) VALUES {values}",  # noqa: S608  only question marks
                list(chain.from_iterable(part)),
            )

    async def receive(self, wait: float) -> Sequence[Answer]:
        """Read and delete what has come."""
        end = time.perf_counter() + wait
        while not (found := self._file.execute("SELECT number, body FROM replies LIMIT 4096").fetchall()):
            if time.perf_counter() >= end:
                return ()
            await asyncio.sleep(min(_LOOK, max(0.0, end - time.perf_counter())))
        self._file.execute("BEGIN IMMEDIATE")
        self._file.executemany("DELETE FROM replies WHERE number = ?", [row[:1] for row in found])
        self._file.execute("COMMIT")
        return [(number, orjson.loads(body)[0]) for number, body in found]

    async def close(self) -> None:
        """Close the file."""
        self._file.close()


if __name__ == "__main__":
    os.umask(0o077)
    work()
