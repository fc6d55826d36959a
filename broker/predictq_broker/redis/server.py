"""Where the keys are: one server that has them all, or a cluster whose nodes share them out.

Whoever names keys asks here for the client that may name them. Keys of one model are always together, for
they share a hash tag; keys of several models are together on one server only.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from redis import Redis
from redis.exceptions import MovedError

from predictq_broker.redis.address import Address
from predictq_broker.redis.cluster import Cluster
from predictq_broker.redis.connection import Connections, command, open_primary
from predictq_broker.redis.pool import talk
from predictq_broker.redis.refusals import translated

__all__ = ["OneServer", "Server", "ask", "ask_at_once", "open_server"]


class Server(Protocol):
    """What the engine needs to know of where keys are."""

    wait_replicas: int
    """How many replicas must confirm what `send` stored."""

    connections: Connections
    """Those that were made so far."""

    def at(self, key: str) -> Redis:
        """The client of the node that has `key`."""
        ...

    def together(self, keys: Sequence[str]) -> list[list[str]]:
        """The keys, in groups that one command or one pipeline may name."""
        ...

    def primaries(self) -> list[Redis]:
        """Every node that takes writes."""
        ...

    def trying(self, what: str) -> AbstractContextManager[None]:
        """While we do `what`: errors become a `BrokerError`."""
        ...

    def moved(self) -> None:
        """Say that a key was not where `at` had said."""
        ...

    def close(self) -> None:
        """Give back every connection."""
        ...


class OneServer:
    """Implements `Server`: all keys are in one place, be it one that Sentinel may change."""

    def __init__(self, redis: Redis, connections: Connections, wait_replicas: int = 0) -> None:
        self._redis = redis
        self.connections = connections
        self.wait_replicas = wait_replicas

    def at(self, key: str) -> Redis:  # noqa: ARG002  wherever the key is, it is here
        """As `Server.at`."""
        return self._redis

    def together(self, keys: Sequence[str]) -> list[list[str]]:
        """As `Server.together`."""
        return [list(keys)] if keys else []

    def primaries(self) -> list[Redis]:
        """As `Server.primaries`."""
        return [self._redis]

    def trying(self, what: str) -> AbstractContextManager[None]:
        """As `Server.trying`."""
        return translated(what)

    def moved(self) -> None:
        """As `Server.moved`; there is nowhere else."""

    def close(self) -> None:
        """As `Server.close`."""
        self._redis.close()


def open_server(url: str) -> Server:
    """What `url` names, connected when first used."""
    address = Address.of(url)
    if address.form == "cluster":
        return Cluster(address)
    connections = Connections()
    return OneServer(open_primary(address, connections), connections, address.wait_replicas)


def ask(where: Server, key: str, *words: bytes | str | float) -> Any:
    """One command where `key` is; if it has just been moved, there."""
    try:
        return command(where.at(key), *words)
    except MovedError:  # then nothing was done
        where.moved()
        return command(where.at(key), *words)


def ask_at_once(where: Server, key: str, *words: bytes | str | float) -> Any:
    """As `ask`, for what is asked most: the answer is not looked at."""
    (reply,) = talk(where.at(key), words)
    if isinstance(reply, MovedError):  # then nothing was done
        where.moved()
        (reply,) = talk(where.at(key), words)
    if isinstance(reply, Exception):
        raise reply
    return reply
