"""Rows of a model of which nothing is known: each request must be uniform, and only merges with its like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from predictq_registry.errors import InputError
from predictq_registry.inputs.arrays import is_array, listed
from predictq_registry.inputs.columns import Checked, Column
from predictq_registry.inputs.inference import column_type
from predictq_registry.inputs.signature import Signature
from predictq_registry.inputs.values import described

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from predictq_registry.inputs.arrays import Array
    from predictq_registry.inputs.columns import ColumnType, Value

__all__ = ["AnyRows"]


class AnyRows:
    """Finds a request's own signature, checks the request by it, and makes it part of the request's shape."""

    def check(self, rows: object) -> Checked:
        """See `Signature.check`."""
        own = _signature(rows)
        checked = own.check(rows)
        return Checked(checked.data, checked.count, (own, checked.shape))

    def assemble(self, checked: Sequence[Checked]) -> object:
        """See `Signature.assemble`."""
        shape: Any = checked[0].shape
        own, inner = shape
        return own.assemble([piece._replace(shape=inner) for piece in checked])


def _signature(rows: Value) -> Signature:
    if is_array(rows):
        return _of_array(rows)
    if isinstance(rows, dict):
        return _table(_texts_only(rows), (_values(values) for values in rows.values()))
    if not isinstance(rows, list):
        raise InputError(f"the rows are {described(rows)}; expected a list of rows")
    if not rows:
        raise InputError("there are no rows")
    return _of_list(rows)


def _of_list(rows: list[Any]) -> Signature:
    match rows[0]:
        case str():
            return Signature(kind="texts")
        case dict() as first if first:
            records = [row for row in rows if isinstance(row, dict)]
            names = _texts_only(first)
            return _table(names, ([record.get(name) for record in records] for name in names))
        case list() as first if first:
            return _of_lists([row for row in rows if isinstance(row, list) and len(row) == len(first)], len(first))
        case first:
            what = "empty" if first in ([], {}) else described(first)
            raise InputError(f"row 0 is {what}; expected a list of values, a record or a text", row=0)


def _of_lists(rows: list[list[Any]], width: int) -> Signature:
    table = _table([str(place) for place in range(width)], zip(*rows, strict=True), labelled=False)
    if all(column.type in {"number", "integer"} for column in table.columns):
        return Signature(kind="matrix", width=width, nullable=True)
    return table


def _of_array(array: Array) -> Signature:
    if array.dtype.kind == "U" and array.ndim == 1:
        return Signature(kind="texts")
    if array.dtype.kind not in "fiu":
        raise InputError(f"an array of {array.dtype} is not taken here; use numbers, or texts in one dimension")
    return Signature(kind="matrix", width=array.shape[1] if array.ndim == 2 and array.shape[1] else None, nullable=True)


def _table(names: Iterable[str], columns: Iterable[Sequence[Any]], *, labelled: bool = True) -> Signature:
    found = tuple(
        Column(name=name, type=_type(name, values), nullable=True) for name, values in zip(names, columns, strict=True)
    )
    if not found:
        raise InputError("there are no columns")
    return Signature(kind="table", columns=found, labelled=labelled)


def _type(name: str, values: Sequence[Any]) -> ColumnType:
    try:
        return column_type(values)
    except ValueError as error:
        raise InputError(f"column {name!r} {error}", column=name) from None


def _values(values: Value) -> list[Any]:
    if is_array(values) and values.ndim == 1:
        return listed(values)
    return values if isinstance(values, list) else []


def _texts_only(names: Collection[object]) -> list[str]:
    texts = [name for name in names if isinstance(name, str)]
    if len(texts) != len(list(names)):
        raise InputError("a column's name must be a text")
    return texts
