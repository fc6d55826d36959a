"""Rows with named, typed columns: records, lists in the order of the columns, or whole columns."""

from collections.abc import Callable, Sequence
from itertools import chain
from math import isfinite
from operator import itemgetter
from typing import Any, Final

from predictq_registry.errors import InputError
from predictq_registry.inputs.arrays import Array, check_plane, is_array, listed
from predictq_registry.inputs.columns import Checked, Column, Value
from predictq_registry.inputs.frames import FrameBuilder
from predictq_registry.inputs.headings import Headings
from predictq_registry.inputs.values import EXACT, complaint, described, plain

__all__ = ["Gaps", "TableRows"]

_ALLOWED: Final = {
    "number": frozenset({float, int}),
    "integer": frozenset({int}),
    "boolean": frozenset({bool}),
    "string": frozenset({str}),
}


Gaps = tuple[int, ...]
"""A request's shape: its columns of whole numbers or booleans that lack values, for which pandas takes another type."""

_NO_GAPS: Final[Gaps] = ()


class TableRows:
    """Checks and assembles rows of named columns; the model input is a pandas frame."""

    def __init__(self, columns: Sequence[Column], *, labelled: bool) -> None:
        self._columns = tuple(columns)
        self._headings = Headings([column.name for column in columns])
        self._builder = FrameBuilder(columns, labelled=labelled)
        self._width = len(columns)
        self._allowed = [_ALLOWED[column.type] for column in columns]
        self._numeric = [place for place, column in enumerate(columns) if column.type in {"number", "integer"}]
        self._coded = [
            (place, frozenset(column.categories)) for place, column in enumerate(columns) if column.categories
        ]
        names = [column.name for column in columns]
        self._values: Callable[[Value], tuple[object, ...]] = itemgetter(*names) if len(names) > 1 else _only(names[0])

    def check(self, rows: object) -> Checked:
        """See `Signature.check`."""
        ordered = self._ordered(rows)
        if all(map(self._surely_fits, ordered)):
            return Checked(ordered, len(ordered), _NO_GAPS)
        return self._examined(ordered)

    def assemble(self, checked: Sequence[Checked]) -> object:
        """See `Signature.assemble`."""
        pieces: list[Any] = [piece.data for piece in checked]
        gaps: Any = checked[0].shape
        return self._builder.build(list(chain.from_iterable(pieces)), gaps)

    def _ordered(self, rows: Value) -> list[Any]:
        """The rows as sequences in the order of the columns."""
        if type(rows) is list:
            if not rows:
                raise InputError("there are no rows")
            return self._records(rows) if type(rows[0]) is dict else self._lists(rows)
        if isinstance(rows, dict):
            return self._from_columns(rows)
        if is_array(rows):
            check_plane(rows, self._width)
            return listed(rows)
        raise InputError(f"the rows are {described(rows)}; expected a list of records")

    def _records(self, rows: list[Any]) -> list[Any]:
        for place, row in enumerate(rows):
            if type(row) is not dict:
                raise InputError(f"row {place} is {described(row)}, but row 0 is a record; use one form", row=place)
            if len(row) != self._width:
                raise self._headings.complaint(row, f"row {place}", place)
        try:
            return list(map(self._values, rows))
        except KeyError:
            raise self._first_misnamed(rows) from None

    def _first_misnamed(self, rows: list[Any]) -> InputError:
        place = next(place for place, row in enumerate(rows) if not self._headings.fit(row))
        return self._headings.complaint(rows[place], f"row {place}", place)

    def _lists(self, rows: list[Any]) -> list[Any]:
        for place, row in enumerate(rows):
            if type(row) is not list:
                raise InputError(_not_a_row(place, row, self._width), row=place)
            if len(row) != self._width:
                raise InputError(
                    f"row {place} has {len(row)} values; expected {self._width}: {self._headings}", row=place
                )
        return rows

    def _from_columns(self, columns: dict[Any, Any]) -> list[Any]:
        if not self._headings.fit(columns):
            raise self._headings.complaint(columns, "the request", None)
        lists = [_column(name, columns[name]) for name in self._headings.names]
        lengths = {len(values) for values in lists}
        if len(lengths) > 1:
            raise InputError(f"the columns have different lengths: {', '.join(map(str, sorted(lengths)))}")
        if lengths == {0}:
            raise InputError("there are no rows")
        return list(zip(*lists, strict=True))

    def _surely_fits(self, row: Sequence[Any]) -> bool:
        """Whether nothing is wrong and nothing missing, at C speed; if False, `_examined` decides."""
        if not all(map(frozenset.__contains__, self._allowed, map(type, row))):
            return False
        for place in self._numeric:
            if not -EXACT <= row[place] <= EXACT:  # False for NaN, too
                return False
        return not self._coded or all(row[place] in categories for place, categories in self._coded)

    def _examined(self, rows: list[Any]) -> Checked:
        examined = [self._row(place, row) for place, row in enumerate(rows)]
        gaps = [
            place
            for place, column in enumerate(self._columns)
            if column.nullable
            and column.type in {"integer", "boolean"}
            and any(_is_nan(row[place]) for row in examined)
        ]
        return Checked(examined, len(rows), tuple(gaps))

    def _row(self, place: int, row: Sequence[Any]) -> tuple[object, ...]:
        return tuple(self._value(place, column, value) for column, value in zip(self._columns, row, strict=True))

    def _value(self, place: int, column: Column, value: Value) -> object:
        wrong = complaint(column.type, value, nullable=column.nullable)
        if wrong is None and column.categories and isinstance(value, str) and value not in column.categories:
            wrong = f"is {described(value)}, which is none of the column's {len(column.categories)} categories"
        if wrong:
            raise InputError(f"row {place}, column {column.name!r} {wrong}", row=place, column=column.name)
        return plain(column.type, value)


def _only(name: str) -> Callable[[Value], tuple[object]]:
    """As `itemgetter` for several names: a tuple."""

    def values(record: Value) -> tuple[object]:
        return (record[name],)

    return values


def _column(name: str, values: Value) -> list[Any]:
    if is_array(values):
        return _flat(name, values)
    if type(values) is list:
        return values
    raise InputError(f"column {name!r} is {described(values)}; expected a list of values", column=name)


def _flat(name: str, array: Array) -> list[Any]:
    if array.ndim != 1:
        raise InputError(f"column {name!r} has {array.ndim} dimensions; expected 1", column=name)
    return listed(array)


def _not_a_row(place: int, row: object, width: int) -> str:
    if isinstance(row, dict):
        return f"row {place} is a record, but row 0 is a list; use one form"
    sentence = f"row {place} is {described(row)}; expected a record or a list of {width} values"
    return sentence + (": a single row is written [[…]]" if place == 0 and not isinstance(row, list) else "")


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and not isfinite(value)
