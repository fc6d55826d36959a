"""Arrays as request rows: what of NumPy is taken, and as what."""

from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from predictq_registry.errors import InputError

__all__ = ["Array", "Floats", "check_plane", "is_array", "listed"]

Array = NDArray[Any]
Floats = NDArray[np.float64]


def is_array(rows: object) -> TypeGuard[Array]:
    """Whether `rows` is a NumPy array of any type and shape."""
    return isinstance(rows, np.ndarray)


def check_plane(array: Array, width: int | None) -> None:
    """Refuse an array that is not rows of `width` columns; None is any width."""
    if array.ndim == 1:
        raise InputError(
            f"the array has shape {array.shape}, expected rows and columns: "
            "array.reshape(1, -1) makes one row of it, array.reshape(-1, 1) one column"
        )
    if array.ndim != 2:
        raise InputError(f"the array has {array.ndim} dimensions; expected 2: rows and columns")
    if not array.shape[0]:
        raise InputError("there are no rows")
    if array.shape[1] != width and (width is not None or not array.shape[1]):
        expected = "at least 1" if width is None else str(width)
        raise InputError(f"the array has {array.shape[1]} columns; expected {expected}")


def listed(array: Array) -> list[Any]:
    """The values as plain Python ones, which are then checked like any other."""
    if array.dtype.kind not in "fiubUO":
        raise InputError(f"an array of {array.dtype} is not taken; use numbers, booleans or texts")
    values: list[Any] = array.tolist()
    return values
