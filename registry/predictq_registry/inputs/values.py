"""What a single value may be, and the sentence about one that may not."""

import math
from typing import Final, assert_never

from predictq_registry.inputs.columns import ColumnType
from predictq_registry.names import shown

__all__ = ["EXACT", "complaint", "described", "plain"]

EXACT: Final = 2**53
"""Up to here every whole number is a float64 of its own; beyond, neighbours become one."""
_INT64: Final = 2**63
_EXPECTED: Final[dict[ColumnType, str]] = {
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "string": "a text",
}
_NAMES: Final[dict[type, str]] = {list: "list", tuple: "list", dict: "record"}


def complaint(kind: ColumnType, value: object, *, nullable: bool) -> str | None:
    """What is wrong with `value` in a column of that type, to be read after its place; None if nothing is."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        missing = "null" if value is None else "NaN"
        return None if nullable else f"is {missing} where {_EXPECTED[kind]} is expected: no value may be missing here"
    wrong = f"is {described(value)} where {_EXPECTED[kind]} is expected"
    match kind:
        case "number":
            return _number_complaint(value) if _is_number(value) else wrong
        case "integer":
            return _integer_complaint(value, wrong, nullable=nullable) if _is_number(value) else wrong
        case "boolean":
            return None if isinstance(value, bool) else wrong
        case "string":
            return None if isinstance(value, str) else wrong
        case _:
            assert_never(kind)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _number_complaint(value: object) -> str | None:
    if isinstance(value, float):
        return f"is {value}; only finite numbers are taken" if math.isinf(value) else None
    if isinstance(value, int) and abs(value) > EXACT:
        return f"is {described(value)}, a whole number beyond 2^53, which a float64 cannot hold exactly"
    return None


def _integer_complaint(value: object, wrong: str, *, nullable: bool) -> str | None:
    if isinstance(value, float) and not value.is_integer():  # an infinity is none, either
        return wrong
    limit = EXACT if nullable else _INT64 - 1
    if isinstance(value, (int, float)) and abs(value) > limit:
        return f"is {described(value)}, beyond {'2^53' if nullable else '64 bits'}"
    return None


def described(value: object) -> str:
    """A value in words that a person who wrote JSON knows."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"text {shown(value)}"
    if isinstance(value, (int, float)):
        return _number(value)
    return f"a {_NAMES.get(type(value), type(value).__name__)}"


def _number(value: float) -> str:
    if isinstance(value, int):
        return str(value) if abs(value) < 10**30 else "a number of more than 30 digits"
    return repr(float(value))


def plain(kind: ColumnType, value: object) -> object:
    """A value without complaint, as the model input wants it: missing is NaN, a number is a float."""
    if value is None:
        return math.nan
    if kind == "number" and isinstance(value, (int, float)):
        return float(value)
    return value
