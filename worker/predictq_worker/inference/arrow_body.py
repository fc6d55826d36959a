"""Arrow bodies: one IPC stream, read as named columns. Bounded before it is read: no compression, plain types only."""

import importlib
from typing import Any

from predictq_worker.inference.answers import Limits
from predictq_worker.inference.arrow_messages import is_compressed
from predictq_worker.inference.errors import BadBody, describe
from predictq_worker.inference.json_body import too_many

__all__ = ["decode_arrow"]

_SPREAD = 4
"""How many times its body's size a frame may take up, since columns of a stream may share their bytes."""


def decode_arrow(body: bytes, limits: Limits) -> dict[str, list[Any]]:
    """The columns in `body` by name, each a list of plain values with None where one is missing.

    Raises:
        BadBody: if it is not a whole Arrow stream of plain columns within the limits, or pyarrow is not installed.
    """
    if len(body) > limits.max_body_bytes:
        raise too_many("bytes", len(body), limits.max_body_bytes)
    pa = _pyarrow()
    try:
        return _columns(_batches(pa, body, limits))
    except BadBody:
        raise
    except (pa.ArrowException, OSError, ValueError, KeyError, MemoryError, OverflowError) as error:
        raise BadBody(f"the body is not a sound Arrow IPC stream: {describe(error)}") from None


def _pyarrow() -> Any:  # noqa: ANN401  pyarrow ships no types
    """An extra: a worker without it serves the other content types."""
    try:
        return importlib.import_module("pyarrow")
    except ImportError:
        sentence = "Arrow bodies need pyarrow on the worker (pip install 'predictq[arrow]'): send JSON or NPY"
        raise BadBody(sentence) from None


def _batches(pa: Any, body: bytes, limits: Limits) -> list[Any]:  # noqa: ANN401  pyarrow ships no types
    _refuse_compression(pa, body)
    batches: list[Any] = []
    with pa.ipc.open_stream(pa.BufferReader(body)) as stream:
        _check_schema(pa, stream.schema)
        for batch in stream:
            batch.validate(full=True)
            batches.append(batch)
            _check_size(batches, len(body), limits)
    if not sum(batch.num_rows for batch in batches):
        raise BadBody("the Arrow stream holds no rows: send at least one")
    return batches


def _refuse_compression(pa: Any, body: bytes) -> None:  # noqa: ANN401  pyarrow ships no types
    """A few bytes of a compressed buffer may announce gigabytes, and pyarrow believes them."""
    for message in pa.ipc.MessageReader.open_stream(pa.BufferReader(body)):
        if is_compressed(message.metadata.to_pybytes()):
            raise BadBody("the Arrow stream is compressed: send it without compression")


def _check_schema(pa: Any, schema: Any) -> None:  # noqa: ANN401  pyarrow ships no types
    if len(set(schema.names)) != len(schema.names):
        raise BadBody("two columns of the Arrow stream have the same name")
    for field in schema:
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        if not _is_plain(pa.types, kind):
            raise BadBody(
                f"column {field.name[:80]!r} is of Arrow type {str(field.type)[:80]}: send numbers, bool or text"
            )


def _is_plain(types: Any, kind: Any) -> bool:  # noqa: ANN401  pyarrow ships no types
    tests = (
        types.is_integer,
        types.is_floating,
        types.is_boolean,
        types.is_string,
        types.is_large_string,
        types.is_null,
    )
    return any(test(kind) for test in tests)


def _check_size(batches: list[Any], size: int, limits: Limits) -> None:
    rows = sum(batch.num_rows for batch in batches)
    if rows > limits.max_rows:
        raise too_many("rows", rows, limits.max_rows)
    if sum(batch.nbytes for batch in batches) > _SPREAD * size:
        raise BadBody("the Arrow stream's columns overlap: send each with bytes of its own")


def _columns(batches: list[Any]) -> dict[str, list[Any]]:
    names = batches[0].schema.names
    return {name: [value for batch in batches for value in _values(batch.column(at))] for at, name in enumerate(names)}


def _values(column: Any) -> list[Any]:  # noqa: ANN401  pyarrow ships no types
    """Plain values; those of a dictionary are shared, so that a long text named often costs its length once."""
    if not hasattr(column, "dictionary"):
        return list(column.to_pylist())
    words = column.dictionary.to_pylist()
    return [None if code is None else words[code] for code in column.indices.to_pylist()]
