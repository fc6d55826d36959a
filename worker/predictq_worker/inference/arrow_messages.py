"""A look into an Arrow IPC message's metadata, for the one thing pyarrow does not tell before it acts: compression.

The metadata is a flatbuffer: a table begins with the distance back to its vtable, which holds for each field its
offset in the table, or 0 where it is absent. Message.fbs: Message(version, header_type, header, …);
RecordBatch(length, nodes, buffers, compression, …); DictionaryBatch(id, data: RecordBatch, …).
"""

import struct
from typing import Final

from predictq_worker.inference.errors import BadBody

__all__ = ["is_compressed"]

_HEADER_TYPE: Final = 1
_HEADER: Final = 2
_DATA: Final = 1
_COMPRESSION: Final = 3


def is_compressed(metadata: bytes) -> bool:
    """Whether the message holds buffers that are compressed.

    Raises:
        BadBody: if the metadata is not a flatbuffer.
    """
    try:
        return _is_compressed(metadata)
    except (struct.error, IndexError):
        raise BadBody("the Arrow stream's metadata is damaged") from None


def _is_compressed(metadata: bytes) -> bool:
    message = _follow(metadata, 0)
    kind = _field(metadata, message, _HEADER_TYPE)
    header = _field(metadata, message, _HEADER)
    if kind is None or header is None:
        return False
    match metadata[kind]:
        case 3:  # RecordBatch
            return _batch_is_compressed(metadata, _follow(metadata, header))
        case 2:  # DictionaryBatch
            data = _field(metadata, _follow(metadata, header), _DATA)
            return data is not None and _batch_is_compressed(metadata, _follow(metadata, data))
        case _:
            return False


def _batch_is_compressed(metadata: bytes, batch: int) -> bool:
    return _field(metadata, batch, _COMPRESSION) is not None


def _follow(metadata: bytes, at: int) -> int:
    """Where the offset stored at `at` points."""
    (distance,) = struct.unpack_from("<I", metadata, at)
    return at + int(distance)


def _field(metadata: bytes, table: int, index: int) -> int | None:
    """Where the table's field `index` is stored; None if it is absent."""
    (back,) = struct.unpack_from("<i", metadata, table)
    vtable = table - back
    if vtable < 0:
        raise IndexError
    (size,) = struct.unpack_from("<H", metadata, vtable)
    if 4 + 2 * index >= size:
        return None
    (offset,) = struct.unpack_from("<H", metadata, vtable + 4 + 2 * index)
    return table + offset if offset else None
