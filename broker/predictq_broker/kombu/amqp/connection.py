"""A connection of py-amqp that reads ahead, and errors in our own terms."""

import errno
import socket
import ssl
from collections.abc import Callable, Generator
from contextlib import contextmanager
from struct import Struct
from typing import Any, Final

from amqp import Connection
from amqp import exceptions as server
from amqp.transport import SSLTransport, TCPTransport

from predictq_broker.errors import BrokerRefused, BrokerUnavailable
from predictq_broker.kombu.amqp.address import Address

__all__ = ["ANSWER", "open_connection", "translated"]

ANSWER: Final = 10.0
"""Seconds to wait for any answer."""
_CONNECT: Final = 5.0
_OLDEST: Final = (3, 10)
_READ: Final = 1 << 18
_FRAME = Struct(">BHI")
_KEEPALIVE: Final = {
    socket.TCP_NODELAY: 1,
    socket.TCP_KEEPIDLE: 5,
    socket.TCP_KEEPINTVL: 2,
    socket.TCP_KEEPCNT: 3,
    socket.TCP_USER_TIMEOUT: round(ANSWER * 1000),
}


class _ReadAhead:
    """Takes all that has come at once: py-amqp itself asks the socket for each piece of each frame."""

    sock: Any
    connected: bool

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._ahead = bytearray()
        self._at = 0

    def next_frame(self) -> tuple[int, int, bytes] | None:
        """The next frame that is here whole; None if there is none."""
        start, ahead = self._at + 7, self._ahead
        if len(ahead) < start:
            return None
        kind, channel, size = _FRAME.unpack_from(ahead, self._at)
        end = start + size
        if len(ahead) <= end:
            return None
        if ahead[end] != 0xCE:
            raise server.UnexpectedFrame("a frame without its end")
        self._at = end + 1
        return kind, channel, bytes(memoryview(ahead)[start:end])

    def fill(self) -> None:
        """Read what has come; blocks until something has."""
        if self._at:
            del self._ahead[: self._at]
            self._at = 0
        data = self.sock.recv(_READ)
        if not data:
            self.connected = False
            raise ConnectionResetError(errno.ECONNRESET, "the server closed the connection")
        self._ahead += data

    def read_frame(self) -> tuple[int, int, bytes]:
        """As py-amqp's."""
        while (frame := self.next_frame()) is None:
            self.fill()
        return frame


class _Tcp(_ReadAhead, TCPTransport):  # type: ignore[misc]  # py-amqp has no types
    pass


class _Tls(_ReadAhead, SSLTransport):  # type: ignore[misc]  # py-amqp has no types
    pass


class _Connection(Connection):  # type: ignore[misc]  # py-amqp has no types
    def Transport(  # noqa: N802, PLR0913, PLR0917  py-amqp's name and arguments
        self,
        host: str,
        connect_timeout: Any,
        ssl: Any = None,
        read_timeout: Any = None,  # noqa: ARG002  as every answer is waited for so long, all the same
        write_timeout: Any = None,  # noqa: ARG002  as read_timeout
        socket_settings: Any = None,
        **_: Any,
    ) -> Any:
        kind = _Tls if ssl else _Tcp
        return kind(host, connect_timeout=connect_timeout, ssl=ssl, socket_settings=socket_settings)


def open_connection(address: Address, heartbeat: int, answer: float, handler: Callable[..., Any]) -> Any:
    """A connection to a RabbitMQ that is new enough.

    Args:
        address: Where to.
        heartbeat: Seconds; 0 for none.
        answer: Seconds to wait for any answer, once connected.
        handler: Makes what frames go to.

    Raises:
        BrokerUnavailable: if it cannot be reached.
        BrokerRefused: if it does not let us in, or is too old.
    """
    tls: Any = address.tls or False
    connection = _Connection(
        f"[{address.host}]:{address.port}" if ":" in address.host else f"{address.host}:{address.port}",
        userid=address.user,
        password=address.password,
        login_method="PLAIN",
        virtual_host=address.vhost,
        ssl=tls,
        connect_timeout=_CONNECT,
        heartbeat=heartbeat,
        socket_settings=_KEEPALIVE,
        frame_handler=handler,
        client_properties={"product": "predictq"},
    )
    with translated(f"connect to {address.place}"):
        connection.connect()
        connection.sock.settimeout(answer)
    _check_version(connection)
    return connection


def _check_version(connection: Any) -> None:
    properties: dict[str, Any] = connection.server_properties
    version = str(properties.get("version", ""))
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if properties.get("product") != "RabbitMQ" or numbers < _OLDEST:
        product = f"{properties.get('product', 'an unknown server')} {version}"
        connection.collect()
        raise BrokerRefused(f"predictq needs RabbitMQ 3.10 or later; this is {product}")


_LATER = (server.ConnectionForced, server.ResourceError, server.InternalError, server.RecoverableConnectionError)


@contextmanager
def translated(what: str) -> Generator[None]:
    """Turn what py-amqp raises while we do `what` into a `BrokerError` with the way out in it."""
    try:
        yield
    except _LATER as error:
        raise BrokerUnavailable(f"{what}: {error}") from error
    except server.AccessRefused as error:
        raise BrokerRefused(f"{what}: {error}; check the user, the password and its permissions") from error
    except server.NotAllowed as error:
        raise BrokerRefused(f"{what}: {error}; check the virtual host and the user's right to it") from error
    except (server.NotFound, server.ConsumerCancelled) as error:
        raise BrokerUnavailable(f"{what}: a queue was removed meanwhile ({error})") from error
    except server.AMQPError as error:
        raise BrokerRefused(f"{what}: the server said no ({error})") from error
    except ssl.SSLCertVerificationError as error:
        raise BrokerRefused(f"{what}: the server's certificate is not trusted ({error.verify_message})") from error
    except OSError as error:
        raise BrokerUnavailable(f"{what}: {str(error) or 'no answer in time'}") from error
