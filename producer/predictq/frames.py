"""Rows as a frame: pandas and polars travel as JSON records, an Arrow table as an Arrow stream."""

import io
import sys
from collections.abc import Iterable

from predictq import json_rows
from predictq.errors import InvalidInput
from predictq.values import Rows, Value

__all__ = [
    "arrow_part",
    "check_arrow",
    "check_pandas",
    "check_polars",
    "encode_arrow",
    "encode_pandas",
    "encode_polars",
    "pandas_part",
    "polars_part",
]


def check_pandas(frame: Rows) -> None:
    """Refuse what is not a non-empty data frame whose columns have names and hold no times."""
    _check_is_frame(frame, "to_frame()")
    _check_rows(len(frame))
    _check_names(frame.columns)
    _check_times(name for name, dtype in frame.dtypes.items() if dtype.kind in "mM")


def check_polars(frame: Rows) -> None:
    """As `check_pandas`; polars itself sees to the names."""
    _check_is_frame(frame, "to_frame(), or collect() if it is lazy")
    _check_rows(len(frame))
    _check_times(name for name, dtype in frame.schema.items() if dtype.is_temporal())


def check_arrow(table: Rows) -> None:
    """Refuse what is not a non-empty table or record batch."""
    if not hasattr(table, "schema") or not hasattr(table, "num_rows"):
        raise InvalidInput(f"pass an Arrow table, not {type(table).__name__}")
    _check_rows(table.num_rows)


def _check_is_frame(frame: Rows, way_out: str) -> None:
    if type(frame).__name__ == "LazyFrame" or not hasattr(frame, "columns"):
        raise InvalidInput(f"pass a data frame, not {type(frame).__name__}: use {way_out}")


def _check_rows(count: int) -> None:
    if not count:
        raise InvalidInput("the frame has no rows: pass at least one")


def _check_names(columns: Value) -> None:
    for name in columns:
        if not isinstance(name, str):
            raise InvalidInput(f"column {name!r} has no text for a name: rename it, or pass frame.to_numpy()")
    if not columns.is_unique:
        raise InvalidInput("two columns of the frame have the same name: rename one")


def _check_times(names: Iterable[object]) -> None:
    for name in names:
        raise InvalidInput(f"column {name!r} holds times, which JSON cannot say: convert it to numbers or texts")


def encode_pandas(frame: Rows) -> bytes:
    """The frame as JSON records, without its index."""
    return json_rows.encode(frame.to_dict("records"))


def encode_polars(frame: Rows) -> bytes:
    """The frame as JSON records."""
    return json_rows.encode(frame.to_dicts())


def encode_arrow(table: Rows) -> bytes:
    """The table as one Arrow IPC stream."""
    file = io.BytesIO()
    with sys.modules["pyarrow"].ipc.new_stream(file, table.schema) as stream:
        stream.write(table)
    return file.getvalue()


def pandas_part(frame: Rows, start: int, stop: int) -> Rows:
    """The rows from `start` to before `stop`."""
    return frame.iloc[start:stop]


def polars_part(frame: Rows, start: int, stop: int) -> Rows:
    """The rows from `start` to before `stop`."""
    return frame[start:stop]


def arrow_part(table: Rows, start: int, stop: int) -> Rows:
    """The rows from `start` to before `stop`."""
    return table.slice(start, stop - start)
