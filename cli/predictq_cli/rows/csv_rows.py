"""CSV as typed rows: a column is what all of its cells are, found in a first pass over the file.

A cell that is missing for pandas is missing here, so that a file reads the same as a sample and as a question.
"""

from __future__ import annotations

import csv
import io
import re
from contextlib import suppress
from enum import Enum
from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple

from predictq_cli.exits import Exit, Stop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["CsvForm", "csv_rows"]


class CsvForm(NamedTuple):
    """How a CSV file is to be read.

    Attributes:
        columns: The columns to send, by name; empty: all.
        header: Whether the first line names the columns.
        named: Whether to send records by name, or only the values in order.
        delimiter: What stands between two cells.
    """

    columns: tuple[str, ...] = ()
    header: bool = True
    named: bool = True
    delimiter: str = ","


class _Type(Enum):
    """What the cells of a column have been so far."""

    MISSING = "missing"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    TEXT = "text"


_MISSING: Final = frozenset(
    (
        *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>"),
        *("N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
    )
)
_INTEGER: Final = re.compile(r"\s*[+-]?[0-9]{1,18}\s*")
_NUMBER: Final = re.compile(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*")
_BOOLEAN: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}


def csv_rows(file: IO[bytes], name: str, form: CsvForm) -> Iterator[Any]:
    """The rows of `file`, which is read twice; records if the columns are to be named, else lists.

    Raises:
        Stop: if a line has too many or too few cells, a column is not there, or the text is not UTF-8.
    """
    lines = _Lines(file, name, form.delimiter)
    header = next(lines.cells(), None)
    if header is None:
        raise Stop(Exit.FAILED, f"{name}: is empty")
    names = header if form.header else [str(place) for place in range(len(header))]
    places = _places(names, form.columns, name)
    cells = _checked(lines, len(names), header=form.header)
    converters = [_CONVERTERS[kind] for kind in _types(cells, places)]
    rows = _values(_checked(lines, len(names), header=form.header), places, converters)
    if not (form.named and form.header):
        return rows
    chosen = [names[place] for place in places]
    return (dict(zip(chosen, row, strict=True)) for row in rows)


class _Lines(NamedTuple):
    """A file's lines, cut into cells, as often as asked for."""

    file: IO[bytes]
    name: str
    delimiter: str

    def cells(self) -> Iterator[list[str]]:
        """The cells of each line that is not blank."""
        self.file.seek(0)
        text = io.TextIOWrapper(self.file, "utf-8-sig", newline="")
        try:
            yield from filter(None, csv.reader(text, delimiter=self.delimiter))
        except UnicodeDecodeError:
            raise Stop(Exit.FAILED, f"{self.name}: not UTF-8; convert it first") from None
        except csv.Error as error:
            raise Stop(Exit.FAILED, f"{self.name}: not CSV: {error}") from None
        finally:
            with suppress(ValueError):  # the file is closed already: nothing is left to give back
                text.detach()


def _checked(lines: _Lines, width: int, *, header: bool) -> Iterator[list[str]]:
    """The lines after the header, each with `width` cells."""
    for place, cells in enumerate(lines.cells(), -1 if header else 0):
        if len(cells) != width:
            where = f"{lines.name}: row {place} (the first is 0)"
            raise Stop(Exit.FAILED, f"{where} has {len(cells)} cells; the first line has {width}")
        if place >= 0:
            yield cells


def _places(names: Sequence[str], wanted: Sequence[str], file: str) -> list[int]:
    missing = [name for name in wanted if name not in names]
    if missing:
        raise Stop(Exit.USAGE, f"{file}: there is no column {missing[0]!r}; there are {', '.join(names)}")
    return [names.index(name) for name in wanted] or list(range(len(names)))


def _types(rows: Iterator[list[str]], places: Sequence[int]) -> list[_Type]:
    types = [_Type.MISSING] * len(places)
    for cells in rows:
        types = [
            kind if kind is _Type.TEXT or cells[place] in _MISSING else _widened(kind, cells[place])
            for kind, place in zip(types, places, strict=True)
        ]
    return types


def _widened(kind: _Type, cell: str) -> _Type:
    """The narrowest type that takes what was seen and `cell`, too."""
    if kind is _Type.MISSING:
        kind = _Type.BOOLEAN if cell in _BOOLEAN else _Type.INTEGER
    if kind is _Type.BOOLEAN:
        return kind if cell in _BOOLEAN else _Type.TEXT
    if kind is _Type.INTEGER and _INTEGER.fullmatch(cell):
        return kind
    return _Type.NUMBER if _NUMBER.fullmatch(cell) else _Type.TEXT


_CONVERTERS: Final[dict[_Type, Callable[[str], Any]]] = {
    _Type.MISSING: str,
    _Type.INTEGER: int,
    _Type.NUMBER: float,
    _Type.BOOLEAN: _BOOLEAN.__getitem__,
    _Type.TEXT: str,
}


def _values(
    rows: Iterator[list[str]], places: Sequence[int], converters: Sequence[Callable[[str], Any]]
) -> Iterator[list[Any]]:
    pairs = list(zip(places, converters, strict=True))
    for cells in rows:
        yield [None if cells[place] in _MISSING else convert(cells[place]) for place, convert in pairs]
