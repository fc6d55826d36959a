"""NPY bodies: one array, its header checked against the bytes that follow before NumPy allocates anything.

The format is NEP 1: six magic bytes, two of version, the header's length, the header (a Python dict literal
with `descr`, `fortran_order` and `shape`), then the items.
"""

import ast
import math
import re
import struct
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from predictq_worker.inference.answers import Limits
from predictq_worker.inference.errors import BadBody
from predictq_worker.inference.json_body import too_many

__all__ = ["MAX_TEXT_WIDTH", "decode_npy"]

MAX_TEXT_WIDTH: Final = 4096
"""Characters that one fixed-width text of an array may have."""

_MAGIC: Final = b"\x93NUMPY"
_LENGTHS: Final = {1: "<H", 2: "<I", 3: "<I"}
_MAX_HEADER: Final = 1024
_MAX_DIMENSIONS: Final = 8
_DESCR: Final = re.compile("[<>|=]?[biufU][0-9]{1,5}")
_KEYS: Final = {"descr", "fortran_order", "shape"}


class _Header(NamedTuple):
    dtype: np.dtype[Any]
    fortran: bool
    shape: tuple[int, ...]


def decode_npy(body: bytes, limits: Limits) -> npt.NDArray[Any]:
    """The array in `body`, native and in C order; its first axis is the rows. It may be a view, which is read-only.

    Raises:
        BadBody: if it is not one whole array of at least one row, of a plain dtype, within the limits.
    """
    if len(body) > limits.max_body_bytes:
        raise too_many("bytes", len(body), limits.max_body_bytes)
    literal, start = _split(body)
    header = _read_header(literal)
    _check_size(header, len(body) - start, limits)
    items = np.frombuffer(body, header.dtype, offset=start)
    _check_items(items)
    array = items.reshape(header.shape, order="F" if header.fortran else "C")
    return np.asarray(array, dtype=header.dtype.newbyteorder("="), order="C")


def _split(body: bytes) -> tuple[bytes, int]:
    """The header's literal, and where the items begin."""
    if not body.startswith(_MAGIC):
        raise BadBody(r"the body is not an NPY array (it does not begin with \x93NUMPY): send what numpy.save writes")
    length = _LENGTHS.get(body[6]) if len(body) > 8 else None
    if length is None:
        raise BadBody("the NPY version is not 1, 2 or 3: send what numpy.save writes")
    start = 8 + struct.calcsize(length)
    if len(body) < start:
        raise BadBody("the NPY header is cut off")
    (size,) = struct.unpack_from(length, body, 8)
    if size > _MAX_HEADER:
        raise BadBody(f"the NPY header has {size} bytes; at most {_MAX_HEADER} are read")
    if len(body) < start + size:
        raise BadBody("the NPY header is cut off")
    return body[start : start + size], start + size


@lru_cache(maxsize=64)
def _read_header(literal: bytes) -> _Header:
    """Remembered, since the requests of one caller share theirs."""
    try:
        fields = ast.literal_eval(literal.decode("ascii").strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError, Warning):
        raise BadBody("the NPY header is not a dict literal: send what numpy.save writes") from None
    if not isinstance(fields, dict) or set(fields) != _KEYS:
        raise BadBody("the NPY header must hold descr, fortran_order and shape, and nothing else")
    if not isinstance(fields["fortran_order"], bool):
        raise BadBody("the NPY header's fortran_order must be True or False")
    return _Header(_dtype(fields["descr"]), fields["fortran_order"], _shape(fields["shape"]))


def _dtype(descr: object) -> np.dtype[Any]:
    dtype = _known(descr)
    if dtype is None or not _is_plain(dtype):
        raise BadBody(
            "the array's dtype is not accepted: send bool, integers, floats of at most 64 bits, "
            f"or text (dtype 'U') of at most {MAX_TEXT_WIDTH} characters"
        )
    return dtype


def _known(descr: object) -> np.dtype[Any] | None:
    """Only what looks like a plain dtype reaches NumPy, which would read others as a language of its own."""
    if not isinstance(descr, str) or not _DESCR.fullmatch(descr):
        return None
    try:
        return np.dtype(descr)
    except TypeError:
        return None


def _is_plain(dtype: np.dtype[Any]) -> bool:
    match dtype.kind:
        case "b" | "i" | "u" | "f":
            return dtype.itemsize <= 8
        case "U":
            return 0 < dtype.itemsize <= 4 * MAX_TEXT_WIDTH
        case _:
            return False


def _shape(shape: object) -> tuple[int, ...]:
    if not isinstance(shape, tuple) or not 1 <= len(shape) <= _MAX_DIMENSIONS:
        raise BadBody(f"the array must have 1 to {_MAX_DIMENSIONS} dimensions, the first of which is the rows")
    if not all(type(length) is int and length >= 0 for length in shape):
        raise BadBody("the array's shape must be whole numbers")
    return shape


def _check_size(header: _Header, size: int, limits: Limits) -> None:
    if header.shape[0] > limits.max_rows:
        raise too_many("rows", header.shape[0], limits.max_rows)
    wanted = math.prod(header.shape) * header.dtype.itemsize
    if wanted == 0:
        raise BadBody("the array is empty: send at least one row of at least one value")
    if wanted != size:
        raise BadBody(f"the NPY header announces {wanted} bytes of items, {size} follow: the body is cut or damaged")


def _check_items(items: npt.NDArray[Any]) -> None:
    """Refuse bit patterns that NumPy would hand on and nobody could read."""
    match items.dtype.kind:
        case "b":
            sound = bool(items.view(np.uint8).max() <= 1)
        case "U":
            codes = items.view(np.dtype(np.uint32).newbyteorder(items.dtype.byteorder))
            sound = bool(((codes < 0xD800) | ((codes > 0xDFFF) & (codes <= 0x10FFFF))).all())
        case _:
            sound = True
    if not sound:
        raise BadBody(f"the array holds bytes that are no {items.dtype.name} values: the body is damaged")
