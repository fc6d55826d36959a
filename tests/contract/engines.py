"""The engines under the contract, and how a program without this library writes to each."""

import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit
from uuid import uuid4

import redis
from fakeredis import FakeRedis
from servers import RedisServer

__all__ = ["NAMES", "Engine", "memory_engine", "redis_engine", "sqlite_engine"]

NAMES = ("sqlite", "redis", "memory")

Fields = Mapping[str, str | bytes]


class Engine(NamedTuple):
    """One engine with an empty store of its own.

    Attributes:
        url: What to give to `connect`.
        write: Puts a request for a model into its queue as a foreign program would, judged by nobody.
    """

    url: str
    write: Callable[[str, Fields], None]


def sqlite_engine(directory: Path) -> Engine:
    """The embedded engine on a file that is not there yet."""
    path = directory / "contract.db"

    def write(model: str, fields: Fields) -> None:
        columns = {"model": model, **fields}
        names, marks = ", ".join(columns), ", ".join("?" * len(columns))
        connection = sqlite3.connect(path, timeout=5)
        try:
            with connection:
                connection.execute(
                    f"INSERT INTO send ({names}) VALUES ({marks})",  # noqa: S608  the names are the tests' own
                    list(columns.values()),
                )
        finally:
            connection.close()

    return Engine(f"sqlite:///{path}", write)


def redis_engine(server: RedisServer) -> Engine:
    """The Redis engine on a server that was emptied."""
    server.flush()

    def write(model: str, fields: Fields) -> None:
        with redis.Redis(port=server.port) as client:
            _add(client, model, fields)

    return Engine(server.url, write)


def memory_engine() -> Engine:
    """The Redis engine within this process, under a name of its own."""
    url = f"memory://{uuid4().hex}"

    def write(model: str, fields: Fields) -> None:
        _add(FakeRedis(host=f"{urlsplit(url).netloc}.memory"), model, fields)

    return Engine(url, write)


def _add(client: redis.Redis, model: str, fields: Fields) -> None:
    client.xadd(f"predictq:{{{model}}}:requests:normal", dict(fields))
