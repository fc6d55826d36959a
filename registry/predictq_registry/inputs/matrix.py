"""Rows of unnamed numbers."""

from collections.abc import Iterable, Sequence
from itertools import chain
from math import isfinite, nan
from typing import Any, Final

import numpy as np

from predictq_registry.errors import InputError
from predictq_registry.inputs.arrays import Array, Floats, check_plane, is_array
from predictq_registry.inputs.columns import Checked, Value
from predictq_registry.inputs.values import EXACT, complaint, described

__all__ = ["MatrixRows"]

_LIST: Final = {list}
_FLOAT: Final = {float}
_NUMBERS: Final = frozenset({float, int})


class MatrixRows:
    """Checks and assembles rows of `width` numbers; the model input is a float64 array."""

    def __init__(self, width: int, *, nullable: bool) -> None:
        self._width = width
        self._nullable = nullable

    def check(self, rows: object) -> Checked:
        """See `Signature.check`."""
        if type(rows) is list:
            if len(rows) == 1:  # the common request
                row = rows[0]
                if type(row) is list and len(row) == self._width and _are_numbers(row):
                    return Checked(rows, 1, "matrix")
            elif self._surely_fits(rows):
                return Checked(rows, len(rows), "matrix")
            return Checked(self._examined(rows), len(rows), "matrix")
        if is_array(rows):
            return Checked(self._array(rows), len(rows), "matrix")
        raise InputError(self._not_rows(rows))

    def _surely_fits(self, rows: list[Any]) -> bool:
        """Whether nothing is wrong, found out at C speed; if False, `_examined` decides value by value."""
        if set(map(type, rows)) != _LIST or set(map(len, rows)) != {self._width}:
            return False
        return _are_numbers(list(chain.from_iterable(rows)))

    def _examined(self, rows: list[Any]) -> list[list[float]]:
        if not rows:
            raise InputError("there are no rows")
        return [self._row(place, row) for place, row in enumerate(rows)]

    def _row(self, place: int, row: object) -> list[float]:
        if not isinstance(row, list):
            raise InputError(self._not_a_row(place, row), row=place)
        if len(row) != self._width:
            raise InputError(f"row {place} has {len(row)} values; expected {self._width}", row=place)
        return [self._value(place, column, value) for column, value in enumerate(row)]

    def _value(self, place: int, column: int, value: Value) -> float:
        wrong = complaint("number", value, nullable=self._nullable)
        if wrong:
            raise InputError(f"row {place}, column {column} {wrong}", row=place, column=column)
        return nan if value is None else float(value)

    def _not_a_row(self, place: int, row: object) -> str:
        sentence = f"row {place} is {described(row)}; expected a list of {_count(self._width)}"
        if isinstance(row, dict):
            return sentence + ": this model's columns have no names, so records cannot be put in order"
        if isinstance(row, (int, float)) and place == 0:
            return sentence + ": a single row is written [[…]]"
        return sentence

    def _not_rows(self, rows: object) -> str:
        if isinstance(rows, dict):
            return (
                "the rows are named columns, but this model's columns have no names: "
                f"send a list of rows, each a list of {_count(self._width)}"
            )
        return f"the rows are {described(rows)}; expected a list of rows, each a list of {_count(self._width)}"

    def _array(self, array: Array) -> Floats:
        if array.dtype.kind not in "fiu":
            raise InputError(f"the array holds {array.dtype}; expected numbers")
        check_plane(array, self._width)
        with np.errstate(over="ignore", invalid="ignore"):
            floats = array.astype(np.float64, order="C")
            surely_finite = isfinite(floats.sum())  # one infinity or NaN would show in the sum
        if not surely_finite:
            self._refuse(np.isinf(floats), floats)
            if not self._nullable:
                self._refuse(np.isnan(floats), floats)
        if array.dtype.kind != "f" and array.dtype.itemsize == 8:
            self._refuse(np.abs(floats) > EXACT, array)
        return floats

    def _refuse(self, wrong: Array, array: Array) -> None:
        if wrong.any():
            row, column = (int(place) for place in np.argwhere(wrong)[0])
            value = array[row, column].item()
            sentence = complaint("number", value, nullable=self._nullable) or f"is {value}, beyond 2^53"
            raise InputError(f"row {row}, column {column} {sentence}", row=row, column=column)

    def assemble(self, checked: Sequence[Checked]) -> Floats:
        """See `Signature.assemble`."""
        pieces: list[Any] = [piece.data for piece in checked]
        if set(map(type, pieces)) == _LIST:
            return to_floats(chain.from_iterable(pieces), sum(piece.count for piece in checked), self._width)
        if len(pieces) == 1:
            return np.asarray(pieces[0], np.float64)
        return np.concatenate([np.asarray(piece, np.float64) for piece in pieces])


def _are_numbers(values: list[Any]) -> bool:
    """Whether all are finite numbers that a float64 holds exactly; False may mean that a closer look is needed."""
    types = set(map(type, values))
    if types == _FLOAT:
        return isfinite(sum(values))
    # Sums of whole numbers may overflow, and NaN hides from min and max: both questions are needed.
    return types <= _NUMBERS and min(values) >= -EXACT and max(values) <= EXACT and isfinite(sum(values))


def to_floats(rows: Iterable[Sequence[Any]], count: int, width: int) -> Floats:
    """Rows of plain numbers as one array, in a single pass."""
    return np.fromiter(chain.from_iterable(rows), np.float64, count * width).reshape(count, width)


def _count(width: int) -> str:
    return "1 number" if width == 1 else f"{width} numbers"
