"""How parent and runner talk: frames of a small JSON header and a vector of byte strings. Never pickle.

    magic 4 bytes | header length u32 | parts u32 | bytes of all parts u64     (little-endian)
    header (JSON) | length of each part u64 | the parts, one after another

One frame asks, one frame answers. The parent trusts no frame: lengths are bounded before anything is allocated.
"""

import struct
from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from typing import Any, Final, NamedTuple

import orjson

__all__ = ["BadFrame", "Frame", "pack", "read_frame", "write_buffers"]

_PREFIX: Final = struct.Struct("<4sIIQ")
_MAGIC: Final = b"PQR1"
_MAX_HEADER: Final = 8 << 20
_FIRST_READ: Final = 64 << 10
_JOIN_BELOW: Final = 256 << 10
"""Bytes of parts below which they may be copied together …"""
_SMALL: Final = 16 << 10
"""… if each of them has fewer than so many: that is cheaper than handing the kernel many pieces."""
_MOST_PIECES: Final = 512
"""Buffers that one sendmsg may take; Linux stops at 1024."""

Buffer = bytes | bytearray | memoryview
ReceiveInto = Callable[[memoryview], int]
"""Fills a part of a buffer, at least one byte; raises EOFError where the other side is gone."""
SendSome = Callable[[Sequence[Buffer]], int]
"""Sends a part of the buffers and says how many bytes."""


class BadFrame(Exception):
    """What came is no frame, or a larger one than may come."""


class Frame(NamedTuple):
    """One message: what it says, and the bytes it brings."""

    header: dict[str, Any]
    parts: list[bytes]


class _Sizes(NamedTuple):
    header: int
    parts: int
    blob: int

    @property
    def rest(self) -> int:
        """Bytes after the prefix."""
        return self.header + 8 * self.parts + self.blob


def pack(header: dict[str, Any], parts: Sequence[bytes] = ()) -> list[Buffer]:
    """The frame as buffers to send one after another; large parts are not copied."""
    text = orjson.dumps(header)
    lengths = list(map(len, parts))
    size = sum(lengths)
    head = _PREFIX.pack(_MAGIC, len(text), len(parts), size) + text + struct.pack(f"<{len(lengths)}Q", *lengths)
    return [b"".join((head, *parts))] if size < min(_JOIN_BELOW, _SMALL * len(parts) + 1) else [head, *parts]


def write_buffers(send: SendSome, buffers: Sequence[Buffer]) -> None:
    """Send all of `buffers`, however little goes at a time."""
    views = [memoryview(buffer) for buffer in buffers if len(buffer)]
    first = 0
    while first < len(views):
        sent = send(views[first : first + _MOST_PIECES])
        while sent and sent >= len(views[first]):
            sent -= len(views[first])
            first += 1
        if sent:
            views[first] = views[first][sent:]


def read_frame(receive: ReceiveInto, most_parts: int, most_bytes: int) -> Frame:
    """The next frame, of at most `most_parts` parts that hold at most `most_bytes` together.

    Raises:
        BadFrame: if what comes is something else.
        EOFError: if the other side is gone before it is whole.
    """
    buffer = bytearray(_FIRST_READ)
    filled = _fill(receive, memoryview(buffer), 0, _PREFIX.size)
    sizes = _read_prefix(buffer, most_parts, most_bytes)
    whole = _PREFIX.size + sizes.rest
    if filled > whole:
        raise BadFrame("more came than one frame")
    if whole > len(buffer):
        larger = bytearray(whole)  # zeroes that the kernel lends: what is announced costs nothing until it comes
        larger[:filled] = buffer[:filled]
        buffer = larger
    with memoryview(buffer)[:whole] as view:
        _fill(receive, view, filled, whole)
        return _unpack(view[_PREFIX.size :], sizes)


def _fill(receive: ReceiveInto, view: memoryview, filled: int, wanted: int) -> int:
    """Receive until at least `wanted` bytes of `view` are filled; how many are."""
    while filled < wanted:
        filled += receive(view[filled:])
    return filled


def _read_prefix(buffer: bytearray, most_parts: int, most_bytes: int) -> _Sizes:
    magic, header, parts, blob = _PREFIX.unpack_from(buffer)
    if magic != _MAGIC:
        raise BadFrame("what came does not begin like a frame")
    if header > _MAX_HEADER or parts > most_parts or blob > most_bytes:
        raise BadFrame(f"a frame of {header} + {blob} bytes in {parts} parts is larger than may come")
    return _Sizes(header, parts, blob)


def _unpack(rest: memoryview, sizes: _Sizes) -> Frame:
    header = _read_header(rest[: sizes.header])
    lengths = struct.unpack_from(f"<{sizes.parts}Q", rest, sizes.header)
    if sum(lengths) != sizes.blob:
        raise BadFrame("the lengths of the parts do not add up")
    ends = list(accumulate(lengths, initial=0))
    blob = rest[sizes.header + 8 * sizes.parts :]
    if sizes.blob < _JOIN_BELOW:
        small = bytes(blob)  # a part of bytes costs half of one of a view
        return Frame(header, [small[start:end] for start, end in pairwise(ends)])
    return Frame(header, [bytes(blob[start:end]) for start, end in pairwise(ends)])


def _read_header(text: memoryview) -> dict[str, Any]:
    try:
        header = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise BadFrame("the frame's header is not JSON") from None
    if not isinstance(header, dict):
        raise BadFrame("the frame's header is not an object")
    return header
