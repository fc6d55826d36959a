"""What stands outside the port for the state machine: each engine's store, its clocks, and what is left in it."""

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import pytest
import redis
from fakeredis import FakeRedis

from predictq_broker.memory import fake_server
from predictq_broker.redis import watch
from predictq_broker.sqlite import database, lease

__all__ = ["Clock", "World", "memory_world", "redis_world", "sqlite_world"]


class Clock:
    """The two clocks a lease and a window are reckoned by. They stand still until they are moved."""

    def __init__(self) -> None:
        self.passed = 1000.0
        self.since_epoch = 1_700_000_000.0
        self.sleep = time.sleep

    def monotonic(self) -> float:
        return self.passed

    def time_ns(self) -> int:
        return round(self.since_epoch * 1e9)

    def rule(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Be the clock of everything that watches a lease, and of SQLite's broker."""
        monkeypatch.setattr(watch, "time", self)
        monkeypatch.setattr(lease, "time", self)
        monkeypatch.setattr(database, "time", self)


_TABLES = ("requests", "held", "returned", "dead", "consumers", "serves")
_OWNERLESS = {name: f"SELECT count(*) FROM {name}" for name in _TABLES} | {  # noqa: S608  their names are these
    "counted in queues": "SELECT ifnull(sum(abs(requests) + abs(bytes)), 0) FROM queues",
    "unread, but of inboxes, which expire": (
        "SELECT count(*) FROM reply_tos WHERE unread != 0 AND name NOT GLOB 'inbox.*'"
    ),
    "results": (
        "SELECT count(*) FROM results LEFT JOIN reply_tos ON reply = slot >> 42 "
        "WHERE ifnull(name, '') NOT GLOB 'inbox.*'"
    ),
}
"""What a SQLite file may not hold when all was settled, read and closed."""


class World(NamedTuple):
    """One engine with an empty store.

    Attributes:
        url: What to give to `connect`.
        clock: Its time.
        pass_window: Let the dedup window of every id be over, given its length in seconds.
        left: What is in the store and has no owner, once everything was settled, read and closed.
    """

    url: str
    clock: Clock
    pass_window: Callable[[float], None]
    left: Callable[[], list[str]]


def sqlite_world(clock: Clock, folder: Path) -> World:
    """The embedded engine; its clock is the machine's, so time can really pass."""
    path = folder / f"{uuid4().hex}.db"

    def pass_window(seconds: float) -> None:
        clock.since_epoch += seconds

    def left() -> list[str]:
        if not path.exists():
            return []
        connection = sqlite3.connect(path)
        try:
            counts = {name: connection.execute(query).fetchone()[0] for name, query in _OWNERLESS.items()}
            return [f"{name}: {count}" for name, count in counts.items() if count]
        finally:
            connection.close()
            path.unlink()

    return World(f"sqlite:///{path}?synchronous=normal", clock, pass_window, left)


def redis_world(clock: Clock, server_url: str) -> World:
    """The Redis engine on a server that is emptied."""
    client = redis.Redis.from_url(server_url)
    client.flushall()
    return _on_redis(server_url, clock, client)


def memory_world(clock: Clock) -> World:
    """The Redis engine within this process."""
    url = f"memory://{uuid4().hex}"
    return _on_redis(url, clock, FakeRedis(server=fake_server(url)))


def _on_redis(url: str, clock: Clock, client: redis.Redis) -> World:
    def pass_window(_: float) -> None:
        for key in client.scan_iter(match="predictq:*:id:*"):  # what the server does when their time has come
            client.delete(key)

    def left() -> list[str]:
        try:
            return [said for key in client.scan_iter() if (said := _ownerless(client, key))]
        finally:
            client.flushall()
            client.close()

    return World(url, clock, pass_window, left)


def _ownerless(client: redis.Redis, key: bytes) -> str:
    """What is wrong with a key that is still there; empty if it may stay: the list of models, what expires, lines."""
    if key == b"predictq:models" or client.pttl(key) > 0:
        return ""
    if client.type(key) != b"stream":
        return f"{key!r} is a {client.type(key)!r}"
    held = sum(group["pending"] for group in client.xinfo_groups(key))
    return f"{key!r} has {client.xlen(key)} entries, {held} pending" if client.xlen(key) or held else ""
