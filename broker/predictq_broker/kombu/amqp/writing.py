"""The frames of what we write often: `basic.publish` with its message, and `basic.ack`.

As AMQP 0-9-1 lays them out (section 2.3.5 and 4.2 of its specification). py-amqp writes each frame by itself, through
code for every type there is; here a batch becomes one piece of memory.
"""

from collections.abc import Mapping, Sequence
from struct import Struct

from predictq_broker.kombu.link import Letter

__all__ = ["ack_frames", "publish_frames"]

_FRAME = Struct(">BHI")
_PUBLISH = Struct(">HHH")
_CONTENT = Struct(">HHQH")
_ACK = Struct(">BHIHHQBB")
_LENGTH = Struct(">I")
_END = b"\xce"
_METHOD, _HEADER, _BODY = 1, 2, 3
_MANDATORY = b"\x01"
_FLAGS = 1 << 13 | 1 << 12 | 1 << 10  # headers, delivery mode, correlation id: in this order
_PERSISTENT = b"\x02"
_NO_FRAMES = b""


def publish_frames(channel: int, frame_max: int, letters: Sequence[Letter]) -> list[bytes]:
    """For each letter its frames: persistent, and to come back if there is no such queue."""
    methods: dict[str, bytes] = {}
    largest = frame_max - 8
    found: list[bytes] = []
    for queue, headers, body, name in letters:
        method = methods.get(queue)
        if method is None:
            method = methods[queue] = _method(channel, queue)
        content = b"".join(
            (_CONTENT.pack(60, 0, len(body), _FLAGS), _table(headers), _PERSISTENT, _short(name.encode()))
        )
        found.append(
            b"".join(
                (
                    method,
                    _FRAME.pack(_HEADER, channel, len(content)),
                    content,
                    _END,
                    _body(channel, largest, body),
                )
            )
        )
    return found


def _method(channel: int, queue: str) -> bytes:
    arguments = _PUBLISH.pack(60, 40, 0) + b"\x00" + _short(queue.encode()) + _MANDATORY
    return _FRAME.pack(_METHOD, channel, len(arguments)) + arguments + _END


def _short(text: bytes) -> bytes:
    return bytes((len(text),)) + text


def _table(headers: Mapping[str, str | bytes]) -> bytes:
    parts: list[bytes] = []
    for name, value in headers.items():
        key = name.encode()
        text = value if isinstance(value, bytes) else value.encode()
        parts += (bytes((len(key),)), key, b"S", _LENGTH.pack(len(text)), text)
    table = b"".join(parts)
    return _LENGTH.pack(len(table)) + table


def _body(channel: int, largest: int, body: bytes) -> bytes:
    if not body:
        return _NO_FRAMES
    if len(body) <= largest:
        return b"".join((_FRAME.pack(_BODY, channel, len(body)), body, _END))
    pieces = [body[start : start + largest] for start in range(0, len(body), largest)]
    return b"".join(_FRAME.pack(_BODY, channel, len(piece)) + piece + _END for piece in pieces)


def ack_frames(channel: int, prefix: int, others: Sequence[int]) -> bytes:
    """Acknowledge all up to `prefix` at once, and each of the others."""
    first = _ACK.pack(_METHOD, channel, 13, 60, 80, prefix, 1, 0xCE) if prefix else b""
    return first + b"".join(_ACK.pack(_METHOD, channel, 13, 60, 80, tag, 0, 0xCE) for tag in others)
