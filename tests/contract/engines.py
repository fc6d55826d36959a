"""The engines under the contract, and how a program without this library writes to each."""

import sqlite3
from collections.abc import Callable, Mapping
from typing import NamedTuple
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
import redis
from fakeredis import FakeRedis

__all__ = ["ENGINES", "Engine"]

Fields = Mapping[str, str | bytes]


class Engine(NamedTuple):
    """One engine with an empty store of its own.

    Attributes:
        url: What to give to `connect`.
        write: Puts a request for a model into its queue as a foreign program would, judged by nobody.
    """

    url: str
    write: Callable[[str, Fields], None]


def sqlite_engine(request: pytest.FixtureRequest) -> Engine:
    """The embedded engine on a file that is not there yet."""
    path = request.getfixturevalue("tmp_path") / "contract.db"

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


def redis_engine(request: pytest.FixtureRequest) -> Engine:
    """The Redis engine on a server that was emptied."""
    server = request.getfixturevalue("redis_server")
    server.flush()

    def write(model: str, fields: Fields) -> None:
        with redis.Redis(port=server.port) as client:
            _add(client, model, fields)

    return Engine(server.url, write)


def memory_engine(_: pytest.FixtureRequest) -> Engine:
    """The Redis engine within this process, under a name of its own."""
    url = f"memory://{uuid4().hex}"

    def write(model: str, fields: Fields) -> None:
        _add(FakeRedis(host=f"{urlsplit(url).netloc}.memory"), model, fields)

    return Engine(url, write)


def _add(client: redis.Redis, model: str, fields: Fields) -> None:
    client.xadd(f"predictq:{{{model}}}:requests:normal", dict(fields))


ENGINES: Mapping[str, Callable[[pytest.FixtureRequest], Engine]] = {
    "sqlite": sqlite_engine,
    "redis": redis_engine,
    "memory": memory_engine,
}
"""How a test comes by an engine of each name."""
