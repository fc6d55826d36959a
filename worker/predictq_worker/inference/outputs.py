"""From whatever a model returned to rows, one for each row it was given; never a guess which row is whose."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from predictq_broker.messages import Code
from predictq_worker.inference.errors import BadOutput

__all__ = ["OutputRows", "output_rows", "plain_array"]

OutputRows = npt.NDArray[Any] | list[Any]
"""An array of bool, integers, floats or text; or, for everything else, one Python value a row."""

_PLAIN_KINDS: Final = frozenset("biuU")


def output_rows(outputs: Any, count: int, most_bytes: int) -> OutputRows:  # noqa: ANN401  a model returns anything
    """The `count` rows of `outputs`.

    Frames become arrays, sparse matrices dense ones of at most `most_bytes`. A list of arrays of two or more
    dimensions is what scikit-learn's `predict_proba` returns for several targets: one array a target, each of
    `count` rows, and is turned so that each row holds its values of every target.

    Raises:
        BadOutput: if these are no outputs, or not exactly `count` rows.
    """
    found = _dense(outputs, most_bytes)
    match found:
        case np.ndarray():
            rows = plain_array(found)
        case list() | tuple():
            rows = _of_sequence(found)
        case _:
            raise BadOutput(f"the model returned {_name(outputs)}, not an array or a list with one output a row")
    if len(rows) != count:
        raise BadOutput(f"the model returned {len(rows)} rows for {count}: it must return one output for each row")
    return rows


def plain_array(array: npt.NDArray[Any]) -> OutputRows:
    """`array` in a dtype that every encoding knows, or as a list where there is none.

    Raises:
        BadOutput: if its items are neither numbers, bool, text, times nor Python objects.
    """
    if array.ndim == 0:
        raise BadOutput("the model returned a single value, not one output for each row")
    if isinstance(array, np.ma.MaskedArray):
        return _listed(array)  # with None where it is masked
    plain = np.asarray(array)
    match plain.dtype.kind:
        case kind if kind in _PLAIN_KINDS or (kind == "f" and plain.dtype.itemsize <= 8):
            return plain.astype(plain.dtype.newbyteorder("="), copy=False)
        case "f":
            return plain.astype(np.float64)
        case "O":
            return _listed(plain)
        case "M":
            texts = np.datetime_as_string(plain).astype(object)
            texts[np.isnat(plain)] = None
            return _listed(texts)
        case _:
            raise BadOutput(f"the model returned values of dtype {plain.dtype.name}, which no answer can carry")


def _listed(array: npt.NDArray[Any]) -> list[Any]:
    values: list[Any] = array.tolist()
    return values


def _dense(outputs: Any, most_bytes: int) -> Any:  # noqa: ANN401  a model returns anything
    """Sparse matrices, frames and foreign arrays as NumPy's; everything else as it is."""
    if isinstance(outputs, np.ndarray | list | tuple | str | bytes | dict):
        return outputs
    if hasattr(outputs, "toarray"):
        return _dense_matrix(outputs, most_bytes)
    if hasattr(outputs, "to_numpy"):
        return outputs.to_numpy()
    return np.asarray(outputs) if hasattr(outputs, "__array__") else outputs


def _dense_matrix(matrix: Any, most_bytes: int) -> Any:  # noqa: ANN401  scipy ships no types
    size = matrix.dtype.itemsize
    for length in matrix.shape:
        size *= int(length)
    if size > most_bytes:
        raise BadOutput(
            f"the model returned a sparse matrix of {size} bytes when dense: ask with fewer rows", Code.TOO_LARGE
        )
    return matrix.toarray()


def _of_sequence(outputs: Sequence[Any]) -> list[Any]:
    """By kind, never by length: with as many targets as rows a guess could give one caller another's values."""
    if outputs and all(isinstance(part, np.ndarray) and part.ndim >= 2 for part in outputs):
        targets = [plain_array(part) for part in outputs]
        if len({len(target) for target in targets}) > 1:
            raise BadOutput("the model returned a list of arrays, one a target, that differ in their number of rows")
        return [list(values) for values in zip(*targets, strict=True)]
    return list(outputs)


def _name(outputs: object) -> str:
    return "nothing" if outputs is None else f"a {type(outputs).__name__}"
