"""Arrays on their way: rows, and outputs, as `numpy.save` writes them, and never with objects.

The header is NumPy's to write and to read. It is remembered, since chunks have theirs in common and it takes ten times
as long as the items.
"""

import io
import math
import sys
from functools import lru_cache
from typing import Any, Final

from predictq.errors import InvalidInput
from predictq.values import Outputs, Rows

__all__ = ["check", "decode", "encode", "part"]

_NUMBERS: Final = "biuf"
_TEXTS: Final = "US"
_PLAIN: Final = b"\x93NUMPY\x01\x00"
"""Version 1 of the format: two bytes say how long the header is."""
_LONGEST: Final = 1024
"""Bytes of a header that is remembered."""


def check(rows: Rows) -> None:
    """Refuse what is not a non-empty array of rows of numbers or texts."""
    dtype = getattr(rows, "dtype", None)
    if dtype is None or not hasattr(rows, "ndim"):
        raise InvalidInput(f"rows must be an array, not {type(rows).__name__}")
    if dtype.kind not in _NUMBERS + _TEXTS:
        raise InvalidInput(
            f"an array of dtype {dtype} cannot travel: use astype for numbers or texts, or pass a list of rows"
        )
    if rows.ndim == 0 or (rows.ndim == 1 and dtype.kind in _NUMBERS):
        raise InvalidInput(
            f"an array of shape {rows.shape} has no rows: use array.reshape(1, -1) for a single row, "
            "array.reshape(-1, 1) for a single column"
        )
    if len(rows) == 0:
        raise InvalidInput("there are no rows: pass at least one")


def encode(rows: Rows) -> bytes:
    """`rows` in the format of `.npy` files; copied once."""
    array = sys.modules["numpy"].ascontiguousarray(rows)
    return b"".join((_header(array.dtype.str, array.shape), array.data))


@lru_cache(maxsize=64)
def _header(descr: str, shape: tuple[int, ...]) -> bytes:
    file = io.BytesIO()
    fields = {"descr": descr, "fortran_order": False, "shape": shape}
    sys.modules["numpy"].lib.format.write_array_header_1_0(file, fields)
    return file.getvalue()


def decode(body: bytes) -> Outputs:
    """The array in `body`, which holds the bytes of an `.npy` file; a copy of its own, that may be written to.

    Raises:
        ValueError: if there is none, or one of objects.
    """
    import numpy as np

    start = len(_PLAIN) + 2 + int.from_bytes(body[len(_PLAIN) : len(_PLAIN) + 2], "little")
    if body.startswith(_PLAIN) and start <= _LONGEST:
        shape, order, dtype = _layout(body[:start])
        count = math.prod(shape)
        if count and dtype.itemsize and not dtype.hasobject:
            return np.frombuffer(body, dtype, count, start).reshape(shape, order=order).copy(order="K")
    return np.lib.format.read_array(io.BytesIO(body), allow_pickle=False)  # not `load`, which would unpack a zip


@lru_cache(maxsize=64)
def _layout(header: bytes) -> tuple[tuple[int, ...], Any, Any]:
    """Shape, order and dtype."""
    import numpy as np

    shape, in_columns, dtype = np.lib.format.read_array_header_1_0(io.BytesIO(header[len(_PLAIN) :]))
    return shape, "F" if in_columns else "C", dtype


def part(rows: Rows, start: int, stop: int) -> Rows:
    """The rows from `start` to before `stop`, not copied."""
    return rows[start:stop]
