"""From a URL to a broker: the one place that knows which engines there are."""

import re
from collections.abc import Callable

from predictq_broker.errors import BrokerError, UnsupportedBroker
from predictq_broker.port import Broker, Limits

__all__ = ["DEFAULT_URL", "connect", "masked"]

DEFAULT_URL = "sqlite:///predictq.db"
"""The embedded default: a file in the working directory, shared by the processes of one machine."""

Engine = Callable[[str, Limits], Broker]

_EXTRAS = {"memory": "memory"}
"""Which extra brings an engine's package, where it is not `amqp`."""


def connect(url: str = DEFAULT_URL, limits: Limits | None = None) -> Broker:
    """A broker for `url`. Engines connect when they are first used and again when a connection breaks.

    Raises:
        UnsupportedBroker: if no engine understands the URL, or the engine's package is not installed.
    """
    scheme = url.partition("://")[0].lower() if "://" in url else ""
    try:
        engine = _engine(scheme)
    except ImportError as error:
        raise UnsupportedBroker(
            f"{scheme}:// needs the package {error.name!r}: pip install 'predictq[{_EXTRAS.get(scheme, 'amqp')}]'"
        ) from error
    try:
        return engine(url, limits or Limits())
    except BrokerError:
        raise
    except (ValueError, TypeError, OSError) as error:  # engines read the rest of the URL each in its own way
        shown = masked(url)
        why = str(error) if shown == url else "percent-encode what is special in its user and password"
        raise UnsupportedBroker(f"{shown!r} is not a URL of {scheme}: {why}") from None


def _engine(scheme: str) -> Engine:
    """Engines are imported when asked for, so that one's missing package is no other's trouble."""
    match scheme:
        case "sqlite":
            from predictq_broker.sqlite import SqliteBroker

            return SqliteBroker.connect
        case "redis" | "rediss" | "unix" | "redis+sentinel" | "rediss+sentinel" | "redis+cluster" | "rediss+cluster":
            from predictq_broker.redis import RedisBroker

            return RedisBroker.connect
        case "memory":
            from predictq_broker.memory import memory_broker

            return memory_broker
        case "amqp" | "amqps":
            from predictq_broker.kombu import kombu_broker

            return kombu_broker
        case _ if scheme.startswith("kombu+") or _kombu_speaks(scheme):
            from predictq_broker.kombu import kombu_broker

            return kombu_broker
        case _:
            raise UnsupportedBroker(
                f"no broker engine for {scheme or 'a URL without a scheme'!r}: "
                "use sqlite:///file.db, redis://host:6379/0, rediss://, unix:///path.sock, amqp://host, amqps://, "
                "memory://, or any URL that kombu knows (pip install 'predictq[amqp]')"
            )


def _kombu_speaks(scheme: str) -> bool:
    """Whether kombu, if it is installed, has a transport for that scheme."""
    try:
        from predictq_broker.kombu import speaks
    except ImportError:
        return False
    return speaks(scheme)


def masked(url: str) -> str:
    """The URL without its password, for logs and messages."""
    url = _SECRET.sub("***", url)
    login, at, _ = url.partition("://")[2].rpartition("@")
    return _LOGIN.sub(r"://\1:***@", url) if at and ":" in login else url


_SECRET = re.compile(r"(?<=password=)[^&#]*")
_LOGIN = re.compile(r"://([^:/@]*):.*@", re.DOTALL)
