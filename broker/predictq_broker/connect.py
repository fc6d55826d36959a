"""From a URL to a broker: the one place that knows which engines there are."""

from collections.abc import Callable
from urllib.parse import urlsplit, urlunsplit

from predictq_broker.errors import UnsupportedBroker
from predictq_broker.port import Broker, Limits

__all__ = ["DEFAULT_URL", "connect", "masked"]

DEFAULT_URL = "sqlite:///predictq.db"
"""The embedded default: a file in the working directory, shared by the processes of one machine."""

Engine = Callable[[str, Limits], Broker]


def connect(url: str = DEFAULT_URL, limits: Limits | None = None) -> Broker:
    """A broker for `url`. Engines connect when they are first used and again when a connection breaks.

    Raises:
        UnsupportedBroker: if no engine understands the URL, or the engine's package is not installed.
    """
    scheme = urlsplit(url).scheme
    try:
        engine = _engine(scheme)
    except ImportError as error:
        raise UnsupportedBroker(
            f"{scheme}:// needs the package {error.name!r}: pip install 'predictq[{scheme}]'"
        ) from error
    return engine(url, limits or Limits())


def _engine(scheme: str) -> Engine:
    """Engines are imported when asked for, so that one's missing package is no other's trouble."""
    match scheme:
        case "sqlite":
            from predictq_broker.sqlite import SqliteBroker

            return SqliteBroker.connect
        case "redis" | "rediss" | "unix":
            from predictq_broker.redis import RedisBroker

            return RedisBroker.connect
        case "memory":
            from predictq_broker.memory import memory_broker

            return memory_broker
        case _:
            raise UnsupportedBroker(
                f"no broker engine for {scheme or 'a URL without a scheme'!r}: "
                "use sqlite:///file.db, redis://host:6379/0, rediss://, unix:///path.sock or memory://"
            )


def masked(url: str) -> str:
    """The URL without its password, for logs and messages."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username or ''}:***@{host}"))
