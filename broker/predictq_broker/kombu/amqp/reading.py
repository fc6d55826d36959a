"""What the server sends often: deliveries, confirms and returns, read without py-amqp's way through every type.

Everything else goes on to py-amqp. A message whose headers cannot be read is a message without headers: it was written
by somebody else, and breaking on it would break again on each delivery.
"""

from collections.abc import Callable
from struct import Struct, unpack_from
from typing import Any, Protocol

from amqp.method_framing import frame_handler
from amqp.serialization import loads

__all__ = ["Events", "frames_to", "read_properties"]

Frame = tuple[int, int, bytes]
_METHOD, _HEADER, _BODY, _HEARTBEAT = 1, 2, 3, 8
_DELIVER, _RETURN = b"\x00\x3c\x00\x3c", b"\x00\x3c\x00\x32"
_ACK, _NACK = b"\x00\x3c\x00\x50", b"\x00\x3c\x00\x78"
_CONFIRM = Struct(">QB")
_CONTENT = Struct(">QH")


class Events(Protocol):
    """Who is told."""

    def delivered(self, arguments: bytes, properties: bytes, body: bytes) -> None:
        """The arguments of a `basic.deliver`, the flags and properties, and the body."""
        ...

    def returned(self, arguments: bytes, properties: bytes) -> None:
        """A published message that found no queue."""
        ...

    def confirmed(self, tag: int, *, multiple: bool, stored: bool) -> None:
        """A published message was stored, or refused."""
        ...


class _Content:
    """A method that carries a message, while its frames come."""

    def __init__(self, channel: int, method: bytes) -> None:
        self.channel = channel
        self.method = method
        self.properties = b""
        self.left = -1
        self.pieces: list[bytes] = []

    def add(self, kind: int, payload: bytes) -> bool:
        """Whether that was the last frame."""
        if kind == _HEADER:
            self.left, _ = _CONTENT.unpack_from(payload, 4)
            self.properties = payload[12:]
        else:
            self.pieces.append(payload)
            self.left -= len(payload)
        return self.left <= 0


def frames_to(events: Events) -> Callable[[Any, Callable[..., Any]], Callable[[Frame], bool]]:
    """A frame handler for py-amqp that tells `events`, and py-amqp of the rest."""

    def make(connection: Any, callback: Callable[..., Any]) -> Callable[[Frame], bool]:
        others = frame_handler(connection, callback)
        content: _Content | None = None

        def on_frame(frame: Frame) -> bool:
            nonlocal content
            kind, channel, payload = frame
            if content is not None and channel == content.channel and kind in (_HEADER, _BODY):
                connection.bytes_recv += 1
                if content.add(kind, payload):
                    done, content = content, None
                    _tell(events, done)
                return False
            method = payload[:4] if kind == _METHOD else b""
            if method in (_DELIVER, _RETURN):
                connection.bytes_recv += 1
                content = _Content(channel, payload)
                return False
            if method in (_ACK, _NACK):
                connection.bytes_recv += 1
                tag, bits = _CONFIRM.unpack_from(payload, 4)
                events.confirmed(tag, multiple=bool(bits & 1), stored=method == _ACK)
                return False
            return bool(others(frame))

        return on_frame

    return make


def _tell(events: Events, content: _Content) -> None:
    if content.method[:4] == _DELIVER:
        events.delivered(content.method, content.properties, b"".join(content.pieces))
    else:
        events.returned(content.method, content.properties)


# in the order in which they lie in a message: the bit that says it is there, its type, its name
_PROPERTIES = (
    (15, "s", "content_type"),
    (14, "s", "content_encoding"),
    (13, "F", "headers"),
    (12, "o", "delivery_mode"),
    (11, "o", "priority"),
    (10, "s", "correlation_id"),
    (9, "s", "reply_to"),
    (8, "s", "expiration"),
    (7, "s", "message_id"),
)


def read_properties(raw: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """The headers and the properties of a message; empty if they cannot be read."""
    try:
        found = _read(raw)
    except Exception:  # noqa: BLE001  whatever stands in it, it must not break the connection
        return {}, {}
    headers = found.pop("headers", {})
    return headers if isinstance(headers, dict) else {}, found


def _read(raw: bytes) -> dict[str, Any]:
    (flags,) = unpack_from(">H", raw)
    offset = 2
    found: dict[str, Any] = {}
    for bit, kind, name in _PROPERTIES:
        if not flags >> bit & 1:
            continue
        if kind == "F":
            end = offset + 4 + unpack_from(">I", raw, offset)[0]
            found[name] = _texts(raw, offset + 4, end)
            if found[name] is None:
                found[name] = loads("F", raw, offset)[0][0]
            offset = end
        elif kind == "s":
            end = offset + 1 + raw[offset]
            found[name] = raw[offset + 1 : end].decode()
            offset = end
        else:
            offset += 1
    return found


def _texts(raw: bytes, offset: int, end: int) -> dict[str, Any] | None:
    """A table of nothing but texts and the whole numbers that RabbitMQ adds; None if there is more in it."""
    found: dict[str, Any] = {}
    while offset < end:
        start = offset + 1
        offset = start + raw[offset]
        name = raw[start:offset].decode()
        kind = raw[offset]
        if kind == 0x53:  # S
            start = offset + 5
            offset = start + unpack_from(">I", raw, offset + 1)[0]
            found[name] = raw[start:offset]
        elif kind == 0x6C:  # l
            found[name] = unpack_from(">q", raw, offset + 1)[0]
            offset += 9
        else:
            return None
    return found
