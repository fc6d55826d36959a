"""The type of a column, found from its values."""

import math
from collections.abc import Iterable
from typing import Any

from predictq_registry.inputs.columns import ColumnType, Value
from predictq_registry.inputs.values import described

__all__ = ["column_type", "is_missing"]


def column_type(values: Iterable[Any]) -> ColumnType:
    """The narrowest type that holds all values; `number` if all are missing.

    Raises:
        ValueError: with a sentence to be read after the column's name, if there is none.
    """
    found: set[ColumnType] = {_type(value) for value in values if not is_missing(value)}
    if found <= {"integer", "number"}:
        return "integer" if found == {"integer"} else "number"
    if len(found) == 1:
        return found.pop()
    raise ValueError(f"mixes {' and '.join(sorted(f'{kind}s' for kind in found))}; a column has one type")


def is_missing(value: object) -> bool:
    """Whether there is no value: None or NaN."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def _type(value: Value) -> ColumnType:
    match value:
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case _:
            raise ValueError(f"holds {described(value)}; a value is a number, true or false, or a text")
