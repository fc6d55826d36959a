"""From a URL to a broker, by the table of transports that kombu itself has."""

from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from kombu.transport import TRANSPORT_ALIASES, get_transport_cls
from kombu.transport.virtual import Channel

from predictq_broker.errors import UnsupportedBroker
from predictq_broker.kombu.broker import KombuBroker
from predictq_broker.kombu.server import RabbitMq, Virtual
from predictq_broker.port import Limits

__all__ = ["PREFIX", "kombu_broker", "speaks"]

PREFIX: Final = "kombu+"
"""Put before a URL that is kombu's: `kombu+redis://` is not our own engine for Redis."""
_AMQP: Final = ("amqp", "amqps")


def speaks(scheme: str) -> bool:
    """Whether kombu has a transport for URLs of this scheme."""
    return _transport(scheme) in TRANSPORT_ALIASES


def kombu_broker(url: str, limits: Limits) -> KombuBroker:
    """A broker for `amqp://` and `amqps://`, and for every other URL that kombu knows.

    Raises:
        UnsupportedBroker: if kombu has no such transport, or the transport's own package is not installed.
    """
    scheme = urlsplit(url).scheme
    if scheme in _AMQP:
        return KombuBroker(RabbitMq(url), limits)
    name = _transport(scheme)
    if not speaks(scheme):
        raise UnsupportedBroker(f"kombu has no transport {name!r}; it has {', '.join(sorted(TRANSPORT_ALIASES))}")
    try:
        transport: Any = get_transport_cls(name)
    except ImportError as error:
        raise UnsupportedBroker(f"{scheme}:// needs the package {error.name!r}: pip install 'kombu[{name}]'") from error
    if not issubclass(getattr(transport, "Channel", object), Channel):
        raise UnsupportedBroker(f"kombu's transport {name!r} is none of its virtual ones: use amqp:// for RabbitMQ")
    return KombuBroker(Virtual(name, *_options(name, url.removeprefix(PREFIX))), limits)


def _transport(scheme: str) -> str:
    return scheme.removeprefix(PREFIX).partition("+")[0]


def _options(name: str, url: str) -> tuple[str, dict[str, Any]]:
    """The URL, and the transport's options from its query; a database's URL keeps its own."""
    if name in ("sqla", "sqlalchemy"):
        return url, {}
    parts = urlsplit(url)
    options = {key: int(value) if value.isdigit() else value for key, value in parse_qsl(parts.query)}
    return urlunsplit(parts._replace(query="")) if parts.netloc else url.partition("?")[0], options
