"""Readers of every form of rows but CSV."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

from predictq_cli.exits import Exit, Stop

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["array", "document", "inline", "json_lines", "parquet", "text_lines"]


def inline(text: str) -> list[Any]:
    """Rows written on the command line."""
    return document(text.encode(), "the rows")


def document(data: bytes, name: str) -> list[Any]:
    """A JSON list of rows, records or texts; a single record is one row."""
    import orjson

    try:
        found = orjson.loads(data)
    except ValueError as error:
        raise Stop(Exit.USAGE, f"{name}: not JSON: {error}") from None
    match found:
        case list():
            return found
        case dict():
            return [found]
        case _:
            raise Stop(Exit.USAGE, f"{name}: expected a JSON list of rows, such as [[5.1, 3.5, 1.4, 0.2]]")


def json_lines(file: IO[bytes], name: str) -> Iterator[Any]:
    """One row, record or text a line; blank lines are skipped."""
    import orjson

    for number, line in enumerate(file, 1):
        if line.strip():
            try:
                yield orjson.loads(line)
            except ValueError as error:
                raise Stop(Exit.FAILED, f"{name} line {number}: not JSON: {error}") from None


def text_lines(file: IO[bytes], name: str) -> Iterator[str]:
    """One text a line."""
    for number, line in enumerate(file, 1):
        try:
            yield line.rstrip(b"\r\n").decode()
        except UnicodeDecodeError:
            raise Stop(Exit.FAILED, f"{name} line {number}: not UTF-8") from None


def parquet(file: IO[bytes], name: str) -> Iterator[dict[str, Any]]:
    """The records of a Parquet file, a batch in memory at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        for batch in pq.ParquetFile(file).iter_batches(batch_size=10_000):
            yield from batch.to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise Stop(Exit.FAILED, f"{name}: cannot be read as Parquet: {error}") from None


def array(file: IO[bytes], name: str) -> object:
    """The array in a NPY file."""
    import numpy as np

    try:
        # not `load`, which would also unpack a zip of arrays
        return np.lib.format.read_array(file, allow_pickle=False)
    except Exception as error:  # noqa: BLE001  NumPy lets its parser's errors through: SyntaxError, TokenError …
        raise Stop(Exit.FAILED, f"{name}: cannot be read as NPY: {error}") from None
