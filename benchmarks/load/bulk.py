"""Rows a second of whoever answers a matrix in chunks."""

import time
from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["measure"]

_ROWS = 50_000
_CELLS = 3_000_000


def measure(
    answer: Callable[[Any, int], Iterator[Any]], model: str, chunk: int, form: str, seconds: float
) -> dict[str, Any]:
    """Ask about fifty thousand rows (fewer, if they are wide) again and again; the labels are compared.

    Args:
        answer: From rows and the size of a chunk to the labels of one chunk after the other.
        model: One of `load.models`, of numbers.
        chunk: Rows in a request.
        form: `npy`: a NumPy array; `json`: lists.
        seconds: For so long, and until the last row is answered.
    """
    import numpy as np

    from load.models import rows, train

    sample = np.array(rows(model))
    many = min(_ROWS, _CELLS // sample.shape[1])
    matrix = np.tile(sample, (-(-many // len(sample)), 1))[:many]
    right = train(model).predict(matrix)
    asked = matrix if form == "npy" else matrix.tolist()
    for _ in answer(asked[: 4 * chunk], chunk):  # a warm-up
        pass
    began, count, wrong = time.perf_counter(), 0, 0
    while time.perf_counter() - began < seconds:
        for outputs in answer(asked, chunk):
            place = count % many
            wrong += int((np.asarray(outputs) != right[place : place + len(outputs)]).sum())
            count += len(outputs)
    took = time.perf_counter() - began
    return {"per_second": count / took, "answered": count - wrong, "wrong": wrong, "seconds": took}
