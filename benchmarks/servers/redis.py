"""A Redis server of our own."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from processes import Child
from redis import Redis
from redis.exceptions import RedisError

from servers.served import Served, free_port, program, wait_until

__all__ = ["redis"]


@contextmanager
def redis(folder: Path, fsync: str) -> Generator[Served]:
    """Without persistence, or with an append-only file and `fsync`: everysec or always.

    Whoever answers on the port is asked for its process id: a port that looked free may be another's by now.
    """
    port = free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    options += ["--appendonly", "yes", "--appendfsync", fsync] if fsync else ["--appendonly", "no"]
    command = [program("redis-server"), *options]
    with Child(command, os.environ, folder / "redis.log", folder) as server, Redis(port=port) as connection:
        wait_until(lambda: _process_of(connection) == server.pid, server.process, "redis-server")
        yield Served(f"redis://127.0.0.1:{port}/0", server.pid, ())


def _process_of(connection: Redis) -> int:
    try:
        return int(connection.info("server")["process_id"])
    except RedisError:
        return 0
