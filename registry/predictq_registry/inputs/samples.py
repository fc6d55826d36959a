"""A sample of rows in any of the forms in which people keep them, read into one."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
import pandas as pd

from predictq_registry.errors import InvalidRelease
from predictq_registry.inputs.arrays import Array
from predictq_registry.inputs.columns import Value
from predictq_registry.inputs.inference import is_missing
from predictq_registry.inputs.values import described

__all__ = ["Sample", "SampleSource", "read_sample"]

SampleSource: TypeAlias = object
"""A path, a list of rows, records or texts, a NumPy array, a pandas or polars frame or series; or None."""

_MOST_ROWS: Final = 1000


class Sample(NamedTuple):
    """Rows of plain Python values; a missing one is None.

    Attributes:
        rows: Lists of values, or texts if `texts`.
        names: The columns' names; None if they have none.
        texts: Whether each row is one text.
        categories: The categories of those columns that are pandas categories.
    """

    rows: Sequence[Any]
    names: tuple[str, ...] | None = None
    texts: bool = False
    categories: Mapping[str, tuple[str, ...]] = MappingProxyType({})


def read_sample(source: SampleSource) -> Sample:
    """The sample in `source`, thinned out evenly to at most 1000 rows.

    Raises:
        InvalidRelease: with a sentence that says why it cannot be read.
    """
    if isinstance(source, (str, os.PathLike)):
        source = _read_file(Path(source))
    sample = _sample(source)
    if not sample.rows:
        raise InvalidRelease("the sample has no rows")
    return sample._replace(rows=spread(sample.rows, _MOST_ROWS))


def spread(rows: Sequence[Any], most: int) -> list[Any]:
    """At most that many of the rows, evenly spaced, so that sorted data is not known by its beginning alone."""
    if len(rows) <= most:
        return list(rows)
    return [rows[place * len(rows) // most] for place in range(most)]


def _read_file(path: Path) -> object:
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        known = ", ".join(sorted(_READERS))
        raise InvalidRelease(f"the sample {str(path)!r} has an unknown ending; known are {known}")
    try:
        return reader(path)
    except ImportError as error:
        raise InvalidRelease(f"the sample {str(path)!r} needs {error.name or 'pyarrow'}: pip install it") from error
    except Exception as error:  # whatever a reader says, it is the sample that cannot be read
        raise InvalidRelease(f"the sample {str(path)!r} cannot be read: {error}") from error


def _read_jsonl(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]


def _read_npy(path: Path) -> object:
    return np.load(path, allow_pickle=False)


_READERS: Final[dict[str, Callable[[Path], object]]] = {
    ".csv": pd.read_csv,
    ".json": lambda path: json.loads(path.read_text("utf-8")),
    ".jsonl": _read_jsonl,
    ".ndjson": _read_jsonl,
    ".npy": _read_npy,
    ".parquet": pd.read_parquet,
}


def _sample(source: Value) -> Sample:
    if isinstance(source, pd.DataFrame):
        return _of_frame(source)
    if isinstance(source, np.ndarray):
        return _of_array(source)
    if isinstance(source, (list, tuple)):
        return _of_list(list(source))
    if hasattr(source, "columns") and hasattr(source, "rows"):  # polars, which need not be installed
        return Sample([list(row) for row in source.rows()], tuple(source.columns))
    if hasattr(source, "to_list"):  # a series of either
        return _of_list(source.to_list())
    raise InvalidRelease(
        f"a {type(source).__name__} is no sample; give a path, a list of rows, records or texts, an array or a frame"
    )


def _of_frame(frame: pd.DataFrame) -> Sample:
    columns: list[list[Any]] = [frame.iloc[:, place].tolist() for place in range(frame.shape[1])]
    categories = {
        str(name): _categories(str(name), dtype)
        for name, dtype in frame.dtypes.items()
        if isinstance(dtype, pd.CategoricalDtype)
    }
    labels: list[Any] = frame.columns.tolist()
    names = tuple(map(str, labels)) if all(isinstance(label, str) for label in labels) else None
    if len(set(labels)) < len(labels):
        raise InvalidRelease("the sample has two columns of one name")
    return Sample([_plain_row(row) for row in zip(*columns, strict=True)], names, categories=categories)


def _categories(name: str, dtype: pd.CategoricalDtype) -> tuple[str, ...]:
    categories = dtype.categories.tolist()
    if not all(isinstance(category, str) for category in categories):
        raise InvalidRelease(f"the categories of column {name!r} are not texts; make them texts, or plain numbers")
    return tuple(categories)


def _of_array(array: Array) -> Sample:
    if array.ndim == 1 and array.dtype.kind in "UO":
        return _of_list(array.tolist())
    if array.ndim != 2:
        raise InvalidRelease(f"the sample array has {array.ndim} dimensions; expected 2: rows and columns")
    return Sample([_plain_row(row) for row in array.tolist()])


def _of_list(rows: list[Any]) -> Sample:
    first = rows[0] if rows else []
    if isinstance(first, str):
        return _of_texts(rows)
    if isinstance(first, dict):
        return _of_records(rows, tuple(first))
    for place, row in enumerate(rows):
        if not isinstance(row, (list, tuple, np.ndarray)) or len(row) != len(first):
            raise InvalidRelease(f"row {place} of the sample is not a list of {len(first)} values")
    return Sample([_plain_row(row) for row in rows])


def _of_texts(rows: list[Any]) -> Sample:
    for place, row in enumerate(rows):
        if not isinstance(row, str):
            raise InvalidRelease(f"row {place} of the sample is {described(row)}; expected a text like row 0")
    return Sample(list(map(str, rows)), texts=True)


def _of_records(rows: list[Any], names: tuple[str, ...]) -> Sample:
    for place, row in enumerate(rows):
        if not isinstance(row, dict) or row.keys() != set(names):
            raise InvalidRelease(f"row {place} of the sample is not a record with the columns {', '.join(names)}")
    return Sample([_plain_row([row[name] for name in names]) for row in rows], names)


def _plain_row(row: Sequence[Any]) -> list[Any]:
    return [_plain(value) for value in row]


def _plain(value: Value) -> Value:
    if value is pd.NA or value is pd.NaT or is_missing(value):
        return None
    return value.item() if isinstance(value, np.generic) else value
