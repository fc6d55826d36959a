"""From output rows to answers. A whole group's output is converted once, then cut into one body a request."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import orjson

from predictq_broker.messages import NPY, Code
from predictq_worker.inference.answers import Answer, Failed, Limits, Ok
from predictq_worker.inference.content import response_content_type
from predictq_worker.inference.encode_npy import NpyWriter
from predictq_worker.inference.errors import BadOutput, describe
from predictq_worker.inference.outputs import OutputRows
from predictq_worker.inference.plain import INFINITE, plain_value

__all__ = ["encode"]

_CONVERT_AT_ONCE: Final = 8 << 20
"""Bytes of an array that is turned into Python values as a whole; a larger one request by request."""
_PLANE: Final = 2


def encode(content_type: str, rows: OutputRows, counts: Sequence[int], limits: Limits) -> list[Answer]:
    """One answer for each of `counts`, which says how many of `rows` belong to it, in order.

    What cannot be encoded fails alone: the rows are aligned already, so its neighbours' stand.
    """
    if response_content_type(content_type) == NPY:
        writer = NpyWriter()
        return [_guarded(writer.write, part, limits) for part in _parts(rows, counts)]
    if isinstance(rows, list):
        return [_guarded(_json_of_values, part, limits) for part in _parts(rows, counts)]
    if rows.nbytes <= _CONVERT_AT_ONCE and not _has_infinity(rows):
        with contextlib.suppress(orjson.JSONEncodeError):
            return _json_at_once(rows, counts, limits)
    return [_guarded(_json_of_array, part, limits) for part in _parts(rows, counts)]


def _json_at_once(rows: npt.NDArray[Any], counts: Sequence[int], limits: Limits) -> list[Answer]:
    values = rows.tolist()
    bodies: Iterable[bytes]
    if len(values) != len(counts):
        bodies = map(orjson.dumps, _parts(values, counts))
    elif rows.dtype.kind == "f" and rows.ndim <= _PLANE:
        bodies = _numbers_apart(values, rows.ndim)
    elif rows.ndim == 1:
        known = {value: _sized(orjson.dumps([value]), limits) for value in set(values)}  # labels: a few for all rows
        return [known[value] for value in values]
    else:
        bodies = (orjson.dumps([value]) for value in values)
    return [_sized(body, limits) for body in bodies]


def _numbers_apart(values: list[Any], depth: int) -> list[bytes]:
    """Each row's body, out of one text of all rows: no number holds a comma or a bracket."""
    opening, closing = b"[" * depth, b"]" * depth
    rows = orjson.dumps(values)[depth:-depth].split(b"," if depth == 1 else b"],[")
    return [opening + row + closing for row in rows]


def _parts(rows: Any, counts: Sequence[int]) -> Iterator[Any]:  # noqa: ANN401  an array's parts are arrays, a list's lists
    start = 0
    for count in counts:
        yield rows[start : start + count]
        start += count


def _guarded(write: Any, part: Any, limits: Limits) -> Answer:  # noqa: ANN401  as `_parts`
    """The answer `write` makes of `part`; what it cannot write fails, and it alone."""
    try:
        if getattr(part, "nbytes", 0) > limits.max_answer_bytes:
            return _too_large(part.nbytes, limits)
        return _sized(write(part), limits)
    except BadOutput as error:
        return Failed(error.code, error.message)
    except Exception as error:  # noqa: BLE001  a model's objects may raise anything while they are read
        return Failed(Code.MODEL_ERROR, f"the model's outputs cannot be encoded: {describe(error)}")


def _sized(body: bytes, limits: Limits) -> Answer:
    return Ok(body) if len(body) <= limits.max_answer_bytes else _too_large(len(body), limits)


def _too_large(size: int, limits: Limits) -> Failed:
    message = f"the outputs have {size} bytes; an answer may have {limits.max_answer_bytes}: ask with fewer rows"
    return Failed(Code.TOO_LARGE, message)


def _has_infinity(array: npt.NDArray[Any]) -> bool:
    return array.dtype.kind == "f" and bool(np.isinf(array).any())


def _json_of_array(part: npt.NDArray[Any]) -> bytes:
    if _has_infinity(part):
        raise BadOutput(INFINITE)
    return orjson.dumps(part.tolist())


def _json_of_values(part: list[Any]) -> bytes:
    return orjson.dumps([plain_value(value) for value in part])
