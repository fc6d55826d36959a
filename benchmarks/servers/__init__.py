"""Brokers of our own: on free ports of the loopback, empty, and gone after the turn."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from servers.rabbitmq import rabbitmq
from servers.redis import redis
from servers.served import Served

__all__ = ["Served", "serve"]


@contextmanager
def serve(kind: str, folder: Path) -> Generator[Served]:
    """One of: `none`, `sqlite`, `redis`, `redis everysec`, `redis always`, `rabbitmq`.

    After `rabbitmq` may come lines of its configuration, as in `rabbitmq raft.wal_max_size_bytes=33554432`.
    """
    match kind.split():
        case ["none"]:
            yield Served("", None, ())
        case ["sqlite"]:
            file = folder / "broker.db"
            yield Served(f"sqlite:///{file}", None, tuple(Path(f"{file}{end}") for end in ("", "-wal", "-shm")))
        case ["redis", *fsync]:
            with redis(folder, "".join(fsync)) as served:
                yield served
        case ["rabbitmq", *settings]:
            with rabbitmq(folder, settings) as served:
                yield served
        case _:
            raise ValueError(f"no such server: {kind}")
