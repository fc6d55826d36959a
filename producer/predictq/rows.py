"""From what a caller has (lists, records, texts, arrays, frames) to the body of a request, whole or in chunks.

NumPy, pandas, polars and pyarrow are recognised by the name of the module a value's class comes from: whoever
passes such a value has imported the library already, and nobody else has to.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Final, NamedTuple

from predictq import arrays, frames, json_rows
from predictq.errors import InvalidInput, TooLarge
from predictq.settings import Settings
from predictq.values import Rows
from predictq_broker import ARROW, JSON, NPY

__all__ = ["Body", "chunks", "encode"]


class Body(NamedTuple):
    """Encoded rows: the bytes, how they are encoded, and how many rows they hold."""

    data: bytes
    content_type: str
    rows: int


class _Kind(NamedTuple):
    """How rows of one kind are counted, encoded and cut."""

    check: Callable[[Rows], None]
    encode: Callable[[Rows], bytes]
    content_type: str
    part: Callable[[Rows, int, int], Rows]


_ROWS: Final = 1000
_BYTES: Final = 1 << 20
_MOST_ROWS: Final = 4096
_LISTED: Final = _Kind(json_rows.check, json_rows.encode, JSON, json_rows.part)
_KINDS: Final[Mapping[str, _Kind]] = {
    "numpy": _Kind(arrays.check, arrays.encode, NPY, arrays.part),
    "pandas": _Kind(frames.check_pandas, frames.encode_pandas, JSON, frames.pandas_part),
    "polars": _Kind(frames.check_polars, frames.encode_polars, JSON, frames.polars_part),
    "pyarrow": _Kind(frames.check_arrow, frames.encode_arrow, ARROW, frames.arrow_part),
}


def encode(rows: Rows, settings: Settings) -> Body:
    """The body for `rows`, which must fit into one request.

    Raises:
        InvalidInput: if they are of a kind, shape or value that cannot travel; it says which, and where.
        TooLarge: if there are more rows or bytes than one request may have.
    """
    kind = _LISTED if type(rows) is list else _kind(rows)  # the common case
    kind.check(rows)
    count = len(rows)
    if count > settings.max_rows:
        raise TooLarge(f"{count} rows; one request may have {settings.max_rows}: use map, which sends chunks")
    data = kind.encode(rows)
    if len(data) > settings.max_body:
        raise TooLarge(
            f"the rows take {len(data)} bytes; one request may have {settings.max_body}: use map with a smaller chunk"
        )
    return tuple.__new__(Body, (data, kind.content_type, count))  # as the class does, in half the time


def _kind(rows: object) -> _Kind:
    for ancestor in type(rows).__mro__:
        kind = _KINDS.get(ancestor.__module__.partition(".")[0])
        if kind:
            return kind
    return _LISTED


def chunks(rows: Rows, size: int | None, settings: Settings) -> Iterator[Rows]:
    """`rows` in order, cut into pieces of `size` rows; a generator is read only as far as needed.

    Args:
        rows: What is to be cut.
        size: Rows of each piece; None: 1000, or of an array so many that they take about a megabyte, 4096 at most.
        settings: What one request may have.

    Raises:
        InvalidInput: if `rows` are not rows, or `size` is not positive.
    """
    if size is not None and size < 1:
        raise InvalidInput(f"chunk must be at least 1 row, not {size}")
    kind = _kind(rows)
    if kind is _LISTED and isinstance(rows, Iterable) and not isinstance(rows, list | tuple | str | bytes | dict):
        return _read_in_chunks(rows, size or min(_ROWS, settings.max_rows))
    kind.check(rows)
    size = size or min(_usual(rows, kind), settings.max_rows)
    return (kind.part(rows, start, start + size) for start in range(0, len(rows), size))


def _usual(rows: Rows, kind: _Kind) -> int:
    """What a chunk costs by itself is then little beside what its bytes cost, and no model is kept for long."""
    if kind.content_type == JSON:
        return _ROWS
    row_bytes: int = max(rows.nbytes // len(rows), 1)
    return min(max(_BYTES // row_bytes, 1), _MOST_ROWS)


def _read_in_chunks(rows: Iterable[object], size: int) -> Iterator[list[object]]:
    source = iter(rows)
    while chunk := list(islice(source, size)):
        yield chunk
