"""What each engine's server is to the driver: how it is started, reached, harmed and asked."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol

from faults.chaos.clock import Clock
from faults.chaos.proxy import Proxy

__all__ = ["ENGINES", "Engine", "start_engine"]


class Engine(Protocol):
    """One broker of our own.

    Attributes:
        name: As in `make chaos ENGINE=…`.
        url: Where workers and producers connect: through the proxy, if there is one.
        direct: Past the proxy.
        proxy: What connections go through; None for a file.
        lease: Seconds of a worker's lease; as short as the engine can keep.
        clock: The server's clock; None where the broker's clock is the machine's.
        about: Program, version and how it was set up, for the report.
    """

    name: str
    url: str
    direct: str
    proxy: Proxy | None
    lease: float
    clock: Clock | None
    about: str

    @property
    def pid(self) -> int:
        """The server's process; 0 if there is none."""
        ...

    def kill(self) -> None:
        """kill -9 the server."""
        ...

    def start(self) -> None:
        """Start it where it left off."""
        ...

    def write(self, fields: Mapping[str, str]) -> None:
        """Put a message into the model's queue as a foreign program would, judged by nobody."""
        ...

    def close(self) -> None:
        """End it."""
        ...


ENGINES: Final = ("sqlite", "redis", "rabbitmq")


def start_engine(name: str, directory: Path, shim: Path | None) -> Engine:
    """A running broker with an empty store."""
    match name:
        case "sqlite":
            from faults.chaos.engines.sqlite import SqliteEngine

            return SqliteEngine(directory)
        case "redis":
            from faults.chaos.engines.redis import RedisEngine

            return RedisEngine(directory, shim)
        case "rabbitmq":
            from faults.chaos.engines.rabbitmq import RabbitEngine

            return RabbitEngine(directory)
        case _:
            raise ValueError(f"no engine {name!r}: {', '.join(ENGINES)}")
