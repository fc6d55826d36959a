"""Rows as JSON: lists, records and texts; what JSON cannot say is refused here, with its place."""

import math
import sys
from collections.abc import Callable, Iterator

import orjson

from predictq.errors import InvalidInput
from predictq.values import Rows, Value

__all__ = ["check", "encode", "part"]

_STRICT = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS
_WITH_NUMPY = _STRICT | orjson.OPT_SERIALIZE_NUMPY
"""For when NumPy is there: orjson would import it as soon as it meets a type it does not know."""

_LISTS = (list, tuple)
_ROWS = (list, dict, str, tuple)  # a tuple, not a union: this check is made for every request


class _Unsendable(TypeError):
    """Carries the value out of orjson, so that its place can be found."""

    def __init__(self, value: object) -> None:
        super().__init__("unsendable")
        self.value = value


def check(rows: Rows) -> None:
    """Refuse what is not a non-empty list of rows, saying how to make it one."""
    if not isinstance(rows, _LISTS):
        raise InvalidInput(_no_list(rows))
    if not rows:
        raise InvalidInput("there are no rows: pass at least one")
    first = rows[0]
    if not isinstance(first, _ROWS) and not hasattr(first, "__len__"):
        raise InvalidInput(
            f"rows must be a list of rows, and its first item is the {_type_name(first)} {first!r:.40}: "
            "wrap a single row in a list, as in [[5.1, 3.5]]"
        )


def _no_list(rows: object) -> str:
    match rows:
        case dict():
            return 'rows must be a list: wrap a single record, as in [{"age": 41}]; for columns pass a frame'
        case str():
            return 'rows must be a list: wrap a single text, as in ["great film"]'
        case Iterator():
            return "rows must be a list: a generator is for map, which sends it in chunks"
        case _:
            return (
                f"rows must be a list, a NumPy array, a pandas or polars frame or an Arrow table, "
                f"not {_type_name(rows)}"
            )


def encode(rows: Rows) -> bytes:
    """`rows` as JSON; NaN, None and NA become null, which means: missing."""
    try:
        data = orjson.dumps(rows, _default, _WITH_NUMPY if "numpy" in sys.modules else _STRICT)
    except orjson.JSONEncodeError as error:
        raise InvalidInput(_complaint(rows, error)) from None
    if b"null" in data and (place := _place(rows, _is_infinite)):
        raise InvalidInput(f"{place} is infinite, which JSON cannot say: clip it, or send NaN for a missing value")
    return data


def _default(value: Value) -> Value:
    if type(value).__name__ == "NAType":  # what pandas calls a missing value
        return None
    if type(value).__module__ == "numpy" and hasattr(value, "tolist"):
        return value.tolist()  # an array that is not contiguous, or of texts
    raise _Unsendable(value)


def _complaint(rows: Rows, error: orjson.JSONEncodeError) -> str:
    cause = error.__cause__
    if not isinstance(cause, _Unsendable):
        return f"the rows cannot be written as JSON: {error}"
    place = _place(rows, lambda value: value is cause.value) or "a value"
    return (
        f"{place} is of type {_type_name(cause.value)}, which JSON cannot say: "
        "convert it to a number, a text, a bool or None"
    )


def _type_name(value: object) -> str:
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _is_infinite(value: object) -> bool:
    return math.isinf(value) if isinstance(value, float) else _is_infinite_scalar(value)


def _is_infinite_scalar(value: Value) -> bool:
    """NumPy's half and single precision numbers are no Python floats."""
    return type(value).__module__ == "numpy" and getattr(value, "ndim", 1) == 0 and value in (math.inf, -math.inf)


def _place(rows: Rows, found: Callable[[Value], bool]) -> str:
    """Where the first value is for which `found` holds: `row 3, column 'age'`; empty if there is none."""
    for number, row in enumerate(rows):
        for column, value in _cells(row):
            if _holds(value, found):
                return f"row {number}, column {column!r}"
        if found(row):
            return f"row {number}"
    return ""


def _cells(row: Rows) -> Iterator[tuple[Value, Value]]:
    if isinstance(row, dict):
        return iter(row.items())
    if isinstance(row, _LISTS):
        return enumerate(row)
    if type(row).__module__ == "numpy":
        return enumerate(row.tolist())
    return iter(())


def _holds(value: Value, found: Callable[[Value], bool]) -> bool:
    if found(value):
        return True
    return isinstance(value, (*_LISTS, dict)) and any(_holds(inner, found) for _, inner in _cells(value))


def part(rows: Rows, start: int, stop: int) -> Rows:
    """The rows from `start` to before `stop`."""
    return rows[start:stop]
