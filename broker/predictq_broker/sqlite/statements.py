"""The SQL of this engine, one statement a file."""

from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files
from itertools import chain
from sqlite3 import Connection
from typing import Any, Final

__all__ = ["insert", "sql"]

_MOST_ROWS: Final = 512


@cache
def sql(verb: str) -> str:
    """The statement in `sql/<verb>.sql`, read once."""
    return files("predictq_broker.sqlite").joinpath("sql", f"{verb}.sql").read_text(encoding="utf-8")


def insert(connection: Connection, verb: str, rows: Sequence[tuple[Any, ...]], common: tuple[Any, ...] = ()) -> None:
    """Run the INSERT `verb`, which has the VALUES of one row, for all `rows`; `common` goes before them.

    Many rows a statement take half the time of `executemany`. Powers of two make few statements to prepare.
    """
    for part in _parts(rows):
        connection.execute(_for_rows(verb, len(part)), (*common, *chain.from_iterable(part)))


def _parts(rows: Sequence[tuple[Any, ...]]) -> Iterator[Sequence[tuple[Any, ...]]]:
    start = 0
    while left := len(rows) - start:
        size = min(_MOST_ROWS, 1 << (left.bit_length() - 1))
        yield rows[start : start + size]
        start += size


@cache
def _for_rows(verb: str, count: int) -> str:
    """The statement with its VALUES repeated."""
    before, values, after = sql(verb).rpartition("VALUES ")
    row, bracket, rest = after.partition(")")
    return before + values + ", ".join([row + bracket] * count) + rest
