"""How we talk to the server: explicit timeouts, no hidden retries, replies as they are."""

import ssl
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

import hiredis
from redis import Redis
from redis.backoff import NoBackoff
from redis.connection import SSLConnection, UnixDomainSocketConnection
from redis.exceptions import ResponseError
from redis.retry import Retry
from redis.sentinel import Sentinel

from predictq_broker.redis.address import Address, Login, Place, Tls
from predictq_broker.redis.pool import quick

__all__ = ["ANSWER", "MAX_BLOCK", "Connections", "command", "open_node", "open_primary", "open_redis", "raw_replies"]

MAX_BLOCK: Final = 1.0
"""Seconds a blocking read sleeps in the server at most, so that what was given back is found soon."""
ANSWER: Final = 10.0
"""Seconds to wait for any answer; well above `MAX_BLOCK`, or a quiet queue would look like a dead server."""
_CONNECT: Final = 3.0
_FEW: Final = 256
_LARGE: Final = 32 << 10
"""Bytes of a word that is joined to few others by Python, rather than by hiredis."""


class _Packer:
    """Packs commands by hiredis, without redis-py's look at the type of each word, which takes as long again."""

    def pack(self, name: str, *words: bytes | str | float) -> list[bytes]:
        """The command as it is sent; its name may be of two words."""
        command: Any = (*name.split(), *words)  # its type says that there is one word only
        if len(command) < _FEW and _is_large(command[-1]):
            return [_joined(command)]
        return [hiredis.pack_command(command)]


def _is_large(word: object) -> bool:
    return type(word) is bytes and len(word) >= _LARGE


def _joined(command: Sequence[bytes | str | float]) -> bytes:
    """The same, with each word copied once; hiredis lets its buffer grow and copies it in the end."""
    words = [word if type(word) is bytes else str(word).encode() for word in command]
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        parts += (b"$%d\r\n" % len(word), word, b"\r\n")
    return b"".join(parts)


class Connections:
    """Counts the connections that are made: after another one, it may be another server that answers."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self, connection: Any) -> None:
        """Called by redis-py for each new connection."""
        self.made += 1
        connection._command_packer = _Packer()  # noqa: SLF001  there is no other way to have words packed as they are
        connection.driver_info = connection.lib_name = connection.lib_version = None  # CLIENT SETINFO needs a right
        connection.on_connect()
        if isinstance(connection, SSLConnection):  # what TLS itself sends first would be taken for a stray answer
            connection.send_command("PING", check_health=False)  # type: ignore[no-untyped-call]  # redis-py has no types here
            with suppress(ResponseError):  # any answer will do
                connection.read_response()


def open_node(place: Place, address: Address, connections: Connections) -> "Redis":
    """A client for the server at `place` that connects when first used. A command is never repeated behind our
    back: a repeated XADD would be a second request.
    """
    host, port = place
    options = _options(address.login, address.tls, connections)
    return raw_replies(quick(Redis(host=host, port=port, db=address.db, **options)))


def open_primary(address: Address, connections: Connections) -> "Redis":
    """As `open_node`, for what `address` names: one server, a socket, or whatever Sentinel says is the primary."""
    if address.form == "server" and address.path is None:
        return open_node(address.places[0], address, connections)
    options = {**_options(address.login, address.tls, connections), "db": address.db}
    if address.path is not None:
        del options["socket_keepalive"]
        options |= {"connection_class": UnixDomainSocketConnection, "path": address.path}
        return raw_replies(quick(Redis.from_url("unix://", **options)))
    untyped: Any = Sentinel  # in some versions of redis-py
    sentinel = untyped(address.places, sentinel_kwargs=_options(address.sentinel_login, address.tls, Connections()))
    return raw_replies(sentinel.master_for(address.service, **options))


def open_redis(url: str) -> "Redis":
    """A bare client for a URL; of a cluster, for one of its nodes."""
    address = Address.of(url)
    if address.form == "cluster":
        return open_node(address.places[0], address, Connections())
    return open_primary(address, Connections())


def _options(login: Login, tls: Tls | None, connections: Connections) -> dict[str, Any]:
    return {
        "redis_connect_func": connections,
        "username": login.username,
        "password": login.password,
        "protocol": 2,
        "socket_timeout": ANSWER,
        "socket_connect_timeout": _CONNECT,
        "socket_keepalive": True,
        "retry": Retry(NoBackoff(), 0),
        "retry_on_error": [],
        "health_check_interval": 0,
        "decode_responses": False,
        **({} if tls is None else _tls_options(tls)),
    }


def _tls_options(tls: Tls) -> dict[str, Any]:
    """The server's certificate and its name are always checked; there is no way to leave that out."""
    return {
        "ssl": True,
        "ssl_cert_reqs": "required",
        "ssl_check_hostname": True,
        "ssl_min_version": ssl.TLSVersion.TLSv1_2,
        "ssl_ca_certs": tls.ca,
        "ssl_certfile": tls.cert,
        "ssl_keyfile": tls.key,
    }


def raw_replies(redis: "Redis") -> "Redis":
    """Leave stream replies as the parser made them: nested lists, no copies into tuples and dicts."""
    for command in ("XREAD", "XREADGROUP", "XRANGE", "XPENDING"):
        redis.set_response_callback(command, _as_it_is)
    return redis


def _as_it_is(reply: Any, **_: Any) -> Any:
    return reply


def command(target: Any, *words: bytes | str | float) -> Any:
    """Send a command as it is, on a connection or into a pipeline; redis-py has no types for that."""
    return target.execute_command(*words)
