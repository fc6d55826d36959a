"""Rows as one NumPy array, which travels as `numpy.save` writes it, and never with objects."""

import io
import sys
from typing import Final

from predictq.errors import InvalidInput
from predictq.values import Rows

__all__ = ["check", "encode", "part"]

_NUMBERS: Final = "biuf"
_TEXTS: Final = "US"


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
    """`rows` in the format of `.npy` files."""
    file = io.BytesIO()
    sys.modules["numpy"].save(file, rows, allow_pickle=False)
    return file.getvalue()


def part(rows: Rows, start: int, stop: int) -> Rows:
    """The rows from `start` to before `stop`, not copied."""
    return rows[start:stop]
